/*! Training on pictures, pixel by pixel. */

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::options::{Given, TrainOptions, given, refuse_changes};
use super::run::{TrainingData, begun, check_same_data, new_manifest, train_model};
use crate::app::codes::MIXTURE;
use crate::app::drawing::{PixelSampling, decode, draw, imagine};
use crate::app::evaluate::Judge;
use crate::app::import::import_pictures;
use crate::app::picture_space::encode_some;
use crate::app::sampling::{SamplingOptions, condition_of, labels_of_item};
use crate::app::{Observer, OpenModel};
use crate::base::labels::{Classes, Group, LabelRule};
use crate::base::split::{Split, SplitRule};
use crate::checkpoint::{Medium, ModelManifest};
use crate::error::{Error, Result};
use crate::image::binarize::Binarize;
use crate::image::judge::PictureProfile;
use crate::image::statistics::{mean_smoothness, smoothness, verdict};
use crate::image::{
    Augmentation, Color, ContactSheet, Fit, ImportSettings, Indexed, Labelled, Palette, Picture,
    PictureDataset, PictureFormat, Pictures, PixelCodec, PixelFormat, Size, fingerprint, gif,
    label_source,
};
use crate::latent::{Mixture, Normals};
use crate::models::{Colorizer, ImageDecoder, LatentModel, Model, ModelSpec, NoiseKind, Objective};
use crate::sequence::{Codec, ConditionSource, Item, Sampler, SequenceDataset, SideInputs, Token};
use crate::train::Recipe;

/// Pictures to train on, and how they are read.
#[derive(Debug, Clone, Default)]
pub struct PictureTraining {
    /// A folder of pictures, with subfolders; an IDX file; or a text file with a row of colour indices a picture.
    pub pictures: PathBuf,
    /// The size of every picture; the one they all have, where it is missing.
    pub size: Option<Size>,
    /// What is done with pictures of another shape.
    pub fit: Option<Fit>,
    /// The colour behind transparent pixels; white where it is missing.
    pub background: Option<Color>,
    /// Colours in the palette.
    pub colors: Option<usize>,
    /// Whether to train in greys.
    pub grey: bool,
    /// Whether and how to train in black and white.
    pub binarize: Option<Binarize>,
    /// The colour map of rows of indices.
    pub colormap: Option<PathBuf>,
    /// Whether the pixels above the predicted one are no further inputs of the network.
    pub no_above: bool,
    /// Whether training flips, shifts and recolours pictures; by default for small sets, of networks of pixels and VAEs only in
    /// colour.
    pub augment: Option<bool>,
    /// Whether the first folder of each picture's path is its class.
    pub label_folders: bool,
    /// A regular expression whose named groups find classes in the pictures' paths, or in the rows of `labels`.
    pub label_pattern: Option<String>,
    /// The pictures' classes: an IDX or CSV file, or `beside` for the IDX file beside the pictures'.
    pub labels: Option<PathBuf>,
    /// The group and the names of the numbers in an IDX label file: `GROUP=NAME,NAME`.
    pub label_names: Option<String>,
    /// A regular expression for the paths or numbers to hold out; one in ten where it is missing.
    pub validation: Option<String>,
    /// A GAN with classes: a classifier that tells at each report how many pictures are of the class asked for.
    pub judge: Option<PathBuf>,
    /// What is trained on them.
    pub family: PictureFamily,
}

/// What is trained on pictures.
#[derive(Debug, Clone, Copy, Default)]
pub enum PictureFamily {
    /// A network that predicts pixel by pixel.
    #[default]
    Pixels,
    /// An image VAE.
    Vae(ImageVaeTraining),
    /// A GAN.
    Gan(GanTraining),
    /// A classifier.
    Classifier,
    /// A discriminator that makes pictures alone.
    Energy,
    /// A model that colours grey pictures.
    Colorizer(ColorizerTraining),
}

impl PictureFamily {
    /// The family of a model.
    fn of(model: &ModelSpec) -> &'static str {
        match model {
            ModelSpec::ImageVae { .. } => "image-vae",
            ModelSpec::Gan { .. } => "gan",
            ModelSpec::Energy { .. } => "gan --objective energy",
            ModelSpec::Colorizer { .. } => "gan --to color",
            ModelSpec::Classifier { .. } => "classifier",
            _ => "pictures",
        }
    }

    /// Its name as a command.
    fn name(self) -> &'static str {
        match self {
            Self::Pixels => "pictures",
            Self::Vae(_) => "image-vae",
            Self::Gan(_) => "gan",
            Self::Energy => "gan --objective energy",
            Self::Colorizer(_) => "gan --to color",
            Self::Classifier => "classifier",
        }
    }
}

