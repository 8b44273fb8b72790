/*! `ensuite score` on sound. */

use std::fmt::Write as _;

use burn::prelude::*;

use crate::audio::SoundFormat;
use crate::base::files::write_atomic;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::score::Args;
use crate::cli::sound::read_tokens;
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::eval::{Line, draw_lines};
use crate::sequence::nll_per_token;

/// A point of the curve is the mean over so many seconds.
const FRAME: f64 = 0.01;

pub(super) fn run(
    args: &Args,
    sound: &SoundFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let format = args.format(&["png", "csv"])?;
    let condition = args.condition(manifest)?;
    let tokens = read_tokens(&args.file, sound)?;
    let net = folder.load(manifest, &Device::flex())?;
    let bits: Vec<f64> = nll_per_token(
        &mut *net.require_sequence()?.stepper(1)?,
        condition.as_deref(),
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
            write_atomic(&args.output, table.as_bytes())?;
        }
        _ => {
            if bits.len() < 2 {
                return Err(Error::input(&args.file, "it is too short for a curve"));
            }
            let frame = ((FRAME * rate) as usize).min(bits.len() / 2).max(1);
            let points = bits.chunks(frame).enumerate().map(|(index, bits)| {
                let seconds = (index * frame) as f64 / rate;
                (seconds, bits.iter().sum::<f64>() / bits.len() as f64)
            });
            let line = Line {
                name: "nll",
                points: points.collect(),
            };
            draw_lines(&[line], "seconds", "bits/sample", &args.output)?;
        }
    }
    ui.say(format!("{}", args.output.display()));
    ui::print(&format!(
        "{:.3} bits/sample over {} samples",
        bits.iter().sum::<f64>() / bits.len() as f64,
        bits.len()
    ))
}
