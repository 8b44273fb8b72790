/*! `sliders`: what the numbers of a latent code do to a picture. */

use std::path::{Path, PathBuf};

use super::complete::check_picture_output;
use crate::app::drawing::PixelSampling;
use crate::app::generate::{comfortable, write_png};
use crate::app::import::import_pictures;
use crate::app::picture_space::PictureSpace;
use crate::app::{Observer, OpenModel};
use crate::base::frechet::Moments;
use crate::base::labels::{Label, describe};
use crate::error::{Error, Result};
use crate::image::{
    ContactSheet, ImportSettings, Indexed, LabelSource, Labelled, PictureDataset, PixelCodec, gif,
};
use crate::latent::Posteriors;
use crate::sequence::SequenceDataset;

/// The value of a group that stands for each of its values in turn.
const ALL: &str = "all";
/// The most rows without `--dims`.
const MOST_ROWS: usize = 256;
/// Pictures that are measured for ranges and for the order of the dimensions.
const MEASURED: usize = 2000;

/// What a slider moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// One number of the code each, by falling KL divergence where data is given.
    Kl,
    /// A principal axis of the codes each, by falling variance; ranges are in standard deviations from the code.
    Pca,
}

/// One slider.
struct Slider {
    /// `None` sets the number `dim`; else moves along this direction, which is one standard deviation long.
    direction: Option<Vec<f32>>,
    dim: usize,
    range: Range,
    /// What it is, and how much it says.
    title: String,
}

impl Slider {
    /// The code with this slider at `x`.
    fn moved(&self, code: &[f32], x: f64) -> Vec<f32> {
        let mut code = code.to_vec();
        match &self.direction {
            None => code[self.dim] = x as f32,
            Some(direction) => {
                for (number, along) in code.iter_mut().zip(direction) {
                    *number += x as f32 * along;
                }
            }
        }
        code
    }
}

/// Which numbers move, and how far.
#[derive(Debug, Clone)]
pub struct SlidersOptions {
    /// What is moved: single numbers of the code, or the principal axes of the codes of `data`.
    pub axes: Axes,
    /// Two dimensions for a square; a row for each dimension where it is missing.
    pub dims: Option<[usize; 2]>,
    /// From where to where; −2 to 2 where it is missing, or two deviations about the mean of the codes of `data`.
    pub range: Option<[f64; 2]>,
    /// Values of each dimension.
    pub steps: usize,
    /// The picture whose code is moved; the code of zeros where it is missing.
    pub from: Option<PathBuf>,
    /// Pictures like those of training: they give the ranges, and rows are sorted by KL divergence.
    pub data: Option<PathBuf>,
    /// Chosen classes; those of the picture, or drawn from the seed, where they are missing. The value `all` makes a row for
    /// each value of its group, with the code as it is.
    pub classes: Vec<Label>,
    /// 0 takes the likeliest colour of each pixel; where it is missing, 0 if pixels are independent given the code, else 1.
    pub temperature: Option<f32>,
    /// The seed of what is drawn; the same for every picture.
    pub seed: u64,
}

/// Rows of pictures.
#[derive(Debug, Clone)]
pub struct Sliders {
    codec: PixelCodec,
    rows: Vec<Vec<Indexed>>,
    /// What each row shows.
    pub titles: Vec<String>,
    /// The classes of the pictures, in words; empty without classes.
    pub labels: String,
}

impl Sliders {
    /// Writes all rows as one PNG file, or as a GIF with one frame for each value.
    ///
    /// # Errors
    /// When the picture would be too large, or writing fails.
    pub fn write(&self, path: &Path, scale: Option<u32>) -> Result<()> {
        write_rows(&self.codec, &self.rows, path, scale)
    }
}

