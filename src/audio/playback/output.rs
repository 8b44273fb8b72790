/*! Audio outputs: finding one, and opening it with a small buffer. */

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, FromSample, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedBufferSize, SupportedStreamConfig,
};

use crate::audio::playback::callback::{Callback, Gauge};
use crate::error::{Error, Result};

/// The hint of most errors here.
const HINT: &str = "`ensuite devices` lists the outputs; without one, `ensuite generate` writes the same sound to a file";

/// An audio output as `ensuite devices` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputInfo {
    /// The name that `--output` takes.
    pub name: String,
    /// The system's short name, which `--output` takes too.
    pub id: String,
    /// True for the output that is used without `--output`.
    pub default: bool,
    /// `None` when it cannot be opened now.
    pub format: Option<Format>,
}

/// The format of a device's samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Frames a second, in Hz.
    pub rate: u32,
    /// Samples a frame.
    pub channels: u16,
    /// The type of a sample, such as `f32` or `i16`.
    pub sample: String,
}

/// All audio outputs of the system.
///
/// # Errors
/// [`Error::Device`] when there is no sound system.
pub fn list() -> Result<Vec<OutputInfo>> {
    silence_alsa();
    let host = cpal::default_host();
    let default = host.default_output_device();
    let devices = host
        .output_devices()
        .map_err(|error| no_sound_system(&error))?;
    Ok(devices
        .map(|device| OutputInfo {
            name: device.to_string(),
            id: id_of(&device),
            default: default.as_ref() == Some(&device),
            format: device.default_output_config().ok().map(|config| Format {
                rate: config.sample_rate(),
                channels: config.channels(),
                sample: config.sample_format().to_string(),
            }),
        })
        .collect())
}

/// A device and its configuration.
pub struct Output {
    device: Device,
    config: SupportedStreamConfig,
}

impl Output {
    /// The output of this name or short name, or the default one.
    ///
    /// # Errors
    /// [`Error::Device`] when there is no sound system, no output, or none of this name.
    pub fn find(name: Option<&str>) -> Result<Self> {
        silence_alsa();
        let host = cpal::default_host();
        let device = match name {
            None => host.default_output_device().ok_or_else(|| Error::Device {
                message: "this machine has no audio output".into(),
                hint: Some(HINT.into()),
            })?,
            Some(name) => named(&host, name)?,
        };
        let config = device
            .default_output_config()
            .map_err(|error| Error::Device {
                message: format!(
                    "the audio output {} cannot be used: {error}",
                    called(&device, name)
                ),
                hint: Some(HINT.into()),
            })?;
        Ok(Self { device, config })
    }

    /// The device's name.
    pub fn name(&self) -> String {
        self.device.to_string()
    }

    /// The device's format.
    pub fn format(&self) -> Format {
        Format {
            rate: self.config.sample_rate(),
            channels: self.config.channels(),
            sample: self.config.sample_format().to_string(),
        }
    }

    /// Opens the device, to be started by [`Playing::start`]. It calls `callback` for about `period` seconds of sound at a
    /// time, and buffers two periods.
    pub(super) fn open(
        self,
        period: f64,
        callback: Callback,
        gauge: Arc<Gauge>,
    ) -> Result<Playing> {
        silence_alsa();
        let faults = Arc::new(Faults::default());
        let name = self.name();
        match self.build(period, callback, gauge, faults.clone()) {
            Ok(stream) => Ok(Playing {
                stream,
                name,
                faults,
            }),
            Err(error) => Err(does_not_play(&name, &error)),
        }
    }

    fn build(
        &self,
        period: f64,
        callback: Callback,
        gauge: Arc<Gauge>,
        faults: Arc<Faults>,
    ) -> std::result::Result<Stream, cpal::Error> {
        let wanted = (period * f64::from(self.config.sample_rate())).ceil() as u32;
        let frames = match *self.config.buffer_size() {
            SupportedBufferSize::Range { min, max } if min <= max => wanted.clamp(min, max),
            _ => wanted,
        };
        let config = StreamConfig {
            // The default of some systems is two seconds.
            buffer_size: BufferSize::Fixed(frames),
            ..self.config.config()
        };
        let build = Build {
            device: &self.device,
            config,
            callback,
            gauge,
            faults,
        };
        match self.config.sample_format() {
            SampleFormat::F64 => build.stream::<f64>(),
            SampleFormat::I8 => build.stream::<i8>(),
            SampleFormat::I16 => build.stream::<i16>(),
            SampleFormat::I24 => build.stream::<cpal::I24>(),
            SampleFormat::I32 => build.stream::<i32>(),
            SampleFormat::I64 => build.stream::<i64>(),
            SampleFormat::U8 => build.stream::<u8>(),
            SampleFormat::U16 => build.stream::<u16>(),
            SampleFormat::U24 => build.stream::<cpal::U24>(),
            SampleFormat::U32 => build.stream::<u32>(),
            SampleFormat::U64 => build.stream::<u64>(),
            _ => build.stream::<f32>(),
        }
    }
}

struct Build<'a> {
    device: &'a Device,
    config: StreamConfig,
    callback: Callback,
    gauge: Arc<Gauge>,
    faults: Arc<Faults>,
}

