/*! Evaluating a picture model: bits a pixel and nats a picture beside trivial baselines, and what it generates. */

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use super::classifier::{ClassifierEvaluation, Judge, JudgedPictures};
use super::colorizer::{self, ColorizerEvaluation};
use super::edits::{EditCosts, edit_costs};
use super::generated::{self, SEED, Wanted};
use super::hand::{HandMeasures, hand};
use super::image_vae::{ImageVaeMeasures, measure_codes};
use super::options::EvaluateOptions;
use crate::app::import::import_pictures;
use crate::app::{Generated, Observer, OpenModel};
use crate::error::{Error, Result};
use crate::eval::{order_zero, pixel_baselines, pixel_mixture};
use crate::image::judge::{PictureComparison, PictureProfile, compare};
use crate::image::{
    ImportSettings, Labelled, PictureDataset, PictureFormat, Pictures, fingerprint, label_source,
};
use crate::models::Model;
use crate::sequence::{Likelihood, SequenceDataset};
use crate::train::{DataLoader, likelihood};

/// How well a model predicts pictures.
#[derive(Debug, Clone, Serialize)]
pub struct PictureEvaluation {
    /// Pictures.
    pub pictures: usize,
    /// Colours of the palette.
    pub colors: usize,
    /// NLL of the model, bits a pixel; for an image VAE its bound, −ELBO.
    pub bits_per_pixel: f64,
    /// The same in nats a picture.
    pub nats_per_picture: f64,
    /// Entropy of the colours of these pictures.
    pub order_zero_bits: f64,
    /// Copying the pixel on the left, learned from what trained the model; `None` where that is not at hand.
    pub copy_left_bits: Option<f64>,
    /// Copying the pixel above.
    pub copy_above_bits: Option<f64>,
    /// Interpolated counts of the pixels on the left and above.
    pub neighbours_bits: Option<f64>,
    /// A mixture of categoricals over pixels.
    pub mixture: Option<MixtureBaseline>,
    /// Of black and white pictures: what two edits cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<EditCosts>,
    /// Of an image VAE: the parts of the bound, and what its codes carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<ImageVaeMeasures>,
    /// Of an image VAE with classes: what its codes say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hand: Option<HandMeasures>,
    /// With `--generated`: what the model generates, beside held-out pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedPictures>,
    #[serde(skip)]
    binarize: String,
}

/// What a mixture of categoricals over pixels reaches, fitted to pictures that trained the model.
#[derive(Debug, Clone, Serialize)]
pub struct MixtureBaseline {
    /// NLL in bits a pixel.
    pub bits_per_pixel: f64,
    /// The same in nats a picture.
    pub nats_per_picture: f64,
    /// Its parts; training pictures that it was not fitted to choose their number.
    pub parts: usize,
    /// The pictures it was fitted to.
    pub fitted_to: usize,
}

/// Generated pictures beside held-out ones.
#[derive(Debug, Clone, Serialize)]
pub struct GeneratedPictures {
    /// How many were generated.
    pub pictures: u64,
    /// The seed of the first ones.
    pub seed: u64,
    /// Held-out pictures.
    pub held_out: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: PictureComparison,
    /// What follows from them.
    pub remark: String,
    /// With `--judge`: what a classifier says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<JudgedPictures>,
}