/// Writes rows of pictures as one PNG file, or, where the name ends in .gif, as a GIF that shows one column after another.
pub(crate) fn write_rows(
    codec: &PixelCodec,
    rows: &[Vec<Indexed>],
    path: &Path,
    scale: Option<u32>,
) -> Result<()> {
    if is_gif(path) {
        let size = codec.size();
        let scale = scale.unwrap_or_else(|| comfortable(size.width(), size.height()));
        let columns = rows.iter().map(Vec::len).min().unwrap_or(0);
        let frames: Vec<Vec<&Indexed>> = (0..columns)
            .map(|column| rows.iter().map(|row| &row[column]).collect())
            .collect();
        return gif::write_film(&frames, codec.palette(), scale, path);
    }
    let painted = rows.iter().map(|row| {
        let cells = row.iter().map(|picture| codec.paint(picture).into());
        cells.collect()
    });
    let mut sheet = ContactSheet::new(painted.collect());
    sheet.scale = scale.unwrap_or(sheet.scale);
    write_png(&sheet.draw()?, path)
}

/// Whether a path asks for a GIF.
pub(crate) fn is_gif(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gif"))
}

/// Refuses an output that rows of pictures cannot be written to, before any work is done.
///
/// # Errors
/// A usage error for a wrong extension or a scale that is too large; when it is not a model of pictures.
pub fn check_rows_output(model: &OpenModel, path: &Path, scale: Option<u32>) -> Result<()> {
    check_picture_output(model, path, is_gif(path), scale)
}

/// The range of one dimension.
type Range = [f64; 2];

/// A row of pictures that are not drawn yet.
#[derive(Default)]
struct Row {
    titles: Vec<String>,
    /// Each a class vector and then a code.
    conditions: Vec<Vec<f32>>,
}

impl OpenModel {
    /// Moves the numbers of a latent code.
    ///
    /// # Errors
    /// When it has no codes of pictures, an option does not fit it, or a picture cannot be read.
    pub fn sliders(
        &self,
        options: &SlidersOptions,
        observer: &mut dyn Observer,
    ) -> Result<Sliders> {
        let space = PictureSpace::open(self)?;
        options.check(space.latent())?;
        let (shown, each) = self.shown_in_turn(&options.classes)?;
        if each.is_none() && options.dims.is_none() && space.latent() > MOST_ROWS {
            let rows = format!(
                "a row for each of {} numbers cannot be looked at",
                space.latent()
            );
            return Err(Error::usage(rows).with_hint("choose two with --dims, as in --dims 0,1"));
        }
        let moves = options.dims.is_some() || options.data.is_some() || options.range.is_some();
        if each.is_some() && moves {
            return Err(Error::usage(
                "one code is drawn with every value of the class, and none of its numbers moves",
            )
            .with_hint("omit --dims, --axes, --range and --data, or choose a value of the class"));
        }
        let measured = match &options.data {
            Some(path) => Some(measure(&space, self, path, observer)?),
            None => None,
        };
        let (labels, code) = match &options.from {
            None => (
                space.labels(&shown, options.seed),
                vec![0.0; space.latent()],
            ),
            Some(path) => {
                let picture = space.read(path, observer)?;
                let own = space.name(&picture, &shown)?;
                let classes = space.classes(&own)?;
                (own, space.encode(&picture, &classes)?.means().to_vec())
            }
        };
        let shown: Vec<Row> = match each {
            Some(group) => {
                // One row reads better than a column.
                let mut all = Row::default();
                for value in &self.manifest.classes.groups()[group].values {
                    let mut labels = labels.clone();
                    labels[group].1.clone_from(value);
                    all.titles.push(describe(&labels));
                    all.conditions
                        .push([&space.classes(&labels)?[..], &code].concat());
                }
                vec![all]
            }
            None => {
                let sliders = options.sliders(space.latent(), measured.as_ref());
                options.rows(&sliders, &space.classes(&labels)?, &code)
            }
        };
        let conditions: Vec<_> = shown
            .iter()
            .flat_map(|row| row.conditions.clone())
            .collect();
        let how = PixelSampling {
            temperature: options.temperature,
            seed: options.seed,
        };
        let mut made = space.decode(conditions, how)?.into_iter();
        let of_row = |row: &Row| made.by_ref().take(row.conditions.len()).collect();
        Ok(Sliders {
            codec: space.format.codec.clone(),
            rows: shown.iter().map(of_row).collect(),
            titles: shown.into_iter().flat_map(|row| row.titles).collect(),
            labels: match each {
                Some(group) => {
                    let mut labels = labels;
                    ALL.clone_into(&mut labels[group].1);
                    describe(&labels)
                }
                None => describe(&labels),
            },
        })
    }

