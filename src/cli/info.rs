/*! `ensuite info MODEL`: what a model is, and how fast it is here. */

use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::prelude::*;
use serde::Serialize;

use super::{precision, ui};
use crate::checkpoint::ModelFolder;
use crate::error::Result;
use crate::labels::Group;
use crate::medium::Medium;
use crate::nets::parameters;
use crate::sequence::{Sampler, Sampling, Stepper};

/// Say what a model is, and how fast it is here
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder
    model: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Info {
    medium: &'static str,
    network: &'static str,
    sample_rate: u32,
    classes: Vec<Group>,
    receptive_field_tokens: Option<usize>,
    receptive_field_ms: Option<f64>,
    parameters: usize,
    multiply_adds_per_sample: usize,
    megabytes: f64,
    step: u64,
    validation_bits: Option<f64>,
    /// What eight-bit weights cost, in bits a sample; `None` where there are none.
    int8_cost_bits: Option<f64>,
    samples_per_second: f64,
    real_time_factor: f64,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let (folder, description) = ModelFolder::open(&args.model)?;
    let net = folder.load(&description, &Device::flex())?;
    let Medium::Sound(sound) = &description.medium;
    let rate = f64::from(sound.sample_rate);
    let field = description.recipe.network.receptive_field();
    let speed = speed(precision::stepper(&net, &description, None, 1)?)?;
    let info = Info {
        medium: description.medium.name(),
        network: description.recipe.network.name(),
        sample_rate: sound.sample_rate,
        classes: description.classes.groups().to_vec(),
        receptive_field_tokens: field,
        receptive_field_ms: field.map(|tokens| 1000.0 * tokens as f64 / rate),
        parameters: parameters(&net).iter().map(|p| p.values.len()).sum(),
        multiply_adds_per_sample: net.multiply_adds(),
        megabytes: folder.size() as f64 / 1e6,
        step: description.step,
        validation_bits: description.validation_bits,
        int8_cost_bits: description
            .int8
            .as_ref()
            .map(|int8| int8.int8_bits - int8.f32_bits),
        samples_per_second: speed,
        real_time_factor: speed / rate,
    };
    if args.json {
        return ui::print_json(&info);
    }
    let classes: Vec<String> = info
        .classes
        .iter()
        .map(|group| format!("{}: {}", group.name, group.values.join(" ")))
        .collect();
    let field = match (info.receptive_field_tokens, info.receptive_field_ms) {
        (Some(tokens), Some(ms)) => format!("{tokens} samples, {ms:.0} ms"),
        _ => "everything before".into(),
    };
    let trained = match info.validation_bits {
        Some(bits) => format!(
            "{} steps, {bits:.3} bits/sample on held-out recordings",
            info.step
        ),
        None => format!("{} steps", info.step),
    };
    let eight_bits = match &description.int8 {
        Some(int8) if int8.is_good() => format!(
            "used: they cost {:.4} bits/sample",
            int8.int8_bits - int8.f32_bits
        ),
        Some(int8) => format!(
            "not used: they cost {:.4} bits/sample",
            int8.int8_bits - int8.f32_bits
        ),
        None => "none".into(),
    };
    for (name, value) in [
        (
            "medium",
            format!("{} at {} Hz", info.medium, info.sample_rate),
        ),
        (
            "network",
            format!(
                "{}, {} parameters, {:.1} MB",
                info.network,
                ui::count(info.parameters as f64),
                info.megabytes
            ),
        ),
        ("receptive field", field),
        (
            "multiply-adds",
            format!(
                "{} a sample",
                ui::count(info.multiply_adds_per_sample as f64)
            ),
        ),
        (
            "classes",
            if classes.is_empty() {
                "none".into()
            } else {
                classes.join("; ")
            },
        ),
        ("trained", trained),
        ("eight bits", eight_bits),
        (
            "speed here",
            format!(
                "{} samples/s on one core, {:.1} times real time",
                ui::count(info.samples_per_second),
                info.real_time_factor
            ),
        ),
    ] {
        ui::print(&format!("{name:<16} {value}"))?;
    }
    Ok(())
}

/// Samples a second of one stream, sampling included, on this machine.
fn speed(mut stepper: Box<dyn Stepper>) -> Result<f64> {
    const MEASURED: Duration = Duration::from_millis(300);
    let mut sampler = Sampler::new(Sampling::default(), 0, 0)?;
    let mut last = stepper.alphabet().start;
    let begun = Instant::now();
    let mut steps = 0_u32;
    while begun.elapsed() < MEASURED {
        for _ in 0..50 {
            last = sampler.choose(stepper.step(&[last]));
        }
        steps += 50;
    }
    Ok(f64::from(steps) / begun.elapsed().as_secs_f64())
}