/// An image VAE and its objective; the preset's where something is missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageVaeTraining {
    /// What decodes the code.
    pub decoder: Option<ImageDecoder>,
    /// Dimensions of the latent code.
    pub latent: Option<usize>,
    /// The KL weight β.
    pub beta: Option<f64>,
    /// Codes of each picture in the objective.
    pub codes: Option<usize>,
    /// Whether to train a plain autoencoder.
    pub autoencoder: bool,
}

/// A GAN and its objective; the objective's usual settings where something is missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct GanTraining {
    /// What both networks are trained for; `R3gan` where it is missing.
    pub objective: Option<Objective>,
    /// Discriminator updates for each update of the generator.
    pub discriminator_steps: Option<usize>,
    /// The distribution of noise; normal where it is missing.
    pub noise: Option<NoiseKind>,
    /// Numbers of a noise vector.
    pub noise_size: Option<usize>,
}

/// A model that colours grey pictures, and its objective.
#[derive(Debug, Clone, Copy, Default)]
pub struct ColorizerTraining {
    /// Whether it is trained by the absolute error alone, without a discriminator.
    pub error_alone: bool,
}

/// Pictures on a sheet at a report.
const SHEET: usize = 32;
/// Pictures that a judge of classes sees at a report.
const ASKED: u64 = 500;
/// Pictures of a row of a sheet.
const COLUMNS: usize = 8;
/// The longer side of a film in pixels.
const FILM: u32 = 896;
/// Numbers of a code that a report's film moves, and its frames.
const TRAVERSED: usize = 8;
const FRAMES: usize = 13;
/// Completed pictures at a report.
const COMPLETED: usize = 6;
/// Reconstructed pictures at a report of a VAE.
const RECONSTRUCTED: usize = 10;
/// Codes that a mixture is fitted to.
const FITTED: usize = 2000;
/// Of fewer pictures, a GAN and a colorizer augment by themselves what they see.
const FEW: usize = 5000;
/// The weight decay of a WaveNet of fewer pictures, which it would learn by heart, times their number; at most 1
/// (`benches/README.md`).
const DECAY: f64 = 700.0;
/// The steps of which a film of a generator's training consists, times powers of ten.
const SHOWN: [u64; 3] = [1, 2, 5];
/// Completions of a picture.
const WAYS: usize = 4;
/// Pictures that are measured for reports.
const MEASURED: usize = 512;

/// Trains a picture model.
///
/// # Errors
/// When an option is not possible, no picture can be used, training diverges, or writing fails.
pub fn train_pictures(
    data: &PictureTraining,
    options: &TrainOptions,
    observer: &mut dyn Observer,
) -> Result<OpenModel> {
    data.check(options)?;
    let mut given = options.given(data.given())?;
    let resumed = options.resumed("pictures")?;
    let settings = data.settings(resumed.as_ref())?;
    let held_out = match &resumed {
        Some(model) => SplitRule::Listed(model.manifest.split.clone()),
        None => SplitRule::new(data.validation.as_deref())?,
    };
    if let Some(model) = &resumed {
        let trained = PictureFamily::of(&model.manifest.recipe.model);
        if trained != data.family.name() {
            let what = format!("it was trained by: ensuite train {trained}");
            return Err(Error::model(model.folder.path(), what)
                .with_hint("resume it with the same command"));
        }
        if model.pictures()?.labelled == Labelled::ByFile {
            // It needs them whenever it is resumed, and runs begun by earlier programs have no record of them.
            given.remove("--labels");
        }
        refuse_changes(model, &given)?;
    }
    let classes = resumed
        .as_ref()
        .map(|model| model.manifest.classes.width() > 0);
    if data.judge.is_some() && !classes.unwrap_or(data.has_labels()) {
        return Err(Error::usage("--judge needs classes to ask for")
            .with_hint("give --label-folders, --label-pattern or --labels, or omit it"));
    }
    let judge = data.judge.as_deref().map(Judge::open).transpose()?;
    let pictures = import_pictures(&data.pictures, &settings, observer)?;
    data.check_format(&pictures)?;
    for warning in pictures.warnings() {
        observer.warn(warning);
    }
    let (order, split) = held_out.split(pictures.names(), &fingerprint(&pictures))?;
    check_same_data(resumed.as_ref(), &split, &data.pictures)?;
    let training = split.training;
    let (folder, manifest) = begun(resumed, given, || {
        data.manifest(options, &pictures, &order[..training], &settings, split)
    })?;
    check_batch(&data.pictures, training, &manifest.recipe)?;
    let Medium::Pictures(format) = manifest.medium.clone() else {
        unreachable!("a manifest of pictures");
    };
    if let Some(judge) = &judge {
        judge.check(&options.out, &format.codec, &manifest.classes)?;
    }
    let set = PictureDataset::new(&pictures, &format, order, manifest.recipe.seed)?;
    let training_data = PictureTrainingData {
        conditions: set.conditions(&manifest.classes)?,
        smoothness: mean_smoothness(&set)?,
        profiles: profiles(&set, &format, training)?,
        format: &format,
        set,
        training,
        judge,
    };
    train_model(
        options,
        folder,
        manifest,
        &training_data,
        &data.pictures,
        observer,
    )
}

