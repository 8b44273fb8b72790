/*! `interpolate`: the sentences between two sentences, the pictures between two pictures. */

use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::Serialize;

use crate::app::drawing::PixelSampling;
use crate::app::picture_space::PictureSpace;
use crate::app::sentence_space::SentenceSpace;
use crate::app::sliders::write_rows;
use crate::app::{Observer, OpenModel};
use crate::base::labels::Label;
use crate::error::Result;
use crate::image::{Indexed, PixelCodec};
use crate::latent::{Interpolation, interpolate, norm};
use crate::models::sentence_vae::Refinement;

/// Between what to interpolate, and how.
#[derive(Debug, Clone)]
pub struct InterpolateOptions {
    /// The first sentence.
    pub from: String,
    /// The last sentence.
    pub to: String,
    /// Lines, both ends included.
    pub points: usize,
    /// Beams of the search at each latent code.
    pub beams: usize,
    /// The most steps that refine the latent codes of both ends.
    pub refine: usize,
    /// The path between the latent codes.
    pub path: Interpolation,
}

/// An interpolation between two sentences.
#[derive(Debug, Clone, Serialize)]
pub struct SentenceInterpolation {
    /// As it was typed.
    pub from: String,
    /// As it was typed.
    pub to: String,
    /// Whether the first and the last line are the sentences that were typed.
    pub exact: bool,
    /// The lines and their latent codes.
    pub points: Vec<InterpolationPoint>,
}

/// One line of an interpolation.
#[derive(Debug, Clone, Serialize)]
pub struct InterpolationPoint {
    /// How far along the path, from 0 to 1.
    pub at: f64,
    /// The sentence.
    pub line: String,
    /// ln p(line | code), in nats.
    pub log_likelihood: f64,
    /// Words (characters, where there are no spaces) inserted, deleted or replaced since the line before.
    pub edits: usize,
    /// The latent code.
    pub code: Vec<f32>,
    /// ‖code‖.
    pub norm: f64,
}

/// Between which pictures to interpolate, and how.
#[derive(Debug, Clone)]
pub struct InterpolatePicturesOptions {
    /// The first picture.
    pub from: PathBuf,
    /// The last picture.
    pub to: PathBuf,
    /// Pictures, both ends included.
    pub points: usize,
    /// The path between the latent codes.
    pub path: Interpolation,
    /// Classes of all pictures; those that are missing are found in each end, and its half of the path has them.
    pub classes: Vec<Label>,
    /// 0 takes the likeliest colour of each pixel; where it is missing, 0 if pixels are independent given the code, else 1.
    pub temperature: Option<f32>,
    /// The seed of what is drawn; the same for every picture.
    pub seed: u64,
}

/// The pictures between two pictures.
#[derive(Debug, Clone)]
pub struct PictureInterpolation {
    codec: PixelCodec,
    /// What is made of the codes.
    pictures: Vec<Indexed>,
}

impl PictureInterpolation {
    /// Writes them as one row (PNG), or one after another (GIF).
    ///
    /// # Errors
    /// When it would be too large, or writing fails.
    pub fn write(&self, path: &Path, scale: Option<u32>) -> Result<()> {
        write_rows(
            &self.codec,
            std::slice::from_ref(&self.pictures),
            path,
            scale,
        )
    }
}

impl OpenModel {
    /// Interpolates between two pictures.
    ///
    /// # Errors
    /// When it has no codes of pictures, or a picture cannot be read.
    pub fn interpolate_pictures(
        &self,
        options: &InterpolatePicturesOptions,
        observer: &mut dyn Observer,
    ) -> Result<PictureInterpolation> {
        self.manifest.classes.check(&options.classes)?;
        let space = PictureSpace::open(self)?;
        let (mut codes, mut classes) = (Vec::new(), Vec::new());
        for path in [&options.from, &options.to] {
            if space.generates() {
                let (labels, code) = space.of_seed(path, &options.classes)?;
                classes.push(space.classes(&labels)?);
                codes.push(code);
                continue;
            }
            let picture = space.read(path, observer)?;
            let labels = space.name(&picture, &options.classes)?;
            classes.push(space.classes(&labels)?);
            let found = space.encode(&picture, &classes[classes.len() - 1])?;
            codes.push(found.means().to_vec());
        }
        let codes = interpolate(options.path, &codes[0], &codes[1], options.points)?;
        let half = codes.len() / 2;
        let of_point = |(point, code): (usize, Vec<f32>)| {
            [&classes[usize::from(point >= half)][..], &code].concat()
        };
        let conditions = codes.into_iter().enumerate().map(of_point).collect();
        let how = PixelSampling {
            temperature: options.temperature,
            seed: options.seed,
        };
        Ok(PictureInterpolation {
            codec: space.format.codec.clone(),
            pictures: space.decode(conditions, how)?,
        })
    }

    /// Interpolates between two sentences.
    ///
    /// # Errors
    /// When the model has no latent codes, or a sentence is empty or too long.
    pub fn interpolate(
        &self,
        options: &InterpolateOptions,
        observer: &mut dyn Observer,
    ) -> Result<SentenceInterpolation> {
        let space = SentenceSpace::open(self, options.beams, Device::flex())?;
        let ends = [options.from.trim(), options.to.trim()];
        let tokens = space.tokenize_input(&ends, observer)?;
        if ends[0] == ends[1] {
            observer.warn("both sentences are the same: nothing lies between");
        }
        let refinement = Refinement {
            steps: options.refine,
            ..Refinement::default()
        };
        let codes = space.codes(&tokens, &refinement);
        let codes = interpolate(options.path, &codes[0], &codes[1], options.points)?;
        let lines = space
            .interpolations(std::slice::from_ref(&codes))?
            .remove(0);
        let mut exact = true;
        for (end, line) in ends.iter().zip([&lines[0], &lines[lines.len() - 1]]) {
            if *end != line.text {
                exact = false;
                observer.warn(format!(
                    "\"{end}\" is not recovered: its latent code decodes to \"{}\"",
                    line.text
                ));
            }
        }
        let last = (codes.len() - 1) as f64;
        let points = codes
            .into_iter()
            .zip(&lines)
            .enumerate()
            .map(|(index, (code, line))| InterpolationPoint {
                at: index as f64 / last,
                line: line.text.clone(),
                log_likelihood: line.log_probability,
                edits: index.checked_sub(1).map_or(0, |before| {
                    space.unit.distance(&lines[before].text, &line.text)
                }),
                norm: norm(&code),
                code,
            })
            .collect();
        Ok(SentenceInterpolation {
            from: ends[0].to_owned(),
            to: ends[1].to_owned(),
            exact,
            points,
        })
    }
}