impl fmt::Display for PictureEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} bits/pixel of {} colours over {} pictures{}\n{:.2} nats/picture",
            self.bits_per_pixel, self.colors, self.pictures, self.binarize, self.nats_per_picture
        )?;
        for (bits, what) in [
            (
                Some(self.order_zero_bits),
                "order-0 entropy of these pictures",
            ),
            (self.copy_left_bits, "copying the pixel on the left"),
            (self.copy_above_bits, "copying the pixel above"),
            (
                self.neighbours_bits,
                "counts of the pixels on the left and above, interpolated",
            ),
        ] {
            if let Some(bits) = bits {
                write!(f, "\n{bits:.3} {what}")?;
            }
        }
        if let Some(mixture) = &self.mixture {
            write!(
                f,
                "\n{:.3} a mixture of {} categoricals over pixels, fitted to {} training pictures: {:.2} nats/picture",
                mixture.bits_per_pixel, mixture.parts, mixture.fitted_to, mixture.nats_per_picture
            )?;
        }
        if let Some(codes) = &self.codes {
            write!(f, "\n\n{codes}")?;
        }
        if let Some(hand) = &self.hand {
            write!(f, "\n{hand}")?;
        }
        if let Some(edits) = &self.edits {
            write!(f, "\n\n{edits}")?;
        }
        match &self.generated {
            Some(generated) => write!(f, "\n\n{generated}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for GeneratedPictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.figures;
        write!(
            f,
            "{} pictures generated from seed {}, beside {} real pictures\n{:<36} {:>10} {:>10}",
            self.pictures, self.seed, self.held_out, "", "generated", "floor"
        )?;
        let plain = |distance: Option<f64>| distance.map_or("-".into(), |d| format!("{d:.2}"));
        let percent =
            |share: Option<f64>| share.map_or("-".into(), |s| format!("{:.1} %", 100.0 * s));
        for (name, ours, floor) in [
            (
                "Fréchet distance of random features",
                plain(Some(found.frechet)),
                plain(found.frechet_floor),
            ),
            (
                "equal to a training picture",
                percent(found.copies),
                percent(found.copies_floor),
            ),
            (
                "distance to the nearest one, of 255",
                plain(found.nearest),
                plain(found.nearest_floor),
            ),
        ] {
            write!(f, "\n{name:<36} {ours:>10} {floor:>10}")?;
        }
        write!(f, "\n{}", self.remark)?;
        match &self.judged {
            Some(judged) => write!(f, "\n\n{judged}"),
            None => Ok(()),
        }
    }
}

/// What is found of a model.
pub(super) enum Found {
    /// Of one that predicts pixels.
    Likelihood(PictureEvaluation),
    /// Of a generator.
    Generated(GeneratedPictures),
    /// Of a classifier.
    Classified(ClassifierEvaluation),
    /// Of a colorizer.
    Colored(ColorizerEvaluation),
}

pub(super) fn evaluate(
    model: &OpenModel,
    form: &PictureFormat,
    options: &EvaluateOptions,
    observer: &mut dyn Observer,
) -> Result<Found> {
    let device = options.device.resolve_one()?;
    let manifest = &model.manifest;
    if options.labels.is_some() && manifest.classes.width() == 0 {
        return Err(
            Error::usage("--labels does not apply: this model has no classes").with_hint("omit it"),
        );
    }
    let classifier = options.judge.as_deref().map(Judge::open).transpose()?;
    if let Some(classifier) = &classifier {
        classifier.check(model.folder.path(), &form.codec, &manifest.classes)?;
    }
    let settings = ImportSettings {
        colormap: options.colormap.clone(),
        labels: label_source(form.labelled, &manifest.labels, options.labels.as_deref())?,
        ..form.import_settings()
    };
    let pictures = import_pictures(&options.path, &settings, observer)?;
    let listed: HashSet<&str> = manifest
        .split
        .validation
        .iter()
        .map(String::as_str)
        .collect();
    let held_out = |name: &String| listed.contains(name.as_str());
    let whole = fingerprint(&pictures) == manifest.split.hash;
    let members: Vec<usize> = (0..pictures.len())
        .filter(|&index| !options.held_out || held_out(&pictures.names()[index]))
        .collect();
    if members.is_empty() || (options.held_out && !whole) {
        return Err(Error::input(
            &options.path,
            "these are not the pictures the model was trained on, so that none of them was held out",
        )
        .with_hint("give the pictures the model was trained on, or omit --held-out"));
    }
    if !options.held_out && whole {
        observer.warn(
            "the model was trained on these pictures; --held-out evaluates on those it has not seen",
        );
    }
    let net = model.load(&device)?;
    let known = training(
        model, options, &settings, form, &held_out, &pictures, observer,
    )?;
    let generated = |number, observer: &mut dyn Observer| {
        let corpus = Corpus {
            pictures: &pictures,
            whole,
            held_out: &held_out,
            classifier: classifier.as_ref(),
        };
        let known = known.clone().unwrap_or_default();
        judge(model, form, &corpus, known, number, options, observer)
    };
    if let Model::Classifier(_) | Model::Colorizer(_) = net {
        return of_whole_pictures(net, model, form, &pictures, members);
    }
    if net.pictures().is_some() {
        let number = options.generated.unwrap_or(GENERATED);
        return generated(number, observer).map(Found::Generated);
    }
    let seed = manifest.recipe.seed;
    let set = PictureDataset::new(&pictures, form, members, seed)?;
    let conditions = set.conditions(&manifest.classes)?;
    let all: Vec<usize> = (0..set.count()).collect();
    let loader = DataLoader::new(
        &set,
        &all,
        &conditions,
        manifest.medium.alphabet(),
        manifest.recipe.cut_to_measure(),
        0,
    );
    let (found, codes) = match &net {
        Model::ImageVae(vae) => {
            let data = (&loader, &set, &conditions[..]);
            let (bound, codes) = measure_codes(vae, model, data, (options, &device), observer)?;
            (bound, Some(codes))
        }
        _ => (likelihood(net.require_sequence()?, &loader, &device)?, None),
    };
    let hand = hand(&net, form, &set, &conditions, &manifest.classes)?;
    let edits = edit_costs(&net, form, &set, &conditions, &device)?;
    let generated = match options.generated {
        None => None,
        Some(number) => Some(generated(number, observer)?),
    };
    Ok(Found::Likelihood(PictureEvaluation {
        edits,
        codes,
        hand,
        generated,
        ..measures(form, &set, known.as_deref(), &found)?
    }))
}

