/*! `ensuite train pictures`: learn from pictures, pixel by pixel. */

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::base::labels::{Classes, LabelRule};
use crate::base::split::Split;
use crate::base::split::SplitRule;
use crate::checkpoint::Medium;
use crate::checkpoint::ModelManifest;
use crate::cli::arguments::labels_of_item;
use crate::cli::lesson;
use crate::cli::lesson::Material;
use crate::cli::pictures::generate::draw;
use crate::cli::pictures::set::{PictureSet, fingerprint, import, label_source};
use crate::cli::train::TrainArgs;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::image;
use crate::image::binarize::Binarize;
use crate::image::{
    Color, ContactSheet, Fit, ImportSettings, Indexed, Palette, PixelCodec, PixelFormat, Size,
    parse_color,
};
use crate::image::{Labelled, PictureFormat};
use crate::models::Model;
use crate::sequence::{Codec, Item, Sampler, Sampling, SequenceDataset, Token};
use crate::train::Recipe;

/// Learn pictures, pixel by pixel (PNG, JPEG, GIF, WebP; IDX; rows of colour indices)
///
/// Every picture becomes the sequence of its pixels' colours, row by row. samples/ holds what the model draws at each
/// report, and how it completes pictures that were held out.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A folder of pictures, with subfolders; an IDX file; or a text file with a row of colour indices a picture
    pictures: PathBuf,
    #[command(flatten)]
    train: TrainArgs,
    /// Bring every picture to this size, such as 32 or 40x30 [default: the one they all have]
    #[arg(long, value_name = "WxH", help_heading = "Pictures")]
    size: Option<Size>,
    /// What to do with pictures of another shape
    #[arg(long, value_enum, help_heading = "Pictures")]
    fit: Option<FitArg>,
    /// The colour behind transparent pixels [default: white]
    #[arg(long, value_name = "COLOUR", value_parser = color, help_heading = "Pictures")]
    background: Option<Color>,
    /// Colours in the palette [default: 167 clustered from the pictures; 256 greys; those of a colour map]
    #[arg(long, value_name = "K", help_heading = "Pictures")]
    colors: Option<usize>,
    /// Learn in greys
    #[arg(long, help_heading = "Pictures")]
    grey: bool,
    /// Learn in black and white: cut at one half, or drawn anew each epoch
    #[arg(long, value_enum, help_heading = "Pictures")]
    binarize: Option<BinarizeArg>,
    /// The colour map of rows of indices [default: colormap.txt beside them]
    #[arg(long, value_name = "FILE", help_heading = "Pictures")]
    colormap: Option<PathBuf>,
    /// Do not show the network the pixels above the one it foresees
    #[arg(long, help_heading = "Pictures")]
    no_above: bool,
    /// Make the first folder of each picture's path its class
    #[arg(long, help_heading = "Pictures", conflicts_with = "label_pattern")]
    label_folders: bool,
    /// Find classes in the pictures' paths, or in the rows of --labels: named groups of a regular expression
    #[arg(long, value_name = "REGEX", help_heading = "Pictures")]
    label_pattern: Option<String>,
    /// The pictures' classes: an IDX or CSV file, or 'beside' for the IDX file beside the pictures'
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Pictures",
        conflicts_with = "label_folders"
    )]
    labels: Option<PathBuf>,
    /// Hold out the pictures whose path or number matches [default: one in ten]
    #[arg(long, value_name = "REGEX", help_heading = "Pictures")]
    validation: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FitArg {
    /// Fill the size and cut off what stands over
    Crop,
    /// Keep all of it, on the background
    Pad,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BinarizeArg {
    /// White from one half on
    Static,
    /// White with the probability that the grey value says
    Dynamic,
}

fn color(text: &str) -> std::result::Result<Color, String> {
    parse_color(text).map_err(|error| error.to_string())
}

/// Pictures on a sheet at a report.
const SHEET: usize = 32;
/// Completions at a report.
const COMPLETED: usize = 6;
/// Each in so many ways.
const WAYS: usize = 4;

pub(in crate::cli) fn run(args: &Args, ui: &Ui) -> Result<()> {
    args.check()?;
    let resumed = args.train.resumed("pictures")?;
    let settings = args.settings(resumed.as_ref().map(|(_, manifest)| manifest))?;
    let held_out = match &resumed {
        Some((_, manifest)) => SplitRule::Listed(manifest.split.clone()),
        None => SplitRule::new(args.validation.as_deref())?,
    };
    if let Some((_, manifest)) = &resumed {
        args.refuse_changes(manifest)?;
    }
    let pictures = import(&args.pictures, &settings, ui)?;
    args.check_format(&pictures)?;
    let (order, split) = held_out.split(pictures.names(), &fingerprint(&pictures))?;
    lesson::check_same_data(resumed.as_ref(), &split, &args.pictures)?;
    let training = split.training;
    let (folder, manifest) = match resumed {
        Some((folder, manifest)) => (Some(folder), manifest),
        None => (
            None,
            args.describe(&pictures, &order[..training], &settings, split)?,
        ),
    };
    let Medium::Pictures(form) = &manifest.medium else {
        unreachable!("resumed() asked for pictures");
    };
    let set = PictureSet::new(&pictures, form, order, manifest.recipe.seed)?;
    let material = PictureMaterial {
        conditions: set.conditions(&manifest.classes)?,
        smoothness: smoothness_of(&set)?,
        form,
        set,
        training,
    };
    lesson::learn(
        &args.train,
        folder,
        manifest.clone(),
        &material,
        &args.pictures,
        ui,
    )
}

impl Args {
    /// What can be refused before any picture is read.
    fn check(&self) -> Result<()> {
        let pixels = self.size.map_or(400, Size::area);
        self.train.check(
            |name, network| Recipe::pictures(name, network, pixels),
            "small",
            "lstm",
        )?;
        let beside = self.labelled() == Labelled::Beside;
        for (first, second, clash) in [
            (
                "--colors",
                "--binarize",
                self.colors.is_some() && self.binarize.is_some(),
            ),
            (
                "--label-pattern",
                "--labels beside",
                self.label_pattern.is_some() && beside,
            ),
        ] {
            if clash {
                return Err(Error::usage(format!("{first} means nothing with {second}"))
                    .with_hint("leave one of them away"));
            }
        }
        Ok(())
    }

    /// What can be refused only when the kind of the pictures is known.
    fn check_format(&self, pictures: &image::Pictures) -> Result<()> {
        let indexed = matches!(pictures.format(), PixelFormat::Indexed(_));
        if indexed && self.grey {
            return Err(
                Error::usage("--grey means nothing for rows of colour indices")
                    .with_hint("leave it away: their palette is kept as it is"),
            );
        }
        if !indexed && self.colormap.is_some() {
            return Err(Error::usage(
                "--colormap is for rows of colour indices, and these are pictures",
            )
            .with_hint("leave it away"));
        }
        Ok(())
    }

    fn labelled(&self) -> Labelled {
        match &self.labels {
            None => Labelled::ByPath,
            Some(path) if path == Path::new("beside") => Labelled::Beside,
            Some(_) => Labelled::ByFile,
        }
    }

    fn rule(&self) -> Result<LabelRule> {
        match &self.label_pattern {
            Some(pattern) => LabelRule::pattern(pattern),
            None if self.label_folders => Ok(LabelRule::Folders),
            None => Ok(LabelRule::None),
        }
    }

    /// How the pictures are read: as the person says, or as a resumed model did.
    fn settings(&self, resumed: Option<&ModelManifest>) -> Result<ImportSettings> {
        let file = self.labels.as_ref();
        if let Some(ModelManifest {
            medium: Medium::Pictures(form),
            labels,
            ..
        }) = resumed
        {
            return Ok(ImportSettings {
                colormap: self.colormap.clone(),
                labels: label_source(form.labelled, labels, file)?,
                ..form.import_settings()
            });
        }
        Ok(ImportSettings {
            size: self.size,
            fit: match self.fit {
                Some(FitArg::Pad) => Fit::Pad,
                _ => Fit::Crop,
            },
            background: self.background.unwrap_or([255; 3]),
            grey: self.grey || self.binarize.is_some(),
            colormap: self.colormap.clone(),
            labels: label_source(self.labelled(), &self.rule()?, file)?,
        })
    }

    fn refuse_changes(&self, manifest: &ModelManifest) -> Result<()> {
        let by_file = matches!(
            &manifest.medium,
            Medium::Pictures(form) if form.labelled == Labelled::ByFile
        );
        lesson::refuse_changes(&[
            ("--size", self.size.is_some()),
            ("--fit", self.fit.is_some()),
            ("--background", self.background.is_some()),
            ("--colors", self.colors.is_some()),
            ("--grey", self.grey),
            ("--binarize", self.binarize.is_some()),
            ("--no-above", self.no_above),
            ("--label-folders", self.label_folders),
            ("--label-pattern", self.label_pattern.is_some()),
            ("--labels", self.labels.is_some() && !by_file),
            ("--validation", self.validation.is_some()),
        ])
    }

    fn describe(
        &self,
        pictures: &image::Pictures,
        training: &[usize],
        settings: &ImportSettings,
        split: Split,
    ) -> Result<ModelManifest> {
        let size = pictures.size();
        let recipe = self.train.recipe(
            |name, network| Recipe::pictures(name, network, size.area()),
            "small",
            "lstm",
        )?;
        let palette = match self.binarize {
            Some(_) => Palette::binary(),
            None => pictures.palette(training, self.colors, recipe.seed)?,
        };
        let form = PictureFormat {
            codec: PixelCodec::new(size, palette),
            fit: settings.fit,
            background: settings.background,
            grey: settings.grey,
            binarize: self.binarize.map(|how| match how {
                BinarizeArg::Static => Binarize::Static,
                BinarizeArg::Dynamic => Binarize::Dynamic,
            }),
            labelled: self.labelled(),
        };
        let rule = self.rule()?;
        let labelled = rule.is_some() || self.labels.is_some();
        let classes = if labelled {
            Classes::collect(pictures.labels().iter().map(Vec::as_slice))
        } else {
            Classes::default()
        };
        let lags = if self.no_above {
            Vec::new()
        } else {
            PictureFormat::lags_above(size.width())
        };
        Ok(lesson::describe(
            Medium::Pictures(form),
            lags,
            rule,
            classes,
            recipe,
            split,
        ))
    }
}

/// Pictures to learn from.
struct PictureMaterial<'a> {
    set: PictureSet<'a>,
    training: usize,
    conditions: Vec<Vec<f32>>,
    form: &'a PictureFormat,
    smoothness: f64,
}

