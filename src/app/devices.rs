/*! `devices`: compute devices and audio outputs of this machine. */

use serde::Serialize;

use crate::base::simd::InstructionSet;
use crate::ops::device::list_gpus;

/// What this machine can compute with and play on.
#[derive(Debug, Clone, Serialize)]
pub struct Devices {
    /// The CPU and the GPUs.
    pub compute: Vec<ComputeDevice>,
    /// Audio outputs.
    pub audio: Vec<AudioOutput>,
    /// Why there is no audio output, if there is none.
    pub audio_problem: Option<String>,
}

/// The CPU or a GPU.
#[derive(Debug, Clone, Serialize)]
pub struct ComputeDevice {
    /// What `--device` calls it.
    pub name: String,
    /// What it is.
    pub what: String,
    /// A GPU's memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// An audio output.
#[derive(Debug, Clone, Serialize)]
pub struct AudioOutput {
    /// What `--output` calls it.
    pub name: String,
    /// Whether it is the system's default.
    pub default: bool,
    /// Its channels.
    pub channels: u16,
    /// Its sample rate in Hz.
    pub sample_rate: u32,
    /// Its sample format.
    pub format: String,
}

impl Devices {
    /// Lists what answers now.
    pub fn list() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut compute = vec![ComputeDevice {
            name: "cpu".into(),
            what: format!("{threads} threads, {:?}", InstructionSet::detect()),
            memory: None,
        }];
        compute.extend(list_gpus().into_iter().map(|gpu| ComputeDevice {
            name: gpu.device,
            what: gpu.name,
            memory: gpu.memory,
        }));
        let (audio, audio_problem) = match outputs() {
            Ok(outputs) if outputs.is_empty() => {
                (outputs, Some("no audio output was found".into()))
            }
            Ok(outputs) => (outputs, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        Self {
            compute,
            audio,
            audio_problem,
        }
    }
}

#[cfg(feature = "play")]
fn outputs() -> std::result::Result<Vec<AudioOutput>, String> {
    let outputs = crate::audio::playback::list().map_err(|error| error.to_string())?;
    Ok(outputs
        .into_iter()
        .filter_map(|output| {
            let format = output.format?;
            Some(AudioOutput {
                name: output.name,
                default: output.default,
                channels: format.channels,
                sample_rate: format.rate,
                format: format.sample,
            })
        })
        .collect())
}

#[cfg(not(feature = "play"))]
fn outputs() -> std::result::Result<Vec<AudioOutput>, String> {
    Err("this program was built without sound playback".into())
}
