/*! `ensuite info MODEL`: what a model is, and how fast it is here. */

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::prelude::*;
use serde::Serialize;

use crate::base::labels::Group;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::media;
use crate::cli::media::Verbs;
use crate::cli::{precision, ui};
use crate::error::Result;
use crate::models::parameters;
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
    classes: Vec<Group>,
    receptive_field_tokens: Option<usize>,
    parameters: usize,
    multiply_adds_per_token: usize,
    megabytes: f64,
    step: u64,
    validation_bits: Option<f64>,
    /// What eight-bit weights cost, in bits a token; `None` where there are none.
    int8_cost_bits: Option<f64>,
    tokens_per_second: f64,
    /// What only this medium has.
    facts: BTreeMap<&'static str, String>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    let verbs = media::verbs(&manifest.medium);
    let net = folder.load(&manifest, &Device::flex())?;
    let info = Info {
        medium: manifest.medium.name(),
        network: manifest.recipe.model.name(),
        classes: manifest.classes.groups().to_vec(),
        receptive_field_tokens: manifest.recipe.model.receptive_field(),
        parameters: parameters(&net).iter().map(|p| p.values.len()).sum(),
        multiply_adds_per_token: net.require_sequence()?.multiply_adds_per_step(),
        megabytes: folder.size() as f64 / 1e6,
        step: manifest.step,
        validation_bits: manifest.validation.as_ref().map(|metric| metric.value),
        int8_cost_bits: manifest
            .int8
            .as_ref()
            .map(|int8| int8.int8_bits - int8.f32_bits),
        tokens_per_second: speed(precision::stepper(&net, &manifest, None, 1)?)?,
        facts: verbs.facts(&manifest).into_iter().collect(),
    };
    if args.json {
        return ui::print_json(&info);
    }
    for (name, value) in lines(&info, &manifest, verbs) {
        ui::print(&format!("{name:<16} {value}"))?;
    }
    Ok(())
}

fn lines(info: &Info, manifest: &ModelManifest, verbs: &dyn Verbs) -> Vec<(&'static str, String)> {
    let (unit, token) = (manifest.medium.unit(), manifest.medium.token_name());
    let classes: Vec<String> = info
        .classes
        .iter()
        .map(|group| format!("{}: {}", group.name, group.values.join(" ")))
        .collect();
    let trained = match info.validation_bits {
        Some(bits) => format!("{} steps, {bits:.3} {unit} on what was held out", info.step),
        None => format!("{} steps", info.step),
    };
    let eight_bits = match &manifest.int8 {
        Some(int8) => format!(
            "{}used: they cost {:.4} {unit}",
            if int8.is_good() { "" } else { "not " },
            int8.int8_bits - int8.f32_bits
        ),
        None => "none".into(),
    };
    let mut lines = vec![("medium", info.medium.to_owned())];
    lines.extend(verbs.facts(manifest));
    lines.extend([
        (
            "network",
            format!(
                "{}, {} parameters, {:.1} MB",
                info.network,
                ui::count(info.parameters as f64),
                info.megabytes
            ),
        ),
        (
            "receptive field",
            info.receptive_field_tokens
                .map_or("everything before".into(), |tokens| verbs.extent(tokens)),
        ),
        (
            "multiply-adds",
            format!(
                "{} a {token}",
                ui::count(info.multiply_adds_per_token as f64)
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
                "{} {token}s/s on one core, {}",
                ui::count(info.tokens_per_second),
                verbs.pace(info.tokens_per_second)
            ),
        ),
    ]);
    lines
}

/// Tokens a second of one stream, sampling included, on this machine.
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