impl Material for PictureMaterial<'_> {
    fn sequences(&self) -> &dyn SequenceDataset {
        &self.set
    }

    fn training(&self) -> usize {
        self.training
    }

    fn conditions(&self) -> &[Vec<f32>] {
        &self.conditions
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let swatches = self.form.codec.palette().draw().enlarged(8);
        Ok(vec![("palette.png", swatches.png()?)])
    }

    fn amount(&self, sequences: usize, _tokens: u64) -> String {
        format!("{sequences} pictures")
    }

    fn sample(
        &self,
        net: &Model,
        manifest: &ModelManifest,
        base: &Path,
        step: u64,
    ) -> Result<String> {
        let made = self.draw_some(net, manifest, step)?;
        let codec = &self.form.codec;
        let painted = made.iter().map(|picture| codec.paint(picture)).collect();
        ContactSheet::grid(painted, Some(8)).write_png(&base.with_extension("png"))?;
        if self.training < self.set.count() {
            let completed = self.complete_some(net, manifest, step)?;
            let name = format!(
                "{}-completions.png",
                base.file_name().unwrap_or_default().to_string_lossy()
            );
            completed.write_png(&base.with_file_name(name))?;
        }
        Ok(self.remark(&made))
    }
}

impl PictureMaterial<'_> {
    fn item(
        manifest: &ModelManifest,
        step: u64,
        item: u64,
        condition: Option<&Vec<f32>>,
        prompt: Vec<Token>,
    ) -> Result<Item> {
        let seed = manifest.recipe.seed;
        let drawn = || {
            let labels = labels_of_item(&manifest.classes, &[], seed, step * 1000 + item);
            manifest.classes.vector(&labels)
        };
        let condition = condition.cloned().map_or_else(drawn, Ok)?;
        Ok(Item {
            sampler: Sampler::new(Sampling::default(), seed, step * 1000 + item)?,
            condition: (!condition.is_empty()).then_some(condition),
            prompt,
        })
    }

    fn draw_some(&self, net: &Model, manifest: &ModelManifest, step: u64) -> Result<Vec<Indexed>> {
        let mut items = (0..SHEET as u64)
            .map(|item| Self::item(manifest, step, item, None, Vec::new()))
            .collect::<Result<Vec<_>>>()?;
        draw(
            &|lanes| net.require_sequence()?.stepper(lanes),
            &mut items,
            self.form,
        )
    }

    /// Held-out pictures, their upper halves continued.
    fn complete_some(
        &self,
        net: &Model,
        manifest: &ModelManifest,
        step: u64,
    ) -> Result<ContactSheet> {
        let codec = &self.form.codec;
        let given = codec.size().area() / 2;
        let held_out = self.training..self.set.count();
        let some: Vec<usize> = held_out
            .clone()
            .step_by(held_out.len().div_ceil(COMPLETED))
            .collect();
        let (mut items, mut truths) = (Vec::new(), Vec::new());
        for &index in &some {
            let truth = Indexed {
                size: codec.size(),
                indices: self.set.indices(index)?,
            };
            let prompt = codec.encode(&truth)?[..given].to_vec();
            for _ in 0..WAYS {
                let number = (SHEET + items.len()) as u64;
                let condition = Some(&self.conditions[index]);
                items.push(Self::item(
                    manifest,
                    step,
                    number,
                    condition,
                    prompt.clone(),
                )?);
            }
            truths.push(codec.paint(&truth));
        }
        let made = draw(
            &|lanes| net.require_sequence()?.stepper(lanes),
            &mut items,
            self.form,
        )?;
        let rows = truths.into_iter().zip(made.chunks(WAYS));
        let rows = rows.map(|(truth, made)| (truth, made.iter().map(|m| codec.paint(m)).collect()));
        Ok(ContactSheet::completions(rows.collect(), given))
    }

    /// One sentence about pictures that were drawn.
    fn remark(&self, made: &[Indexed]) -> String {
        let width = self.form.codec.size().width() as usize;
        let ours = made
            .iter()
            .map(|picture| smoothness(&picture.indices, width))
            .sum::<f64>()
            / made.len() as f64;
        judge(ours, self.smoothness)
    }
}

