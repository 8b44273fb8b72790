/*!
*ensuite* learns what comes next in a sequence, and then continues it: sound, pictures and sentences.

Generate from a model folder and write the result:

```
# fn main() -> ensuite::Result<()> {
use ensuite::{GenerateOptions, Model};

let folder = tempfile::tempdir().expect("a temporary folder");
let seven = folder.path().join("seven.wav");
let options = GenerateOptions::new().class("digit", "7").seed(1).seconds(0.1);
Model::open("models/spoken-digits")?.generate(&options)?.write(&seven)?;
# assert!(seven.is_file());
# Ok(())
# }
```

Train on a folder; an [`Observer`] receives progress, reports and warnings:

```
# fn main() -> ensuite::Result<()> {
use ensuite::{Budget, Event, Observer, TextTask, TextTraining, TrainOptions, train_text};

struct Reports(Vec<u64>);

impl Observer for Reports {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Report { report, .. } = event {
            self.0.push(report.step);
        }
    }
}

let folder = tempfile::tempdir().expect("a temporary folder");
let text = folder.path().join("lines.txt");
std::fs::write(&text, "the sea\nthe moon\nthe red house\n".repeat(20)).expect("a file");
let data = TextTraining { text, ..TextTraining::default() };
let mut options = TrainOptions::new(folder.path().join("model"));
options.preset = Some("tiny".into());
options.budget = Some(Budget::Steps(2));
let mut reports = Reports(Vec::new());
let model = train_text(&data, TextTask::LanguageModel, &options, &mut reports)?;
assert_eq!(reports.0, [2]);
# assert!(model.generate(&ensuite::GenerateOptions::new().seed(1)).is_ok());
# Ok(())
# }
```

Complete a picture of which the upper half is given:

```
# fn main() -> ensuite::Result<()> {
use ensuite::{CompleteOptions, Model, Silent};

let model = Model::open("models/dungeon-tiles")?;
# let folder = tempfile::tempdir().expect("a temporary folder");
# let half = folder.path().join("half.png");
# model.generate(&ensuite::GenerateOptions::new().seed(1))?.write(&half)?;
# let sheet = folder.path().join("sheet.png");
let mut options = CompleteOptions::new(&half);
options.number = 1;
options.seed = Some(1);
model.complete(&options, &mut Silent)?.write_sheet(&sheet, None)?;
# assert!(sheet.is_file());
# Ok(())
# }
```

`ARCHITECTURE.md` is the map of the source.
*/

mod app;
mod audio;
mod base;
mod checkpoint;
#[doc(hidden)]
pub mod cli;
mod error;
mod eval;
mod fetch;
mod image;
mod kernels;
mod latent;
mod models;
mod ops;
mod sequence;
mod text;
mod train;

#[cfg(feature = "play")]
pub use app::play::{Command, Meters, PlayEvent, PlayOptions, Playback};
pub use app::train::{
    ColorizerTraining, GanTraining, ImageVaeTraining, PictureFamily, PictureTraining,
    SoundTraining, TextTask, TextTraining, TrainOptions, train_pictures, train_sound, train_text,
};
pub use app::{
    AudioOutput, Axes, Binarize, Budget, Classes, CodeOptions, Color, CompleteOptions, Completion,
    ComputeDevice, DecodePicturesOptions, DecodedPictures, DeviceChoice, Devices, EditCosts,
    EncodePicturesOptions, Encoded, EncodedItem, EvaluateOptions, Evaluation, Event, Fit,
    GenerateOptions, Generated, GeneratedPictures, GeneratedSounds, HeldOut, ImageDecoder,
    ImageVaeMeasures, Info, InterpolateOptions, InterpolatePicturesOptions, Interpolation,
    InterpolationEvaluation, InterpolationPoint, InterpolationSummary, Label, LatentCode,
    MixtureBaseline, NoiseKind, Objective, Observer, OpenModel as Model, PictureEvaluation,
    PictureInterpolation, Precision, Prior, Report, Sampling, SamplingOptions, ScoreOptions,
    SentenceInterpolation, SentenceVaeEvaluation, Silent, Size, Sliders, SlidersOptions,
    SoundEvaluation, StepReport, TextEvaluation, TokenizerKind, fresh_seed,
};
pub use base::allocator::keep as keep_memory;
pub use error::{Error, Result};

/// What the project's own benchmarks, scripts and tests use. It may change at any time.
#[doc(hidden)]
pub mod internals {
    pub use crate::audio::import::read as read_recording;
    pub use crate::audio::stream::resample;
    pub use crate::base::rng::rng_stream;
    pub use crate::base::simd::InstructionSet;
    pub use crate::eval::draw_boxes;
    pub use crate::image::{ContactSheet, ImportSettings, Picture, Pictures};
    pub use crate::kernels::matmul::{Packed, Start, View, product};
    pub use crate::latent::Normals;
    pub use crate::models::{
        Batch, ElboSettings, Interface, Model, ModelSpec, Recurrent, RecurrentCell,
        RecurrentConfig, SentenceVaeConfig, SequenceConfig, SequenceModel, WaveNet, WaveNetConfig,
        device_of, parameters, with_values,
    };
    pub use crate::ops::device::{DeviceChoice, is_cpu};
    pub use crate::ops::{
        GateInput, Recurrence, ResidualStack, cross_entropy, embedding, linear, recurrent,
        residual_stack,
    };
    pub use crate::sequence::{
        Alphabet, Clock, Conditions, Item, Prediction, Sampler, Sampling, SideInputs, Stepper,
        Token, generate_many,
    };
    pub use crate::train::{
        AdamW, BatchSettings, OptimizerSettings, Recipe, StepContext, TrainerSettings,
        loss_of_discriminator, loss_of_generator, mean_nll,
    };
}
