/*!
The use cases, one file each: plain option structs in, events through an [`Observer`] and values out.

Nothing here parses arguments, prints or exits.
*/

mod codes;
mod colorize;
mod complete;
mod corpora;
mod devices;
mod drawing;
mod encode_decode;
mod evaluate;
mod frame_maker;
mod generate;
mod import;
mod info;
mod interpolate;
mod model_store;
mod observer;
mod open_model;
mod picture_space;
#[cfg(feature = "play")]
pub mod play;
mod precision;
mod sampling;
mod score;
mod sentence_space;
mod settings;
mod sliders;
mod tiers;
pub mod train;
mod transform;
mod words;

pub use codes::{CodeOptions, Prior};
pub use complete::{CompleteOptions, Completion, check_picture_output};
pub use corpora::{Corpora, CorpusInfo, Dataset};
pub use devices::{AudioOutput, ComputeDevice, Devices};
pub use encode_decode::{
    DecodePicturesOptions, DecodedPictures, EncodePicturesOptions, Encoded, EncodedItem, LatentCode,
};
pub use evaluate::{
    EditCosts, EvaluateOptions, Evaluation, GeneratedPictures, GeneratedSounds, ImageVaeMeasures,
    InterpolationEvaluation, InterpolationSummary, MixtureBaseline, PictureEvaluation,
    SentenceVaeEvaluation, SoundEvaluation, TextEvaluation,
};
pub use frame_maker::FrameSampling;
pub use generate::{GenerateOptions, Generated};
pub use info::Info;
pub use interpolate::{
    InterpolateOptions, InterpolatePicturesOptions, InterpolationPoint, PictureInterpolation,
    SentenceInterpolation,
};
pub use model_store::{ModelInfo, fetch_model_by_name, list_models};
pub use observer::{Event, Observer, Silent};
pub use open_model::OpenModel;
pub use precision::Precision;
pub use sampling::{SamplingOptions, fresh_seed};
pub use score::ScoreOptions;
pub use settings::{Making, SignedFile};
pub use sliders::{Axes, Sliders, SlidersOptions, check_rows_output};
pub use tiers::FrameChange;
pub use transform::TransformOptions;
pub use words::{next_step, short_count, short_duration};

// The plain types that options are made of.
pub use crate::base::files::refuse_overwriting;
#[cfg(feature = "play")]
pub use crate::base::labels::describe as describe_labels;
pub use crate::base::labels::{Classes, Label};
pub use crate::image::binarize::Binarize;
pub use crate::image::{Color, Fit, Size, parse_color};
pub use crate::latent::Interpolation;
pub use crate::models::{ImageDecoder, NoiseKind, Objective};
pub use crate::ops::device::DeviceChoice;
pub use crate::sequence::Sampling;
pub use crate::text::{HeldOut, TokenizerKind};
pub use crate::train::{Budget, Report, StepReport};
