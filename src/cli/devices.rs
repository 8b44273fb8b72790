/*! `ensuite devices`: compute devices and audio outputs. */

use serde::Serialize;

use crate::cli::ui;
use crate::error::Result;
use crate::ops::device::list_gpus;

/// List compute devices and audio outputs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Devices {
    compute: Vec<Compute>,
    audio: Vec<Output>,
    /// Why there is no audio output, if there is none.
    audio_problem: Option<String>,
}

#[derive(Serialize)]
struct Compute {
    name: String,
    what: String,
    /// Bytes of a GPU's own memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
}

#[derive(Serialize)]
struct Output {
    name: String,
    default: bool,
    channels: u16,
    sample_rate: u32,
    format: String,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut compute = vec![Compute {
        name: "cpu".into(),
        what: format!(
            "{threads} threads, {:?}",
            crate::base::simd::InstructionSet::detect()
        ),
        memory: None,
    }];
    compute.extend(list_gpus().into_iter().map(|gpu| Compute {
        name: gpu.device,
        what: gpu.name,
        memory: gpu.memory,
    }));
    let (audio, audio_problem) = match outputs() {
        Ok(outputs) if outputs.is_empty() => (outputs, Some("no audio output was found".into())),
        Ok(outputs) => (outputs, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let devices = Devices {
        compute,
        audio,
        audio_problem,
    };
    if args.json {
        return ui::print_json(&devices);
    }
    for device in &devices.compute {
        let memory = device.memory.map_or(String::new(), |bytes| {
            format!(", {:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
        });
        ui::print(&format!(
            "compute  {:<12} {}{memory}",
            device.name, device.what
        ))?;
    }
    for output in &devices.audio {
        let mark = if output.default { " (default)" } else { "" };
        ui::print(&format!(
            "audio    {}{mark}  {} Hz, {} channels, {}",
            output.name, output.sample_rate, output.channels, output.format
        ))?;
    }
    match &devices.audio_problem {
        Some(problem) => ui::print(&format!("audio    none: {problem}")),
        None => Ok(()),
    }
}

#[cfg(feature = "play")]
fn outputs() -> std::result::Result<Vec<Output>, String> {
    use cpal::traits::{DeviceTrait, HostTrait};

    let host = cpal::default_host();
    let name = |device: &cpal::Device| device.to_string();
    let default = host.default_output_device().as_ref().map(name);
    let devices = host.output_devices().map_err(|error| error.to_string())?;
    Ok(devices
        .filter_map(|device| {
            let config = device.default_output_config().ok()?;
            let name = name(&device);
            Some(Output {
                default: default.as_ref() == Some(&name),
                name,
                channels: config.channels(),
                sample_rate: config.sample_rate(),
                format: config.sample_format().to_string(),
            })
        })
        .collect())
}

#[cfg(not(feature = "play"))]
fn outputs() -> std::result::Result<Vec<Output>, String> {
    Err("this program was built without sound playback".into())
}