/// Refuses fewer pictures than an update of two networks sees.
fn check_batch(path: &Path, pictures: usize, recipe: &Recipe) -> Result<()> {
    let rows = match &recipe.model {
        ModelSpec::Gan { .. } | ModelSpec::Energy { .. } | ModelSpec::Colorizer { .. } => {
            recipe.batches.rows
        }
        _ => return Ok(()),
    };
    if pictures >= rows {
        return Ok(());
    }
    let what = format!("{pictures} pictures to train on are fewer than the {rows} of an update");
    Err(Error::input(path, what).with_hint("add pictures, or give a smaller --batch"))
}

impl GanTraining {
    /// The recipe of this name; its colours are still to come.
    fn recipe(&self, name: &str, sides: [usize; 2]) -> Result<Recipe> {
        let objective = self.objective.unwrap_or(Objective::R3gan);
        let mut recipe = Recipe::gan(name, objective, sides, Vec::new())?;
        if let ModelSpec::Gan {
            network,
            adversarial,
        } = &mut recipe.model
        {
            network.noise = self.noise_size.unwrap_or(network.noise);
            adversarial.noise = self.noise.unwrap_or_default();
            let steps = &mut adversarial.discriminator_steps;
            *steps = self.discriminator_steps.unwrap_or(*steps);
        }
        Ok(recipe)
    }
}

impl ColorizerTraining {
    fn recipe(self, name: &str, sides: [usize; 2]) -> Result<Recipe> {
        let mut recipe = Recipe::colorizer(name, sides)?;
        if let ModelSpec::Colorizer { adversarial, .. } = &mut recipe.model {
            adversarial.discriminator = !self.error_alone;
        }
        Ok(recipe)
    }
}

