/*! Scoring a recording: bits a sample over time. */

use std::fmt::Write as _;

use burn::prelude::*;

use super::options::ScoreOptions;
use crate::app::{Observer, OpenModel};
use crate::audio::SoundFormat;
use crate::audio::dataset::read_tokens;
use crate::base::files::write_output;
use crate::error::{Error, Result};
use crate::eval::{Line, draw_lines};
use crate::sequence::{Conditions, nll_per_token};

/// Seconds that each point of the curve averages.
const FRAME: f64 = 0.01;

pub(super) fn score(
    model: &OpenModel,
    sound: &SoundFormat,
    options: &ScoreOptions,
    observer: &mut dyn Observer,
) -> Result<String> {
    let format = options.format(&["png", "csv"])?;
    let condition = options.condition(model)?;
    let tokens = read_tokens(&options.file, sound)?;
    let net = model.load(&Device::flex())?;
    let classes = condition.unwrap_or_default();
    let (mut values, mut width, mut hop) = (classes.clone(), classes.len(), None);
    if let Some(tiers) = model.tiers()? {
        (values, width) = tiers.conditions(&tokens, &classes);
        hop = Some(tiers.codec.hop());
    }
    let bits: Vec<f64> = nll_per_token(
        &mut *net.require_sequence()?.stepper(1)?,
        Conditions::held(&values, width, hop),
        &tokens,
    )
    .into_iter()
    .map(|nats| nats / std::f64::consts::LN_2)
    .collect();
    let rate = f64::from(sound.sample_rate);
    match format {
        "csv" => {
            let mut table = String::from("seconds,bits\n");
            for (index, bits) in bits.iter().enumerate() {
                let _ = writeln!(table, "{:.6},{bits:.4}", index as f64 / rate);
            }
            write_output(&options.output, table.as_bytes())?;
        }
        _ => {
            if bits.len() < 2 {
                return Err(Error::input(&options.file, "it is too short for a curve"));
            }
            let frame = ((FRAME * rate) as usize).min(bits.len() / 2).max(1);
            let points = bits.chunks(frame).enumerate().map(|(index, bits)| {
                let seconds = (index * frame) as f64 / rate;
                (seconds, bits.iter().sum::<f64>() / bits.len() as f64)
            });
            let line = Line {
                name: "NLL",
                points: points.collect(),
            };
            draw_lines(&[line], "seconds", "bits/sample", &options.output)?;
        }
    }
    observer.info(options.output.display().to_string());
    Ok(format!(
        "{:.3} bits/sample over {} samples",
        bits.iter().sum::<f64>() / bits.len() as f64,
        bits.len()
    ))
}