    /// The labels without the group whose values are all shown, and the number of that group.
    fn shown_in_turn(&self, given: &[Label]) -> Result<(Vec<Label>, Option<usize>)> {
        let groups = self.manifest.classes.groups();
        let is_all = |(name, value): &&Label| {
            let known = |value: &str| {
                groups
                    .iter()
                    .any(|group| group.name == *name && group.values.iter().any(|v| v == value))
            };
            value == ALL && !known(ALL)
        };
        let (turns, rest): (Vec<_>, Vec<_>) = given.iter().partition(is_all);
        let rest: Vec<Label> = rest.into_iter().cloned().collect();
        self.manifest.classes.check(&rest)?;
        let found = match turns.as_slice() {
            [] => None,
            [(name, _)] => Some(
                groups
                    .iter()
                    .position(|group| group.name == *name)
                    .ok_or_else(|| {
                        Error::usage(format!("the model has no class group '{name}'"))
                            .with_hint("show its classes: ensuite info MODEL")
                    })?,
            ),
            _ => {
                return Err(Error::usage("only one group can have the value 'all'")
                    .with_hint("choose a value of the others"));
            }
        };
        Ok((rest, found))
    }
}

impl SlidersOptions {
    fn check(&self, latent: usize) -> Result<()> {
        if let Some([from, to]) = self.range
            && !(from.is_finite() && to.is_finite() && from < to)
        {
            return Err(
                Error::usage(format!("a range from {from} to {to} is not possible"))
                    .with_hint("the first number is the lower one, as in --range -2:2"),
            );
        }
        if self.axes == Axes::Pca && self.data.is_none() {
            return Err(
                Error::usage("principal axes are those of the codes of pictures")
                    .with_hint("give pictures like those of training with --data"),
            );
        }
        let Some(dims) = self.dims else { return Ok(()) };
        if dims[0] == dims[1] || dims.iter().any(|&dim| dim >= latent) {
            let [a, b] = dims;
            return Err(
                Error::usage(format!("the dimensions {a} and {b} are not possible")).with_hint(
                    format!("give two different numbers from 0 to {}", latent - 1),
                ),
            );
        }
        Ok(())
    }

    /// A row of conditions for each slider, or for each value of the second of two dimensions.
    fn rows(&self, sliders: &[Slider], classes: &[f32], code: &[f32]) -> Vec<Row> {
        let row = |title: String, slider: &Slider, code: &[f32]| Row {
            titles: vec![title],
            conditions: spread(slider.range, self.steps)
                .map(|x| [classes, &slider.moved(code, x)].concat())
                .collect(),
        };
        let Some(dims) = self.dims else {
            let all = sliders.iter().map(|slider| {
                let [from, to] = slider.range;
                row(
                    format!("{}: {from:.2} to {to:.2}", slider.title),
                    slider,
                    code,
                )
            });
            return all.collect();
        };
        let [across, down] = dims.map(|dim| {
            let found = sliders.iter().find(|slider| slider.dim == dim);
            found.expect("dimensions are checked")
        });
        let [from, to] = across.range;
        spread(down.range, self.steps)
            .map(|y| {
                row(
                    format!(
                        "{} = {y:.2}; across, {} from {from:.2} to {to:.2}",
                        down.title, across.title
                    ),
                    across,
                    &down.moved(code, y),
                )
            })
            .collect()
    }