impl PictureTraining {
    /// What can be refused before any picture is read.
    fn check(&self, options: &TrainOptions) -> Result<()> {
        let sides = self.size.map_or([20, 20], sides);
        let what = match self.family {
            PictureFamily::Pixels => "",
            PictureFamily::Vae(_) => "an image VAE",
            PictureFamily::Gan(_) => "a GAN",
            PictureFamily::Classifier => "a classifier",
            PictureFamily::Energy => "a discriminator alone",
            PictureFamily::Colorizer(_) => "a model that colours pictures",
        };
        if !what.is_empty() && options.network.is_some() {
            let hint = match self.family {
                PictureFamily::Vae(_) => "name its decoder: --decoder conv, dense, wavenet or lstm",
                _ => "omit it",
            };
            return Err(Error::usage(format!("--network does not apply to {what}")).with_hint(hint));
        }
        let whole = matches!(
            self.family,
            PictureFamily::Gan(_)
                | PictureFamily::Energy
                | PictureFamily::Classifier
                | PictureFamily::Colorizer(_)
        );
        let shown_as_they_are = matches!(
            self.family,
            PictureFamily::Energy | PictureFamily::Classifier
        );
        for (option, refused) in [
            ("--no-above", whole && self.no_above),
            ("--augment", shown_as_they_are && self.augment.is_some()),
        ] {
            if refused {
                let message = format!("{option} does not apply to {what}");
                return Err(Error::usage(message).with_hint("omit it"));
            }
        }
        let labelled = self.has_labels();
        if matches!(
            self.family,
            PictureFamily::Energy | PictureFamily::Colorizer(_)
        ) {
            if labelled {
                return Err(Error::usage(format!("{what} learns no classes"))
                    .with_hint("omit --label-folders, --label-pattern and --labels"));
            }
            let colors = matches!(self.family, PictureFamily::Colorizer(_));
            if colors && (self.grey || self.binarize.is_some()) {
                return Err(Error::usage("--to color learns from colours")
                    .with_hint("omit --grey and --binarize"));
            }
        }
        if matches!(self.family, PictureFamily::Classifier) && !options.resume && !labelled {
            return Err(
                Error::usage("a classifier needs the classes of the pictures")
                    .with_hint("give --label-folders, --label-pattern or --labels"),
            );
        }
        options.check(
            |name, network| self.recipe(name, network, sides),
            "small",
            "wavenet",
        )?;
        if self.colors == Some(1) {
            return Err(Error::usage("pictures of one colour cannot be learned")
                .with_hint("choose from 2 to 256 --colors"));
        }
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
            (
                "--label-names",
                "--label-pattern",
                self.label_names.is_some() && self.label_pattern.is_some(),
            ),
        ] {
            if clash {
                return Err(
                    Error::usage(format!("{first} does not apply with {second}"))
                        .with_hint("omit one of them"),
                );
            }
        }
        Ok(())
    }

    /// Whether classes are asked for.
    fn has_labels(&self) -> bool {
        self.label_folders || self.label_pattern.is_some() || self.labels.is_some()
    }

    /// What can be refused only when the kind of the pictures is known.
    fn check_format(&self, pictures: &Pictures) -> Result<()> {
        let indexed = matches!(pictures.format(), PixelFormat::Indexed(_));
        if indexed && self.grey {
            return Err(
                Error::usage("--grey does not apply to rows of colour indices")
                    .with_hint("omit it: their palette is kept as it is"),
            );
        }
        if !indexed && self.colormap.is_some() {
            return Err(Error::usage(
                "--colormap is for rows of colour indices, and these are pictures",
            )
            .with_hint("omit it"));
        }
        Ok(())
    }

    /// The recipe of this name, with the options of a VAE.
    fn recipe(&self, name: &str, network: &str, sides: [usize; 2]) -> Result<Recipe> {
        let vae = match self.family {
            PictureFamily::Pixels => return Recipe::pictures(name, network, sides),
            PictureFamily::Gan(gan) => return gan.recipe(name, sides),
            PictureFamily::Classifier => return Recipe::classifier(name, sides),
            PictureFamily::Colorizer(colorizer) => return colorizer.recipe(name, sides),
            PictureFamily::Energy => return Recipe::energy(name, sides),
            PictureFamily::Vae(vae) => vae,
        };
        let mut recipe = Recipe::image_vae(name, vae.decoder.unwrap_or_default(), sides)?;
        if let ModelSpec::ImageVae { network, elbo } = &mut recipe.model {
            network.latent = vae.latent.unwrap_or(network.latent);
            elbo.beta = vae.beta.unwrap_or(elbo.beta);
            elbo.codes = vae.codes.unwrap_or(elbo.codes);
            if vae.autoencoder {
                elbo.beta = 0.0;
            }
        }
        Ok(recipe)
    }

    fn labelled(&self) -> Labelled {
        match &self.labels {
            None => Labelled::ByPath,
            Some(path) if path == Path::new("beside") => Labelled::Beside,
            Some(_) => Labelled::ByFile,
        }
    }

    fn rule(&self) -> Result<LabelRule> {
        match (&self.label_pattern, &self.label_names) {
            (Some(pattern), _) => LabelRule::pattern(pattern),
            (None, Some(names)) => LabelRule::names(names),
            (None, None) if self.label_folders => Ok(LabelRule::Folders),
            (None, None) => Ok(LabelRule::None),
        }
    }

    /// How the pictures are read: by these options, or as for a resumed model.
    fn settings(&self, resumed: Option<&OpenModel>) -> Result<ImportSettings> {
        let file = self.labels.as_deref();
        if let Some(model) = resumed {
            let (form, labels) = (model.pictures()?, &model.manifest.labels);
            return Ok(ImportSettings {
                colormap: self.colormap.clone(),
                labels: label_source(form.labelled, labels, file)?,
                ..form.import_settings()
            });
        }
        Ok(ImportSettings {
            size: self.size,
            fit: self.fit.unwrap_or(Fit::Crop),
            background: self.background.unwrap_or([255; 3]),
            grey: self.grey || self.binarize.is_some(),
            colormap: self.colormap.clone(),
            labels: label_source(self.labelled(), &self.rule()?, file)?,
        })
    }

    fn given(&self) -> Given {
        // A file of labels is data, and may lie elsewhere when a run is resumed.
        let labels = match self.labelled() {
            Labelled::ByPath => None,
            Labelled::Beside => Some("beside"),
            Labelled::ByFile => Some("FILE"),
        };
        let mut options = vec![
            ("--size", json!(self.size)),
            ("--fit", json!(self.fit)),
            ("--background", json!(self.background.map(hex))),
            ("--colors", json!(self.colors)),
            ("--grey", json!(self.grey)),
            ("--binarize", json!(self.binarize)),
            ("--no-above", json!(self.no_above)),
            ("--augment", json!(self.augment.map(on_or_off))),
            ("--label-folders", json!(self.label_folders)),
            ("--label-pattern", json!(self.label_pattern)),
            ("--label-names", json!(self.label_names)),
            ("--labels", json!(labels)),
            ("--validation", json!(self.validation)),
        ];
        match self.family {
            PictureFamily::Vae(vae) => options.extend([
                ("--decoder", json!(vae.decoder)),
                ("--latent", json!(vae.latent)),
                ("--beta", json!(vae.beta.map(|beta| beta.to_string()))),
                ("--iw", json!(vae.codes)),
                ("--autoencoder", json!(vae.autoencoder)),
            ]),
            PictureFamily::Gan(gan) => options.extend([
                ("--objective", json!(gan.objective)),
                ("--discriminator-steps", json!(gan.discriminator_steps)),
                ("--noise", json!(gan.noise)),
                ("--noise-size", json!(gan.noise_size)),
            ]),
            PictureFamily::Energy => options.push(("--objective", json!("energy"))),
            PictureFamily::Colorizer(colorizer) => options.extend([
                ("--to", json!("color")),
                ("--error-alone", json!(colorizer.error_alone)),
            ]),
            PictureFamily::Pixels | PictureFamily::Classifier => {}
        }
        given(&options)
    }

    fn manifest(
        &self,
        options: &TrainOptions,
        pictures: &Pictures,
        training: &[usize],
        settings: &ImportSettings,
        split: Split,
    ) -> Result<ModelManifest> {
        let size = pictures.size();
        let mut recipe = options.recipe(
            |name, network| {
                let mut recipe = self.recipe(name, network, sides(size))?;
                if training.len() < FEW && recipe.model.name() == "wavenet" {
                    recipe.training.optimizer.weight_decay =
                        (DECAY / training.len() as f64).min(1.0);
                }
                Ok(recipe)
            },
            "small",
            "wavenet",
        )?;
        let palette = match self.binarize {
            Some(_) => Palette::binary(),
            None => pictures.palette(training, self.colors, recipe.seed)?,
        };
        let rule = self.rule()?;
        let labelled = rule.is_some() || self.labels.is_some();
        let classes = if labelled {
            Classes::collect(pictures.labels().iter().map(Vec::as_slice))
        } else {
            Classes::default()
        };
        match &mut recipe.model {
            ModelSpec::Gan {
                network,
                adversarial,
            } => {
                network.colors = palette.colors().to_vec();
                adversarial.augment = self.augment.unwrap_or(training.len() < FEW);
            }
            ModelSpec::Classifier { network } => {
                network.colors = palette.colors().to_vec();
                let one = |group: &&Group| group.values.len() < 2;
                if let Some(group) = classes.groups().iter().find(one) {
                    let all = format!(
                        "all pictures have the class {}={}",
                        group.name, group.values[0]
                    );
                    return Err(
                        Error::usage(all).with_hint("a classifier needs two classes or more")
                    );
                }
                network.groups = classes.counts();
            }
            ModelSpec::Energy { network, .. } => {
                network.colors = palette.colors().to_vec();
            }
            ModelSpec::Colorizer {
                network,
                adversarial,
            } => {
                network.colors = palette.colors().to_vec();
                network.validate()?;
                adversarial.augment = self.augment.unwrap_or(training.len() < FEW);
            }
            _ => {}
        }
        // A GAN augments what its discriminator sees; only networks that are told what was done learn from changed pictures.
        let told = matches!(self.family, PictureFamily::Pixels | PictureFamily::Vae(_));
        let suits = Augmentation::suits(training.len(), &palette);
        let form = PictureFormat {
            codec: PixelCodec::new(size, palette),
            fit: settings.fit,
            background: settings.background,
            grey: settings.grey,
            binarize: self.binarize,
            labelled: self.labelled(),
            augment: told && self.augment.unwrap_or(suits),
        };
        let reads_pixels = match &recipe.model {
            ModelSpec::ImageVae { network, .. } => network.decoder.is_some(),
            ModelSpec::Gan { .. }
            | ModelSpec::Energy { .. }
            | ModelSpec::Classifier { .. }
            | ModelSpec::Colorizer { .. } => false,
            _ => true,
        };
        let side_inputs = if reads_pixels {
            PictureFormat::side_inputs(size, !self.no_above)
        } else {
            SideInputs::default()
        };
        Ok(new_manifest(
            Medium::Pictures(form),
            side_inputs,
            rule,
            classes,
            recipe,
            split,
        ))
    }
}

