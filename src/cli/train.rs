/*! `ensuite train`: learn from your own data. What every trainer shares; each medium's own part is beside it. */

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Subcommand;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::arguments::DeviceArgs;
use crate::cli::ui::Ui;
use crate::cli::{media, pictures, sound, text};
use crate::error::{Error, IoContext, Result};
use crate::train::Budget;
use crate::train::Recipe;

/// Learn from your own data
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Learn sound from a folder of recordings (WAV, FLAC, MP3, OGG)
    #[command(alias = "wavenet")]
    Sound(sound::train::Args),
    /// Learn pictures, pixel by pixel (PNG, JPEG, GIF, WebP; IDX; rows of colour indices)
    #[command(alias = "pixelrnn")]
    Pictures(pictures::train::Args),
    /// Learn sentences, one a line
    #[command(alias = "language-model")]
    Text(text::train::Args),
    /// Learn a space of sentences, to walk from one to another
    SentenceVae(text::train::Args),
}

pub(super) fn run(args: Args, ui: &Ui) -> Result<()> {
    match args.what {
        What::Sound(args) => sound::train::run(&args, ui),
        What::Pictures(args) => pictures::train::run(&args, ui),
        What::Text(args) => text::train::run(&args, &text::train::LANGUAGE_MODEL, ui),
        What::SentenceVae(args) => text::train::run(&args, &text::train::SENTENCE_VAE, ui),
    }
}

/// What every trainer is told.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Training")]
pub(super) struct TrainArgs {
    /// The model folder to make
    #[arg(long, value_name = "MODEL")]
    pub(super) out: PathBuf,
    /// The network: wavenet, lstm or gru; the decoder of a VAE: lstm or gru [default: wavenet for sound, else lstm]
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// A named recipe: tiny, small, medium or large; of a sentence VAE: anchor or poem [default: small, and poem]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// A TOML file that changes the preset; flags change it in turn
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Train for so many steps
    #[arg(long, conflicts_with = "minutes")]
    steps: Option<u64>,
    /// Train for so long [default: 30]
    #[arg(long, allow_negative_numbers = true)]
    minutes: Option<f64>,
    /// Windows side by side in a step
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// The learning rate at its highest
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// The seed of first weights and of the order of the data [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Go on where the model in --out stopped
    #[arg(long, conflicts_with = "force")]
    pub(super) resume: bool,
    /// Replace the model in --out
    #[arg(long)]
    pub(super) force: bool,
    /// Keep the weights in half precision: half the size
    #[arg(long)]
    pub(super) half: bool,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

impl TrainArgs {
    /// The recipe for a new model: preset, then config file, then flags. `usual` is the usual preset, `network` the usual
    /// network.
    pub(super) fn recipe(
        &self,
        preset: impl Fn(&str, &str) -> Result<Recipe>,
        usual: &str,
        network: &str,
    ) -> Result<Recipe> {
        let mut recipe = preset(
            self.preset.as_deref().unwrap_or(usual),
            self.network.as_deref().unwrap_or(network),
        )?;
        if let Some(path) = &self.config {
            let text = std::fs::read_to_string(path).reading(path)?;
            recipe = recipe
                .overridden(&text)
                .map_err(|reason| Error::input(path, reason.trim().to_owned()))?;
        }
        recipe.batches.rows = self.batch.unwrap_or(recipe.batches.rows);
        recipe.training.learning_rate = self.learning_rate.unwrap_or(recipe.training.learning_rate);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.validate()?;
        Ok(recipe)
    }

    /// What can be refused before any data is read: the recipe (see [`recipe`](Self::recipe)), the length and the device.
    pub(super) fn check(
        &self,
        preset: impl Fn(&str, &str) -> Result<Recipe>,
        usual: &str,
        network: &str,
    ) -> Result<()> {
        self.length()?;
        self.device.device.resolve_all()?;
        if !self.resume {
            self.recipe(preset, usual, network)?;
        }
        Ok(())
    }

    /// How long to train.
    pub(super) fn length(&self) -> Result<Budget> {
        match (self.steps, self.minutes) {
            (Some(0), _) => {
                Err(Error::usage("--steps 0 trains nothing").with_hint("give 1 or more"))
            }
            (Some(steps), _) => Ok(Budget::Steps(steps)),
            (None, minutes) => {
                let minutes = minutes.unwrap_or(30.0);
                if minutes.is_finite() && minutes > 0.0 && minutes <= 1e6 {
                    return Ok(Budget::Minutes(minutes));
                }
                Err(Error::usage(format!("--minutes {minutes} is not possible"))
                    .with_hint("give a number above 0, at most 1000000"))
            }
        }
    }

    /// True where `--minutes` stands on the command line.
    pub(super) fn minutes_given(&self) -> bool {
        self.minutes.is_some()
    }

    /// The model to go on with, or `None` for a new one. A second look at what the person asked for: with
    /// `--resume` the recipe is the saved one, so that flags which change it are refused. `medium` is what the model
    /// has to be of.
    pub(super) fn resumed(&self, medium: &str) -> Result<Option<(ModelFolder, ModelManifest)>> {
        if !self.resume {
            ModelFolder::check_free(&self.out, self.force)?;
            return Ok(None);
        }
        let changes = [
            ("--network", self.network.is_some()),
            ("--preset", self.preset.is_some()),
            ("--config", self.config.is_some()),
            ("--batch", self.batch.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--seed", self.seed.is_some()),
            ("--half", self.half),
        ];
        let opened = ModelFolder::open(&self.out)?;
        if let Some((flag, _)) = changes.iter().find(|(_, given)| *given) {
            return Err(Error::usage(format!(
                "{flag} cannot change a model that is already in training"
            ))
            .with_hint("leave it away to go on, or train a new model with another --out"));
        }
        if opened.1.medium.name() != medium {
            return Err(media::other_medium(&self.out, &opened.1.medium, medium));
        }
        Ok(Some(opened))
    }
}

/// The folder that `--out` will lie in, made if it is missing.
pub(super) fn parent_of(out: &Path) -> Result<PathBuf> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&parent).writing(&parent)?;
    Ok(parent)
}

/// Set by Ctrl-C or a polite request to end; a second one ends at once.
pub(super) fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let handler = move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    // Fails only where a handler is set already, which this program does nowhere else.
    let _ = ctrlc::set_handler(handler);
    stop
}
