/*! Arguments that several verbs share. */

use clap::Args;
use rand_core::Rng;

use crate::base::labels::{Classes, Label};
use crate::base::rng::rng_stream;
use crate::error::{Error, Result};
use crate::ops::device::DeviceChoice;
use crate::sequence::Sampling;

/// `--device`
#[derive(Debug, Args)]
pub(super) struct DeviceArgs {
    /// Where to compute: auto, cpu, cuda or cuda:N; training also on several cards, as in cuda:0,1
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: DeviceChoice,
}

/// How freely tokens are chosen, and from which seed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub(super) struct SamplingArgs {
    /// Below 1 safer, above 1 bolder, 0 always the likeliest
    #[arg(
        long,
        value_name = "T",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub(super) temperature: f32,
    /// Choose among the K likeliest only
    #[arg(long, value_name = "K")]
    pub(super) top_k: Option<usize>,
    /// Choose among the likeliest that together have probability P
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(super) top_p: Option<f32>,
    /// Choose among those at least P times as likely as the likeliest
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    pub(super) min_p: Option<f32>,
    /// The same seed gives the same result [default: drawn, and printed]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
}

impl SamplingArgs {
    /// The settings, checked.
    pub(super) fn sampling(&self) -> Result<Sampling> {
        let sampling = Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
        };
        sampling.validate()?;
        Ok(sampling)
    }

    /// True where no flag of these was given (or the temperature that is the default); the seed does not matter where
    /// `seeded`.
    pub(super) fn is_usual(&self, seeded: bool) -> bool {
        self.temperature == 1.0
            && self.top_k.is_none()
            && self.top_p.is_none()
            && self.min_p.is_none()
            && (seeded || self.seed.is_none())
    }

    /// The seed given, or a new one short enough to type.
    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let now = now.map_or(0, |since| since.as_nanos() as u64);
            (now ^ u64::from(std::process::id()) << 20) % 1_000_000
        })
    }
}

/// `--class NAME=VALUE`
pub(super) fn parse_label(text: &str) -> std::result::Result<Label, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.into(), value.into()))
        }
        _ => Err("a class is given as NAME=VALUE, such as digit=7".into()),
    }
}

/// The labels of item `item`: the given ones, the others drawn from the seed.
pub(super) fn labels_of_item(
    classes: &Classes,
    given: &[Label],
    seed: u64,
    item: u64,
) -> Vec<Label> {
    let mut rng = rng_stream(seed, b"classes ", item);
    classes.complete(given, |count| (rng.next_u64() % count as u64) as usize)
}

/// Refuses lengths of sound that mean nothing.
pub(super) fn check_seconds(seconds: f64) -> Result<()> {
    if seconds.is_finite() && seconds > 0.0 && seconds <= 1e6 {
        return Ok(());
    }
    Err(Error::usage(format!("--seconds {seconds} is not possible"))
        .with_hint("a length is above 0 and at most 1000000 seconds"))
}