/// What is found of a model that reads whole pictures.
fn of_whole_pictures(
    net: Model,
    model: &OpenModel,
    form: &PictureFormat,
    pictures: &Pictures,
    members: Vec<usize>,
) -> Result<Found> {
    let labels = members
        .iter()
        .map(|&index| pictures.labels()[index].as_slice());
    let labels: Vec<_> = labels.collect();
    let set = PictureDataset::new(pictures, form, members, model.manifest.recipe.seed)?;
    let indices = (0..set.count()).map(|index| set.indices(index));
    let indices = indices.collect::<Result<Vec<_>>>()?;
    match net {
        Model::Colorizer(net) => {
            let real = indices.iter().map(|picture| form.codec.colors(picture));
            let size = form.codec.size();
            let sides = [size.width() as usize, size.height() as usize];
            let found = colorizer::evaluate(&net, &real.collect::<Vec<_>>(), sides);
            Ok(Found::Colored(found))
        }
        Model::Classifier(net) => {
            let labelled: Vec<_> = indices.iter().map(Vec::as_slice).zip(labels).collect();
            let found = Judge::new(model, net)?.evaluate(form, &labelled);
            Ok(Found::Classified(found))
        }
        _ => unreachable!("a model that reads whole pictures"),
    }
}

/// Pictures that a GAN makes to be judged, unless another number is asked for.
const GENERATED: u64 = 1000;
/// The pictures to evaluate on, whether they are those of training, and which of those were held out.
struct Corpus<'a> {
    pictures: &'a Pictures,
    whole: bool,
    held_out: &'a dyn Fn(&String) -> bool,
    /// Of `--judge`.
    classifier: Option<&'a Judge>,
}

/// Generates pictures and compares them with held-out ones: those of the training corpus, or all of another one. `known` are
/// the training pictures of that other one.
fn judge(
    model: &OpenModel,
    form: &PictureFormat,
    corpus: &Corpus<'_>,
    known: Vec<Vec<u8>>,
    number: u64,
    options: &EvaluateOptions,
    observer: &mut dyn Observer,
) -> Result<GeneratedPictures> {
    let pictures = corpus.pictures;
    let all = 0..pictures.len();
    let (real, learned): (Vec<usize>, Vec<usize>) =
        all.partition(|&index| !corpus.whole || (corpus.held_out)(&pictures.names()[index]));
    let labels: Vec<_> = real
        .iter()
        .map(|&i| pictures.labels()[i].as_slice())
        .collect();
    let read = |members: Vec<usize>| -> Result<Vec<Vec<u8>>> {
        let set = PictureDataset::new(pictures, form, members, model.manifest.recipe.seed)?;
        (0..set.count()).map(|index| set.indices(index)).collect()
    };
    let wanted = Wanted {
        number,
        labels: &labels,
        seconds: None,
        device: &options.device,
        sampling: options.sampling,
        codes: options.codes,
        frames: options.frames,
    };
    let (mut made, mut asked) = (Vec::new(), Vec::new());
    for (classes, batch) in generated::generate(model, &wanted, observer)? {
        if let Generated::Pictures(batch) = batch {
            for picture in batch {
                made.push(form.codec.index(&picture)?.indices);
                asked.push(classes.clone());
            }
        }
    }
    let learned = if corpus.whole { read(learned)? } else { known };
    let real = read(real)?;
    let held_out = real.len();
    let judged = corpus.classifier.map(|classifier| {
        let made = made
            .iter()
            .zip(&asked)
            .map(|(p, labels)| (&p[..], &labels[..]));
        let held_out = real
            .iter()
            .zip(&labels)
            .map(|(p, labels)| (&p[..], *labels));
        let learned = learned.iter().map(|p| (&p[..], &[][..]));
        let (made, held_out): (Vec<_>, Vec<_>) = (made.collect(), held_out.collect());
        classifier.judge(
            &form.codec,
            [&made, &held_out, &learned.collect::<Vec<_>>()],
        )
    });
    let profile = |pictures| PictureProfile::new(&form.codec, pictures);
    let figures = compare(
        &form.codec,
        &profile(made),
        &profile(real),
        &profile(learned),
    );
    Ok(GeneratedPictures {
        pictures: number,
        seed: SEED,
        held_out,
        remark: figures.remark(),
        figures,
        judged,
    })
}