    /// All sliders, those that say most first.
    fn sliders(&self, latent: usize, measured: Option<&Posteriors>) -> Vec<Slider> {
        if let (Axes::Pca, Some(codes)) = (self.axes, measured) {
            let mut moments = Moments::new(latent);
            for code in codes.means().chunks(latent) {
                moments.add(&code.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
            }
            let axes = moments.gaussian().axes();
            let total: f64 = axes.iter().map(|(_, variance)| variance).sum();
            let slider = |(dim, (axis, variance)): (usize, (Vec<f64>, f64))| Slider {
                direction: Some(axis.iter().map(|x| (x * variance.sqrt()) as f32).collect()),
                dim,
                range: self.range.unwrap_or([-2.0, 2.0]),
                title: format!(
                    "axis {dim}, {:.0} % of the variance",
                    100.0 * variance / total.max(f64::MIN_POSITIVE)
                ),
            };
            return axes.into_iter().enumerate().map(slider).collect();
        }
        let kl = measured.map(Posteriors::kl_per_dimension);
        let mut order: Vec<usize> = (0..latent).collect();
        if let Some(kl) = &kl {
            order.sort_by(|&a, &b| kl[b].total_cmp(&kl[a]));
        }
        let slider = |dim: usize| Slider {
            direction: None,
            dim,
            range: self
                .range
                .or(measured.map(|codes| two_deviations(codes, dim)))
                .unwrap_or([-2.0, 2.0]),
            title: match &kl {
                Some(kl) => format!("dimension {dim}, KL {:.2} nats", kl[dim]),
                None => format!("dimension {dim}"),
            },
        };
        order.into_iter().map(slider).collect()
    }
}

/// Two standard deviations below and above the mean of the aggregate posterior.
fn two_deviations(codes: &Posteriors, dim: usize) -> Range {
    let count = codes.items() as f64;
    let (mut sum, mut squares) = (0.0, 0.0);
    for item in 0..codes.items() {
        let posterior = codes.posterior(item);
        let (mean, deviation) = (
            f64::from(posterior.mean()[dim]),
            f64::from(posterior.deviations()[dim]),
        );
        sum += mean;
        squares += mean * mean + deviation * deviation;
    }
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    [mean - 2.0 * deviation, mean + 2.0 * deviation]
}

/// Values evenly from one end of a range to the other.
fn spread([from, to]: Range, steps: usize) -> impl Iterator<Item = f64> {
    (0..steps).map(move |step| from + (to - from) * step as f64 / (steps - 1).max(1) as f64)
}

/// The codes of pictures with their own classes, or, where none are at hand, those that suit them best.
fn measure(
    space: &PictureSpace,
    model: &OpenModel,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<Posteriors> {
    space.encoder()?;
    let (form, manifest) = (space.format, &model.manifest);
    let settings = ImportSettings {
        labels: match form.labelled {
            Labelled::ByPath => LabelSource::None,
            Labelled::Beside | Labelled::ByFile => {
                LabelSource::found_beside(path, &manifest.labels)
            }
        },
        ..form.import_settings()
    };
    let pictures = import_pictures(path, &settings, observer)?;
    for warning in pictures.warnings() {
        observer.warn(warning);
    }
    let every = pictures.len().div_ceil(MEASURED).max(1);
    let members: Vec<usize> = (0..pictures.len()).step_by(every).collect();
    let given: Vec<Vec<Label>> = members
        .iter()
        .map(|&member| match form.labelled {
            Labelled::ByPath => {
                let labels = manifest.labels.labels(&pictures.names()[member]);
                labels.unwrap_or_default()
            }
            Labelled::Beside | Labelled::ByFile => pictures.labels()[member].clone(),
        })
        .collect();
    let set = PictureDataset::new(&pictures, form, members, manifest.recipe.seed)?;
    let size = form.codec.size();
    let indexed = (0..set.count()).map(|index| {
        let indices = set.indices(index)?;
        Ok(Indexed { size, indices })
    });
    let indexed = indexed.collect::<Result<Vec<_>>>()?;
    Ok(space.encode_named(&indexed, &given)?.1)
}