impl Build<'_> {
    fn stream<T: SizedSample + FromSample<f32>>(self) -> std::result::Result<Stream, cpal::Error> {
        let Self {
            device,
            config,
            mut callback,
            gauge,
            faults,
        } = self;
        device.build_output_stream::<T, _, _>(
            config,
            move |out, info| {
                callback.fill(out, &gauge);
                let times = info.timestamp();
                gauge.set_latency(times.playback.duration_since(times.callback));
            },
            move |error| faults.note(&error),
            Some(Duration::from_millis(500)),
        )
    }
}

/// An open device; dropping it stops it at once.
pub(super) struct Playing {
    stream: Stream,
    name: String,
    faults: Arc<Faults>,
}

impl Playing {
    /// Starts to call the callback.
    pub(super) fn start(&self) -> Result<()> {
        silence_alsa();
        self.stream
            .play()
            .map_err(|error| does_not_play(&self.name, &error))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Frames of one call of the callback.
    pub(super) fn period(&self) -> Option<usize> {
        self.stream.buffer_size().ok().map(|frames| frames as usize)
    }

    /// The underruns that the device reports.
    pub(super) fn xruns(&self) -> u64 {
        self.faults.xruns.load(Relaxed)
    }

    /// Why the device was lost, if the system reports that.
    pub(super) fn lost(&self) -> Option<String> {
        self.faults
            .lost
            .load(Relaxed)
            .then(|| self.trouble())
            .flatten()
    }

    /// The last error that the system reported, fatal or not.
    pub(super) fn trouble(&self) -> Option<String> {
        self.faults
            .trouble
            .lock()
            .map_or(None, |trouble| trouble.clone())
    }
}

/// Errors that the system reports, on the callback's thread or another, but never while the callback runs.
#[derive(Default)]
struct Faults {
    xruns: AtomicU64,
    lost: AtomicBool,
    trouble: Mutex<Option<String>>,
}

impl Faults {
    fn note(&self, error: &cpal::Error) {
        let lost = match error.kind() {
            ErrorKind::Xrun => {
                self.xruns.fetch_add(1, Relaxed);
                return;
            }
            // The sound goes on.
            ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => return,
            ErrorKind::DeviceNotAvailable
            | ErrorKind::HostUnavailable
            | ErrorKind::StreamInvalidated
            | ErrorKind::PermissionDenied => true,
            // Some sound servers cannot report their latency at first, and recover.
            _ => false,
        };
        if let Ok(mut trouble) = self.trouble.lock()
            && !self.lost.load(Relaxed)
        {
            *trouble = Some(error.to_string());
        }
        if lost {
            self.lost.store(true, Relaxed);
        }
    }
}

fn named(host: &cpal::Host, name: &str) -> Result<Device> {
    let devices = host
        .output_devices()
        .map_err(|error| no_sound_system(&error))?;
    let mut names = Vec::new();
    for device in host.default_output_device().into_iter().chain(devices) {
        let (long, short) = (device.to_string(), id_of(&device));
        if long == name || short == name {
            return Ok(device);
        }
        if !names.contains(&long) {
            names.push(long);
        }
    }
    let hint = match names.as_slice() {
        [] => "this machine has no audio output".to_owned(),
        names => format!("available outputs: {}", names.join("; ")),
    };
    Err(Error::Device {
        message: format!("there is no audio output '{name}'"),
        hint: Some(hint),
    })
}

fn no_sound_system(error: &cpal::Error) -> Error {
    Error::Device {
        message: format!("this machine has no sound system: {error}"),
        hint: Some(HINT.into()),
    }
}

fn does_not_play(name: &str, error: &cpal::Error) -> Error {
    Error::Device {
        message: format!("the audio output '{name}' does not play: {error}"),
        hint: Some(HINT.into()),
    }
}

fn called(device: &Device, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("'{name}'"),
        None => format!("'{device}' (the default)"),
    }
}

fn id_of(device: &Device) -> String {
    device.id().map(|id| id.id().to_owned()).unwrap_or_default()
}

/// Redirects ALSA's messages on this thread from standard error to an unread buffer: errors are returned anyway.
fn silence_alsa() {
    // A failure leaves the messages visible.
    #[cfg(target_os = "linux")]
    let _ = alsa::Output::local_error_handler();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_output_is_refused_with_a_hint() {
        let error = Output::find(Some("no such loudspeaker")).err().unwrap();
        assert!(
            error.to_string().contains("no such loudspeaker")
                || error.to_string().contains("sound system")
        );
        assert!(error.hint().is_some() && !error.is_usage());
    }

    #[test]
    fn a_lost_device_differs_from_an_underrun_and_from_a_passing_error() {
        let faults = Faults::default();
        for kind in [
            ErrorKind::Xrun,
            ErrorKind::RealtimeDenied,
            ErrorKind::Xrun,
            ErrorKind::BackendError,
        ] {
            faults.note(&cpal::Error::new(kind));
        }
        assert_eq!(faults.xruns.load(Relaxed), 2);
        assert!(!faults.lost.load(Relaxed));
        faults.note(&cpal::Error::new(ErrorKind::DeviceNotAvailable));
        faults.note(&cpal::Error::new(ErrorKind::BackendError));
        let reason = faults.trouble.lock().unwrap().clone().unwrap();
        assert!(faults.lost.load(Relaxed));
        assert!(
            reason.contains("disconnected"),
            "the first fatal error is the reason: {reason}"
        );
    }
}
