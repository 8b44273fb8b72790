/*! The frame tier of a sound model: its data and its training. */

use std::path::Path;

use super::options::TrainOptions;
use super::run::{TrainingData, new_manifest, train_model};
use crate::app::tiers::frame_folder;
use crate::app::{Observer, OpenModel};
use crate::audio::frames::{FRAMES_A_SECOND, FrameDataset, SLOTS};
use crate::checkpoint::{Medium, ModelManifest};
use crate::error::Result;
use crate::models::Model;
use crate::sequence::{ConditionSource, SequenceDataset, SideInputs};
use crate::train::Budget;

/// The share of the time that the frame tier is trained.
const SHARE: f64 = 0.2;

/// The budgets of the frame tier and of the sample tier. A run that is resumed without a budget keeps its plan.
pub(super) fn shared(options: &TrainOptions) -> Result<[Option<Budget>; 2]> {
    if options.resume && options.budget.is_none() {
        return Ok([None; 2]);
    }
    Ok(match options.checked_budget()? {
        Budget::Minutes(minutes) => {
            [SHARE, 1.0 - SHARE].map(|share| Some(Budget::Minutes(share * minutes)))
        }
        steps @ Budget::Steps(_) => [Some(steps); 2],
    })
}

/// Frames as training data.
pub(super) struct FrameTrainingData<'a> {
    pub(super) frames: &'a FrameDataset,
    pub(super) training: usize,
    pub(super) classes: &'a Vec<Vec<f32>>,
}

impl TrainingData for FrameTrainingData<'_> {
    fn sequences(&self) -> &dyn SequenceDataset {
        self.frames
    }

    fn training(&self) -> usize {
        self.training
    }

    fn conditions(&self) -> &dyn ConditionSource {
        self.classes
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        Ok(Vec::new())
    }

    fn describe(&self, _sequences: usize, tokens: u64) -> String {
        let frames = tokens / SLOTS as u64;
        format!(
            "{frames} frames ({:.1} min)",
            frames as f64 / (60 * FRAMES_A_SECOND) as f64
        )
    }

    fn sample(&self, _: &Model, manifest: &ModelManifest, _: &Path, _: u64) -> Result<String> {
        Ok(manifest
            .validation
            .as_ref()
            .map_or_else(String::new, |found| {
                let bits = found.value * SLOTS as f64;
                format!("{bits:.2} bits a frame on held-out frames at the best report")
            }))
    }
}

/// Trains the frame tier in the folder of its model, or goes on with it.
pub(super) fn train_frames(
    options: &TrainOptions,
    model: &ModelManifest,
    data: &FrameTrainingData,
    source: &Path,
    observer: &mut dyn Observer,
) -> Result<OpenModel> {
    let Medium::Sound(sound) = &model.medium else {
        unreachable!("only sound has frames")
    };
    let out = frame_folder(&options.out);
    let [budget, _] = shared(options)?;
    let options = TrainOptions {
        budget,
        network: None,
        preset: None,
        batch: None,
        learning_rate: None,
        resume: out.is_dir(),
        force: false,
        half: false,
        out,
        ..options.clone()
    };
    let (folder, manifest) = if options.resume {
        let resumed = OpenModel::open(&options.out)?;
        (Some(resumed.folder), resumed.manifest)
    } else {
        let recipe = options.frame_recipe()?;
        let manifest = new_manifest(
            Medium::Frames(sound.frames.expect("a model of two tiers")),
            SideInputs {
                lags: (1..SLOTS).collect(),
                clocks: Vec::new(),
                prediction: None,
            },
            model.labels.clone(),
            model.classes.clone(),
            recipe,
            model.split.clone(),
        );
        (None, manifest)
    };
    train_model(&options, folder, manifest, data, source, observer)
}
