/*! `ensuite train sound`. */

use std::path::PathBuf;

use crate::app::Dataset;
use crate::app::train::{SoundTraining, train_sound};
use crate::cli::terminal::Terminal;
#[cfg(feature = "play")]
use crate::cli::train::listen::{ListenArgs, Listener};
use crate::cli::train::shared::TrainArgs;
use crate::error::Result;

/// Train on sound: a folder of recordings (WAV, AIFF, CAF, FLAC, MP3, M4A, OGG)
///
/// While the model trains, samples/ in its folder holds what it generates at each report. Ctrl-C saves and stops;
/// --resume continues.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder of recordings, with subfolders, one recording, or the name of a corpus
    recordings: PathBuf,
    #[command(flatten)]
    train: TrainArgs,
    /// The sample rate [default: 16000, or the recordings' own if lower]
    #[arg(long, value_name = "HZ", help_heading = "Recordings")]
    sample_rate: Option<u32>,
    /// Keep the loudness of each recording
    #[arg(long, help_heading = "Recordings")]
    keep_loudness: bool,
    /// Cut off silence at both ends of each recording
    #[arg(long, help_heading = "Recordings")]
    trim_silence: bool,
    /// Make the first folder of each recording's path its class
    #[arg(long, help_heading = "Recordings", conflicts_with = "label_pattern")]
    label_folders: bool,
    /// Find classes in the recordings' paths by the named groups of a regular expression
    #[arg(long, value_name = "REGEX", help_heading = "Recordings")]
    label_pattern: Option<String>,
    /// Hold out the recordings whose path matches, or file:PATH for a list of paths [default: the corpus's own, or one in ten]
    #[arg(long, value_name = "REGEX|file:PATH", help_heading = "Recordings")]
    validation: Option<String>,
    /// 2: a network of frames of 10 ms, which keep pitch and words, and one of the samples made from them; 1: samples alone
    /// [default: 2]
    #[arg(long, value_name = "N", help_heading = "Recordings")]
    tiers: Option<u8>,
    #[cfg(feature = "play")]
    #[command(flatten)]
    listen: ListenArgs,
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let corpus = Dataset::locate(&args.recordings)?;
    let data = SoundTraining {
        recordings: corpus.path,
        sample_rate: args.sample_rate,
        keep_loudness: args.keep_loudness,
        trim_silence: args.trim_silence,
        label_folders: args.label_folders,
        label_pattern: args.label_pattern,
        validation: args.train.held_out(args.validation, corpus.validation),
        tiers: args.tiers,
    };
    let options = args.train.options();
    #[cfg(feature = "play")]
    if args.listen.listen {
        let mut listener = Listener::new(terminal, &options.out)?;
        train_sound(&data, &options, &mut listener)?;
        return listener.finish();
    }
    train_sound(&data, &options, terminal).map(drop)
}