/// What the share of neighbours of one colour says, beside the corpus's.
fn judge(ours: f64, corpus: f64) -> String {
    let figures = format!(
        "{:.0} % of neighbouring pixels agree beside {:.0} %",
        100.0 * ours,
        100.0 * corpus
    );
    if ours > 0.995 && corpus < 0.98 {
        format!("empty: nearly every pixel is of one colour ({figures})")
    } else if ours < corpus - 0.25 * corpus.min(1.0 - corpus).max(0.05) {
        format!("still noise: its pixels hold together less than the corpus's ({figures})")
    } else {
        format!("as smooth as the corpus ({figures})")
    }
}

/// The share of pixels that have the colour of their left neighbour.
fn smoothness(indices: &[u8], width: usize) -> f64 {
    let pairs = indices.chunks(width).flat_map(|row| row.windows(2));
    let (mut same, mut all) = (0, 0_u32);
    for pair in pairs {
        same += u32::from(pair[0] == pair[1]);
        all += 1;
    }
    f64::from(same) / f64::from(all.max(1))
}

/// The same, over some pictures of a set.
fn smoothness_of(set: &PictureSet<'_>) -> Result<f64> {
    /// Enough for two digits.
    const LOOKED_AT: usize = 500;
    let width = set.width();
    let some = (0..set.count()).step_by(set.count().div_ceil(LOOKED_AT));
    let (mut sum, mut count) = (0.0, 0.0);
    for index in some {
        sum += smoothness(&set.indices(index)?, width);
        count += 1.0;
    }
    Ok(sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_emptiness_and_good_pictures_get_different_sentences() {
        let width = 20;
        let noise: Vec<u8> = (0_u32..400).map(|i| (i * i * 31 % 167) as u8).collect();
        let empty = vec![3; 400];
        let blocks: Vec<u8> = (0..400).map(|i| (i / 5 % 3) as u8).collect();
        let corpus = smoothness(&blocks, width);
        let said = |picture: &[u8]| judge(smoothness(picture, width), corpus);
        assert!(said(&noise).starts_with("still noise"), "{}", said(&noise));
        assert!(said(&empty).starts_with("empty"), "{}", said(&empty));
        assert!(said(&blocks).starts_with("as smooth"), "{}", said(&blocks));
    }
}
