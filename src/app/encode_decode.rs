/*! `encode` and `decode`: sentences and pictures to latent codes and back, for arithmetic elsewhere. */

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::Serialize;

use crate::app::drawing::PixelSampling;
use crate::app::import::{import_pictures, picture_path};
use crate::app::picture_space::PictureSpace;
use crate::app::sentence_space::SentenceSpace;
use crate::app::sliders::{is_gif, write_rows};
use crate::app::{Observer, OpenModel};
use crate::base::labels::{Label, describe};
use crate::error::{Error, Result};
use crate::image::{ImportSettings, Indexed, Picture, PictureFormat, PixelCodec};
use crate::latent::Posteriors;
use crate::models::sentence_vae::Refinement;

/// A sentence or a picture and its latent code.
#[derive(Debug, Clone, Serialize)]
pub struct Encoded {
    /// What was encoded.
    #[serde(flatten)]
    pub item: EncodedItem,
    /// The posterior mean; of a sentence refined, if that was asked for.
    pub code: Vec<f32>,
    /// The posterior standard deviation of each number.
    pub deviation: Vec<f32>,
    /// The classes that encoder and decoder are told beside the code; empty without classes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, String>,
}

/// What a latent code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EncodedItem {
    /// A sentence as it was given.
    Sentence(String),
    /// The path of a picture; in a file of many, with `#` and its number from 0.
    Picture(String),
}

/// A latent code to decode.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentCode {
    /// As many numbers as the model's codes have.
    pub code: Vec<f32>,
    /// The classes that were written beside the code; empty where there are none.
    pub classes: Vec<Label>,
}

/// How pictures are encoded.
#[derive(Debug, Clone, Default)]
pub struct EncodePicturesOptions {
    /// Classes of all pictures. Where they are missing: those in a picture's path, if the model learned its classes from
    /// paths, else the likeliest ones.
    pub classes: Vec<Label>,
    /// Whether pictures are resized and recoloured to fit the model, instead of refused.
    pub adapt: bool,
}

/// How codes are decoded to pictures.
#[derive(Debug, Clone)]
pub struct DecodePicturesOptions {
    /// Classes of all pictures. Where they are missing: those beside each code, else drawn from the seed, the same for all.
    pub classes: Vec<Label>,
    /// 0 takes the likeliest colour of each pixel; where it is missing, 0 if pixels are independent given the code, else 1.
    pub temperature: Option<f32>,
    /// The seed of what is drawn; the same for every picture.
    pub seed: u64,
}

/// Pictures that were decoded from latent codes.
#[derive(Debug, Clone)]
pub struct DecodedPictures {
    codec: PixelCodec,
    pictures: Vec<Indexed>,
}

impl DecodedPictures {
    /// Writes them in the order of their codes: as one sheet (PNG), or one after another (GIF).
    ///
    /// # Errors
    /// When the sheet would be too large, or writing fails.
    pub fn write(&self, path: &Path, scale: Option<u32>) -> Result<()> {
        let count = self.pictures.len();
        let columns = if is_gif(path) {
            count
        } else {
            (count as f64).sqrt().ceil() as usize
        };
        let rows: Vec<Vec<Indexed>> = self
            .pictures
            .chunks(columns.max(1))
            .map(<[Indexed]>::to_vec)
            .collect();
        write_rows(&self.codec, &rows, path, scale)
    }
}

