/*! `train`: a model from a folder of recordings, pictures or sentences. */

mod frames;
mod model_card;
mod options;
mod pictures;
mod run;
mod sound;
mod text;

pub use options::TrainOptions;
pub use pictures::{
    ColorizerTraining, GanTraining, ImageVaeTraining, PictureFamily, PictureTraining,
    train_pictures,
};
pub use sound::{SoundTraining, train_sound};
pub use text::{TextTask, TextTraining, train_text};
