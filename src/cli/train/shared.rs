/*! Arguments of every trainer. */

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::app::Budget;
use crate::app::train::TrainOptions;
use crate::cli::arguments::DeviceArgs;

/// Arguments of every trainer.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Training")]
pub(super) struct TrainArgs {
    /// The model folder to make
    #[arg(long, value_name = "MODEL")]
    out: PathBuf,
    /// The network: wavenet, lstm or gru; for a sentence VAE its decoder: lstm or gru; not for image VAEs, GANs and classifiers [default: lstm for text, else wavenet]
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// A named recipe: tiny, small, medium or large; for a sentence VAE: anchor or poem [default: small, or poem]
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// A TOML file that overrides the preset; flags override both
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Train for N steps
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    steps: Option<u64>,
    /// Train for this many minutes [default: 30]
    #[arg(long, allow_negative_numbers = true)]
    minutes: Option<f64>,
    /// Windows, sentences or pictures of each update [default: the preset's]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// The peak learning rate
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// The seed of the initial weights and of the order of the data [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Continue where the model in --out stopped: give the same command again with this. --steps or --minutes may be higher
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Replace the model in --out
    #[arg(long)]
    force: bool,
    /// Store the weights in half precision: half the size
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl TrainArgs {
    /// What to hold out: what was asked for, else what the corpus says of itself. A resumed model keeps its own.
    pub(super) fn held_out(
        &self,
        asked: Option<String>,
        of_corpus: Option<String>,
    ) -> Option<String> {
        asked.or(of_corpus.filter(|_| !self.resume))
    }

    /// The options, with a stop flag that Ctrl-C sets.
    pub(super) fn options(self) -> TrainOptions {
        TrainOptions {
            out: self.out,
            network: self.network,
            preset: self.preset,
            config: self.config,
            budget: self
                .steps
                .map(Budget::Steps)
                .or(self.minutes.map(Budget::Minutes)),
            batch: self.batch,
            learning_rate: self.learning_rate,
            seed: self.seed,
            resume: self.resume,
            force: self.force,
            half: self.half,
            device: self.device.device,
            stop: stop_flag(),
        }
    }
}

/// Set by Ctrl-C or a request to terminate; a second one exits at once.
fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let handler = move || {
        if seen.swap(true, Ordering::Relaxed) {
            crate::cli::exit::exit_now();
        }
    };
    // Fails only where a handler is set already, which this program does nowhere else.
    let _ = ctrlc::set_handler(handler);
    stop
}