impl OpenModel {
    /// Encodes sentences; each code is refined in at most `refine` steps until it decodes to its sentence.
    ///
    /// # Errors
    /// When it is no sentence VAE, or a sentence is empty or too long.
    pub fn encode(
        &self,
        sentences: Vec<String>,
        refine: usize,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Encoded>> {
        let space = SentenceSpace::open(self, 1, Device::flex())?;
        let views: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let tokens = space.tokenize_input(&views, observer)?;
        let posteriors = space.encode(&tokens);
        let settings = Refinement {
            steps: refine,
            ..Refinement::default()
        };
        let codes = space.codes(&tokens, &settings);
        let items = sentences.into_iter().map(EncodedItem::Sentence);
        let items = items.map(|item| (item, Vec::new())).collect();
        Ok(encoded(items, codes, &posteriors))
    }

    /// Encodes pictures: picture files, folders of them, or files of many pictures.
    ///
    /// # Errors
    /// When it is no image VAE, a file cannot be read, or a picture has another size, colours or classes than the model.
    pub fn encode_pictures(
        &self,
        paths: &[PathBuf],
        options: &EncodePicturesOptions,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Encoded>> {
        self.manifest.classes.check(&options.classes)?;
        let space = PictureSpace::open(self)?;
        let (mut names, mut given, mut pictures) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            for (name, picture) in read_pictures(path, space.format, options.adapt, observer)? {
                given.push(self.classes_of_path(path, &name, &options.classes)?);
                names.push(EncodedItem::Picture(picture_path(path, &name)));
                pictures.push(picture);
            }
        }
        let (labels, posteriors) = space.encode_named(&pictures, &given)?;
        let codes = posteriors.means().chunks(space.latent());
        let codes = codes.map(<[f32]>::to_vec).collect();
        let items = names.into_iter().zip(labels).collect();
        Ok(encoded(items, codes, &posteriors))
    }

    /// The given classes and, for the other groups, those that the path of a picture has by the model's rule.
    fn classes_of_path(&self, path: &Path, name: &str, given: &[Label]) -> Result<Vec<Label>> {
        let mut labels = given.to_vec();
        for label in self.manifest.labels.labels(name).unwrap_or_default() {
            if given.iter().all(|(group, _)| *group != label.0) {
                labels.push(label);
            }
        }
        self.check_classes(&labels, |reason| {
            Error::input(picture_path(path, name), reason)
        })?;
        Ok(labels)
    }

    /// Refuses classes that the model lacks, where they come from a file.
    fn check_classes(&self, labels: &[Label], refuse: impl Fn(String) -> Error) -> Result<()> {
        self.manifest.classes.check(labels).map_err(|error| {
            let refused = refuse(error.to_string());
            match error.hint() {
                Some(hint) => refused.with_hint(hint),
                None => refused,
            }
        })
    }

    /// Decodes latent codes to sentences, with `beams` beams for each.
    ///
    /// # Errors
    /// When it is no sentence VAE, or a code has the wrong length.
    pub fn decode(&self, codes: &[LatentCode], beams: usize) -> Result<Vec<String>> {
        let space = SentenceSpace::open(self, beams, Device::flex())?;
        let codes: Vec<Vec<f32>> = codes.iter().map(|code| code.code.clone()).collect();
        let lines = space.decode(&codes)?;
        Ok(lines.into_iter().map(|line| line.text).collect())
    }

    /// Decodes latent codes to pictures.
    ///
    /// # Errors
    /// When it has no codes of pictures, or lacks a class.
    pub fn decode_pictures(
        &self,
        codes: &[LatentCode],
        options: &DecodePicturesOptions,
        observer: &mut dyn Observer,
    ) -> Result<DecodedPictures> {
        self.manifest.classes.check(&options.classes)?;
        let space = PictureSpace::open(self)?;
        let drawn = space.labels(&options.classes, options.seed);
        let mut unknown = false;
        let conditions = codes.iter().map(|code| {
            // The first of a group counts: what was asked for, what the code came with, what was drawn.
            let mut labels = Vec::new();
            for (index, group) in self.manifest.classes.groups().iter().enumerate() {
                let mut known = options.classes.iter().chain(&code.classes);
                let own = known.find(|(name, _)| *name == group.name);
                unknown |= own.is_none();
                labels.push(own.unwrap_or(&drawn[index]).clone());
            }
            Ok([&space.classes(&labels)?[..], &code.code].concat())
        });
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        if unknown {
            observer.info(format!(
                "codes without a class are decoded as {}; choose one with --class",
                describe(&drawn)
            ));
        }
        let how = PixelSampling {
            temperature: options.temperature,
            seed: options.seed,
        };
        Ok(DecodedPictures {
            codec: space.format.codec.clone(),
            pictures: space.decode(conditions, how)?,
        })
    }

    /// Dimensions of the latent code.
    ///
    /// # Errors
    /// When the model has no latent codes.
    pub fn latent_dimensions(&self) -> Result<usize> {
        self.latent_size().ok_or_else(|| self.no_latent_codes())
    }

    /// Latent codes of this model from JSON: a list of lists of numbers, or what `encode` gives. `name` is for messages.
    ///
    /// # Errors
    /// When the model has no latent codes; when it is something else, a code has another length, a number is NaN or infinite,
    /// or the model lacks a class.
    pub fn parse_codes(&self, text: &str, name: &Path) -> Result<Vec<LatentCode>> {
        let dimensions = self.latent_dimensions()?;
        let refuse = |reason: String| {
            Error::input(name, reason).with_hint(format!(
                "latent codes are a list of lists of {dimensions} numbers, or what ensuite encode gives"
            ))
        };
        let all: Vec<serde_json::Value> = serde_json::from_str(text)
            .map_err(|error| refuse(format!("it is not a JSON list ({error})")))?;
        let of_item = |(index, mut value): (usize, serde_json::Value)| {
            let place = format!("code {}", index + 1);
            let malformed = |error: serde_json::Error| refuse(format!("{place}: {error}"));
            let classes = match value.get_mut("classes").map(serde_json::Value::take) {
                None => BTreeMap::new(),
                Some(classes) => serde_json::from_value(classes).map_err(malformed)?,
            };
            let classes: Vec<Label> = classes.into_iter().collect();
            self.check_classes(&classes, |reason| refuse(format!("{place}: {reason}")))?;
            let numbers = value.get("code").cloned().unwrap_or(value);
            let code: Vec<f32> = serde_json::from_value(numbers).map_err(malformed)?;
            if code.len() != dimensions {
                return Err(refuse(format!(
                    "{place} has {} numbers, and this model's have {dimensions}",
                    code.len()
                )));
            }
            if code.iter().any(|number| !number.is_finite()) {
                return Err(refuse(format!("{place} is NaN or infinite")));
            }
            Ok(LatentCode { code, classes })
        };
        all.into_iter().enumerate().map(of_item).collect()
    }
}

/// Items and their labels with their codes.
fn encoded(
    items: Vec<(EncodedItem, Vec<Label>)>,
    codes: Vec<Vec<f32>>,
    posteriors: &Posteriors,
) -> Vec<Encoded> {
    let of_item =
        |(index, ((item, labels), code)): (usize, ((EncodedItem, Vec<Label>), _))| Encoded {
            item,
            code,
            deviation: posteriors.posterior(index).deviations(),
            classes: labels.into_iter().collect(),
        };
    items
        .into_iter()
        .zip(codes)
        .enumerate()
        .map(of_item)
        .collect()
}

/// The pictures of a path by their names within it. What has another size or colours than the model's pictures is adapted or
/// refused.
fn read_pictures(
    path: &Path,
    format: &PictureFormat,
    adapt: bool,
    observer: &mut dyn Observer,
) -> Result<Vec<(String, Indexed)>> {
    let codec = &format.codec;
    let settings = ImportSettings {
        grey: adapt && format.grey,
        ..format.import_settings()
    };
    let pictures = import_pictures(path, &settings, observer)?;
    let refuse = |place: String, reason: String| {
        Error::input(place, reason)
            .with_hint("resize and recolour pictures to fit the model with --adapt")
    };
    let own = (codec.size().width(), codec.size().height());
    let mut sizes = pictures.summary().sizes.keys();
    if let Some((width, height)) = sizes.find(|size| !adapt && **size != own) {
        let expected = codec.size();
        return Err(refuse(
            path.display().to_string(),
            format!("a picture has {width}x{height} pixels, and the model's have {expected}"),
        ));
    }
    let names = pictures.names().iter().enumerate();
    names
        .map(|(index, name)| {
            let picture = pictures.picture(index);
            let indexed = codec.index(&picture)?;
            let foreign = foreign_pixels(codec, &picture, &indexed);
            if foreign > 0 && !adapt {
                return Err(refuse(
                    picture_path(path, name),
                    format!("{foreign} of its pixels have a colour that the model lacks"),
                ));
            }
            Ok((name.clone(), indexed))
        })
        .collect()
}

/// Pixels whose colour the model lacks. Greys are no foreign colours to a model of greys: training rounds them too.
fn foreign_pixels(codec: &PixelCodec, picture: &Picture, indexed: &Indexed) -> usize {
    let palette = codec.palette();
    let is_foreign = |(pixel, &index): (&[u8; 3], &u8)| {
        if palette.has_colors() {
            palette.colors()[usize::from(index)] != *pixel
        } else {
            pixel.iter().any(|&channel| channel != pixel[0])
        }
    };
    let pixels = picture.pixels.iter().zip(&indexed.indices);
    pixels.filter(|pair| is_foreign(*pair)).count()
}