/// The pictures that trained the model, in palette indices: the others of the same corpus, or those of --trained-on.
fn training(
    model: &OpenModel,
    options: &EvaluateOptions,
    settings: &ImportSettings,
    form: &PictureFormat,
    held_out: &dyn Fn(&String) -> bool,
    pictures: &Pictures,
    observer: &mut dyn Observer,
) -> Result<Option<Vec<Vec<u8>>>> {
    let seed = model.manifest.recipe.seed;
    let read = |pictures: &Pictures| -> Result<Vec<Vec<u8>>> {
        let trained = (0..pictures.len()).filter(|&index| !held_out(&pictures.names()[index]));
        let set = PictureDataset::new(pictures, form, trained.collect(), seed)?;
        (0..set.count()).map(|index| set.indices(index)).collect()
    };
    match &options.trained_on {
        Some(path) => {
            // A file of labels that was given is that of the other pictures.
            let beside = form.labelled == Labelled::Beside;
            let labels = if beside {
                label_source(form.labelled, &model.manifest.labels, None)?
            } else {
                settings.labels.clone()
            };
            let settings = ImportSettings {
                labels,
                ..settings.clone()
            };
            let known = import_pictures(path, &settings, observer)?;
            if fingerprint(&known) != model.manifest.split.hash {
                return Err(Error::input(
                    path,
                    "these are not the pictures the model was trained on",
                ));
            }
            read(&known).map(Some)
        }
        None if options.held_out => read(pictures).map(Some),
        None => Ok(None),
    }
}

fn measures(
    form: &PictureFormat,
    set: &PictureDataset<'_>,
    known: Option<&[Vec<u8>]>,
    found: &Likelihood,
) -> Result<PictureEvaluation> {
    let colors = form.codec.palette().len();
    let asked = (0..set.count())
        .map(|index| set.indices(index))
        .collect::<Result<Vec<_>>>()?;
    let mut counts = vec![0; colors];
    for &index in asked.iter().flatten() {
        counts[usize::from(index)] += 1;
    }
    let area = form.codec.size().area() as f64;
    let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    let known: Option<Vec<&[u8]>> = known.map(|k| k.iter().map(Vec::as_slice).collect());
    let baselines = known
        .as_ref()
        .map(|known| pixel_baselines(known, &asked, set.width(), colors));
    let mixture = known.and_then(|known| pixel_mixture(&known, &asked, colors));
    Ok(PictureEvaluation {
        pictures: set.count(),
        colors,
        bits_per_pixel: found.bits_per_token(),
        nats_per_picture: found.nats / set.count() as f64,
        order_zero_bits: order_zero(&counts),
        copy_left_bits: baselines.as_ref().map(|b| b.copy_left),
        copy_above_bits: baselines.as_ref().map(|b| b.copy_above),
        neighbours_bits: baselines.as_ref().map(|b| b.neighbours),
        mixture: mixture.map(|found| MixtureBaseline {
            bits_per_pixel: found.nats / (area * std::f64::consts::LN_2),
            nats_per_picture: found.nats,
            parts: found.parts,
            fitted_to: found.fitted,
        }),
        edits: None,
        hand: None,
        generated: None,
        codes: None,
        binarize: form.binarize.map_or(String::new(), |how| {
            format!(", {how:?} binarisation").to_lowercase()
        }),
    })
}