/// How a colour is given.
fn hex([red, green, blue]: Color) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// How `--augment` is given.
fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Pixels in a row and in a column.
fn sides(size: Size) -> [usize; 2] {
    [size.width() as usize, size.height() as usize]
}

/// Pictures as training data.
struct PictureTrainingData<'a> {
    set: PictureDataset<'a>,
    training: usize,
    conditions: Vec<Vec<f32>>,
    format: &'a PictureFormat,
    smoothness: f64,
    /// Of training pictures and of held-out ones.
    profiles: [PictureProfile; 2],
    judge: Option<Judge>,
}

impl TrainingData for PictureTrainingData<'_> {
    fn sequences(&self) -> &dyn SequenceDataset {
        &self.set
    }

    fn training(&self) -> usize {
        self.training
    }

    fn conditions(&self) -> &dyn ConditionSource {
        &self.conditions
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let swatches = self.format.codec.palette().draw().enlarged(8);
        Ok(vec![("palette.png", swatches.png()?)])
    }

    fn made_of(
        &self,
        model: &Model,
        manifest: &ModelManifest,
    ) -> Result<Vec<(&'static str, String)>> {
        let Some(latent) = model.latent() else {
            return Ok(Vec::new());
        };
        // Without held-out pictures, some of training choose the number of parts.
        let cut = if self.training < self.set.count() {
            self.training
        } else {
            self.training - self.training.div_ceil(5).min(self.training - 1)
        };
        let seed = manifest.recipe.seed;
        let fitted = self.some_codes(latent, 0..cut, FITTED, seed)?;
        let rest = if cut < self.set.count() {
            cut..self.set.count()
        } else {
            0..cut
        };
        let held_out = self.some_codes(latent, rest, FITTED / 4, seed)?;
        let mixture = Mixture::choose(&fitted, &held_out, latent.latent(), seed);
        let text = serde_json::to_string(&mixture).expect("a mixture is JSON");
        Ok(vec![(MIXTURE, text)])
    }

    fn describe(&self, sequences: usize, _tokens: u64) -> String {
        format!("{sequences} pictures")
    }

    fn sample(
        &self,
        model: &Model,
        manifest: &ModelManifest,
        base: &Path,
        step: u64,
    ) -> Result<String> {
        if let Model::Colorizer(net) = model {
            let sheet = self.color_some(net)?;
            sheet.write_png(&base.with_extension("png"))?;
            return Ok(String::new());
        }
        if model.pictures().is_none() && model.sequence().is_none() {
            return Ok(String::new());
        }
        let made = self.draw_some(model, manifest, step)?;
        let codec = &self.format.codec;
        let painted = made.iter().map(|picture| codec.paint(picture)).collect();
        ContactSheet::grid(painted, Some(COLUMNS)).write_png(&base.with_extension("png"))?;
        if model.pictures().is_some() {
            self.write_growth(base.parent().unwrap_or(base), step)?;
        }
        if let Some(latent) = model.latent() {
            self.write_traversal(model, latent, &base.with_file_name("traversal.gif"))?;
        }
        if self.training < self.set.count() && model.sequence().is_some() {
            let (sheet, what) = match model.latent() {
                Some(latent) => (self.reconstruct_some(model, latent)?, "reconstructions"),
                None => (self.complete_some(model, manifest, step)?, "completions"),
            };
            let base_name = base.file_name().unwrap_or_default().to_string_lossy();
            sheet.write_png(&base.with_file_name(format!("{base_name}-{what}.png")))?;
        }
        let remark = self.remark(made, model.pictures().is_none())?;
        let asked = self.as_asked(model, manifest)?;
        Ok(asked.map_or(remark.clone(), |share| {
            format!(
                "{remark}, {:.0} % are of the class asked for",
                100.0 * share
            )
        }))
    }
}

impl PictureTrainingData<'_> {
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
            condition_of(manifest, &labels, seed, step * 1000 + item)
        };
        let condition = condition.cloned().map(Some).map_or_else(drawn, Ok)?;
        let sampling = SamplingOptions::default().settings(manifest);
        Ok(Item {
            stream: None,
            sampler: Sampler::new(sampling, seed, step * 1000 + item)?,
            condition: condition.filter(|condition| !condition.is_empty()),
            prompt,
        })
    }

    fn draw_some(&self, net: &Model, manifest: &ModelManifest, step: u64) -> Result<Vec<Indexed>> {
        if let Some(generator) = net.pictures() {
            // The same noise in every report, so that one sees it learn.
            let items =
                (0..SHEET as u64).map(|item| Self::item(manifest, 0, item, None, Vec::new()));
            let conditions = items.map(|item| Ok(item?.condition.unwrap_or_default()));
            return Ok(imagine(
                generator,
                &conditions.collect::<Result<Vec<_>>>()?,
                self.format,
            ));
        }
        let mut items = (0..SHEET as u64)
            .map(|item| Self::item(manifest, step, item, None, Vec::new()))
            .collect::<Result<Vec<_>>>()?;
        draw(
            &|lanes| net.require_sequence()?.stepper(lanes),
            &mut items,
            self.format,
        )
    }

    /// The share of made pictures that the judge finds to be of their class.
    fn as_asked(&self, model: &Model, manifest: &ModelManifest) -> Result<Option<f64>> {
        let (Some(judge), Some(generator)) = (&self.judge, model.pictures()) else {
            return Ok(None);
        };
        let seed = manifest.recipe.seed;
        let labels: Vec<_> = (0..ASKED)
            .map(|item| labels_of_item(&manifest.classes, &[], seed, item))
            .collect();
        let conditions = labels.iter().zip(0..).map(|(labels, item)| {
            Ok(condition_of(manifest, labels, seed, item)?.unwrap_or_default())
        });
        let made = imagine(
            generator,
            &conditions.collect::<Result<Vec<_>>>()?,
            self.format,
        );
        let pairs = made.iter().zip(&labels);
        let made: Vec<_> = pairs
            .map(|(p, labels)| (&p.indices[..], &labels[..]))
            .collect();
        Ok(judge.as_asked(&self.format.codec, &made))
    }

    /// Codes drawn from the posteriors of at most `most` pictures, one after another.
    fn some_codes(
        &self,
        latent: &dyn LatentModel,
        members: Range<usize>,
        most: usize,
        seed: u64,
    ) -> Result<Vec<f32>> {
        let some: Vec<usize> = members
            .clone()
            .step_by(members.len().div_ceil(most).max(1))
            .collect();
        let classes: Vec<&[f32]> = some.iter().map(|&i| &self.conditions[i][..]).collect();
        let posteriors = encode_some(latent, &self.set, &some, &classes)?;
        let codes = some.iter().enumerate().flat_map(|(item, &index)| {
            let mut normals = Normals::new(*b"fitting ", seed, index as u64);
            posteriors.posterior(item).sample(&mut normals)
        });
        Ok(codes.collect())
    }

    /// Held-out pictures in grey, above them what the model makes of these, and above that the pictures themselves.
    fn color_some(&self, net: &Colorizer) -> Result<ContactSheet> {
        let size = self.format.codec.size();
        let all = self.training..self.set.count();
        let all = if all.is_empty() {
            0..self.training
        } else {
            all
        };
        let some = all.clone().step_by(all.len().div_ceil(RECONSTRUCTED));
        let truths = some.map(|index| Ok(self.format.codec.colors(&self.set.indices(index)?)));
        let truths = truths.collect::<Result<Vec<_>>>()?;
        let greys = truths.iter().map(|p| Colorizer::greys(p)).collect();
        let rows = [truths.clone(), net.color(&truths), greys].map(|row: Vec<Vec<Color>>| {
            let cell = |pixels| {
                let picture = Picture {
                    width: size.width(),
                    height: size.height(),
                    pixels,
                };
                picture.into()
            };
            row.into_iter().map(cell).collect()
        });
        Ok(ContactSheet::new(rows.into()))
    }

    /// Held-out pictures above what the means of their codes give.
    fn reconstruct_some(&self, model: &Model, latent: &dyn LatentModel) -> Result<ContactSheet> {
        let codec = &self.format.codec;
        let held_out = self.training..self.set.count();
        let some: Vec<usize> = held_out
            .clone()
            .step_by(held_out.len().div_ceil(RECONSTRUCTED))
            .collect();
        let truths = some
            .iter()
            .map(|&index| {
                Ok(Indexed {
                    size: codec.size(),
                    indices: self.set.indices(index)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let classes: Vec<&[f32]> = some.iter().map(|&i| &self.conditions[i][..]).collect();
        let posteriors = encode_some(latent, &self.set, &some, &classes)?;
        let codes = posteriors.means().chunks(latent.latent());
        let conditions = classes.iter().zip(codes);
        let how = PixelSampling::default();
        let made = decode(
            model,
            conditions
                .map(|(classes, code)| [classes, code].concat())
                .collect(),
            how,
            self.format,
        )?;
        let row = |pictures: &[Indexed]| pictures.iter().map(|p| codec.paint(p).into()).collect();
        Ok(ContactSheet::new(vec![row(&truths), row(&made)]))
    }

    /// Completions of the upper halves of held-out pictures.
    fn complete_some(
        &self,
        model: &Model,
        manifest: &ModelManifest,
        step: u64,
    ) -> Result<ContactSheet> {
        let codec = &self.format.codec;
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
            &|lanes| model.require_sequence()?.stepper(lanes),
            &mut items,
            self.format,
        )?;
        let rows = truths.into_iter().zip(made.chunks(WAYS));
        let rows = rows.map(|(truth, made)| (truth, made.iter().map(|m| codec.paint(m)).collect()));
        Ok(ContactSheet::completions(rows.collect(), given))
    }

    /// A film of the first numbers of a code, a row each, which move from −2 to 2 while the others are 0.
    fn write_traversal(&self, model: &Model, latent: &dyn LatentModel, path: &Path) -> Result<()> {
        let rows = latent.latent().min(TRAVERSED);
        let classes = &self.conditions[0];
        let code = |frame: usize, row: usize| {
            let mut code = vec![0.0; latent.latent()];
            code[row] = 4.0 * frame as f32 / (FRAMES - 1) as f32 - 2.0;
            [&classes[..], &code].concat()
        };
        let conditions = (0..FRAMES).flat_map(|frame| (0..rows).map(move |row| (frame, row)));
        let conditions = conditions.map(|(frame, row)| code(frame, row)).collect();
        let how = PixelSampling::default();
        let made = decode(model, conditions, how, self.format)?;
        let codec = &self.format.codec;
        let frames: Vec<Vec<&Indexed>> =
            made.chunks(rows).map(|row| row.iter().collect()).collect();
        let scale = (FILM / codec.size().height() / rows as u32).max(1);
        gif::write_film(&frames, codec.palette(), scale, path)
    }

    /// A film of the sheets at steps 100, 200, 500, 1000 and so on, and of the last one.
    fn write_growth(&self, samples: &Path, last: u64) -> Result<()> {
        let powers = (2..).map(|power| 10_u64.pow(power));
        let steps = powers.flat_map(|power| SHOWN.map(|times| times * power));
        let steps = steps.take_while(|&step| step < last).chain([last]);
        let sheets = steps.map(|step| samples.join(format!("step-{step:07}.png")));
        let codec = &self.format.codec;
        let mut frames = Vec::new();
        for sheet in sheets.filter(|sheet| sheet.exists()) {
            let sheet = Picture::read(&sheet, self.format.background)?;
            let Some(tiles) = ContactSheet::tiles(&sheet, codec.size(), COLUMNS as u32) else {
                continue;
            };
            let mut indices = vec![0; tiles.pixels.len()];
            codec.palette().nearest_all(&tiles.pixels, &mut indices);
            // Pictures too large to stand side by side make no film.
            if let Ok(size) = Size::new(tiles.width, tiles.height) {
                frames.push(Indexed { size, indices });
            }
        }
        if frames.is_empty() {
            return Ok(());
        }
        let scale = (FILM / frames[0].size.width()).max(1);
        let frames: Vec<Vec<&Indexed>> = frames.iter().map(|frame| vec![frame]).collect();
        gif::write_film(&frames, codec.palette(), scale, &samples.join("film.gif"))
    }

    /// One sentence about generated pictures. Neighbouring pixels agree only where colours are `drawn` from a palette.
    fn remark(&self, made: Vec<Indexed>, drawn: bool) -> Result<String> {
        let width = self.format.codec.size().width() as usize;
        let ours = made
            .iter()
            .map(|picture| smoothness(&picture.indices, width))
            .sum::<f64>()
            / made.len() as f64;
        let made: Vec<Vec<u8>> = made.into_iter().map(|picture| picture.indices).collect();
        let different: HashSet<&[u8]> = made.iter().map(Vec::as_slice).collect();
        let mut copies = HashSet::new();
        for index in 0..self.training {
            let known = self.set.indices(index)?;
            if different.contains(known.as_slice()) {
                copies.insert(known);
            }
        }
        let copies = made.iter().filter(|picture| copies.contains(*picture));
        let copies = copies.count();
        let count = made.len();
        let made = PictureProfile::new(&self.format.codec, made);
        let [learned, held_out] = &self.profiles;
        let (distance, floor) = held_out.frechet(&made, learned);
        let floor = floor.map_or(String::new(), |floor| format!(" (floor {floor:.1})"));
        let smooth = if drawn {
            format!("{}, ", verdict(ours, self.smoothness))
        } else {
            String::new()
        };
        Ok(format!(
            "{smooth}Fréchet distance {distance:.1}{floor}, {copies} of {count} equal a training picture"
        ))
    }
}

/// The figures of some training pictures and of some held-out ones, where there are any.
fn profiles(
    set: &PictureDataset<'_>,
    format: &PictureFormat,
    training: usize,
) -> Result<[PictureProfile; 2]> {
    let all = set.count();
    let held_out = if training < all {
        training..all
    } else {
        0..all
    };
    let profile = |members: Range<usize>| -> Result<PictureProfile> {
        let some = members
            .clone()
            .step_by(members.len().div_ceil(MEASURED).max(1));
        let pictures = some
            .map(|index| set.indices(index))
            .collect::<Result<Vec<_>>>()?;
        Ok(PictureProfile::new(&format.codec, pictures))
    };
    Ok([profile(0..training)?, profile(held_out)?])
}
