/*!
Decodes a recording to mono samples: WAV, AIFF, CAF, FLAC, MP3, OGG Vorbis and M4A (AAC or ALAC).

The first bytes of a file decide its format, not its name. Channels are averaged while decoding, so that memory holds
only the mono samples. A damaged file is refused with the reason, because a network must not learn from partly decoded
recordings. One exception: a WAV file that is shorter than its header promises is read up to its end, with a note.
*/

mod caf;
mod fault;
mod riff;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP3, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{
    FORMAT_ID_AIFF, FORMAT_ID_CAF, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_MP3, FORMAT_ID_OGG,
};
use symphonia::core::formats::{FormatId, FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::default::{get_codecs, get_probe};

use crate::audio::import::fault::Fault;
use crate::audio::import::riff::Wav;
use crate::error::{Error, IoContext, Result};

/// Extensions (in lower case) of the files that are taken for recordings when a folder is searched.
pub const EXTENSIONS: [&str; 11] = [
    "wav", "wave", "aif", "aiff", "aifc", "caf", "flac", "mp3", "ogg", "oga", "m4a",
];

/// The formats that are read, for messages.
pub(super) const FORMATS: &str = "WAV, AIFF, CAF, FLAC, MP3, OGG Vorbis and M4A";

/// Greater float samples are damage: even unscaled 32-bit integers end at 2³¹.
const LARGEST_SAMPLE: f32 = 4_294_967_296.0;

/// One in this many packets of an MP3 may be damaged: the format resynchronises by design, and streams cut out of
/// others begin in the middle of a frame.
const MP3_DAMAGE: u64 = 10;

/// A decoded recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Mono: the average of all channels, nominally in −1..=1, all finite.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
    /// How many channels the file has.
    pub channels: u16,
    /// Why the sound may be shorter than it was recorded, if the file shows that.
    pub note: Option<&'static str>,
}

/// Decodes a whole file.
///
/// # Errors
/// [`Error::Input`] with the reason when the file is not sound or is damaged; [`Error::Read`] when the system cannot
/// read it.
pub fn read(path: &Path) -> Result<Recording> {
    let (source, len) = open(path)?;
    decode(source, len).map_err(|fault| fault.at(path))
}

/// Decodes a source of `len` bytes.
fn decode(source: Box<dyn MediaSource>, len: u64) -> std::result::Result<Recording, Fault> {
    catch_panic(|| Stream::open(source, len)?.decode())
}

/// Turns a panic into an error: some decoders overflow on damaged data, which panics where arithmetic is checked, and
/// one damaged file must not end the import of a folder.
fn catch_panic<T>(
    work: impl FnOnce() -> std::result::Result<T, Fault>,
) -> std::result::Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Fault::bad("damaged: the decoder failed")))
}

/// The sample rate of a file, in Hz, from its header alone.
///
/// # Errors
/// As [`read`], as far as the header shows it.
pub fn probe_rate(path: &Path) -> Result<u32> {
    let (source, len) = open(path)?;
    catch_panic(|| Ok(Stream::open(source, len)?.rate)).map_err(|fault| fault.at(path))
}

/// Opens a file that is not empty, and returns its length too.
fn open(path: &Path) -> Result<(Box<dyn MediaSource>, u64)> {
    let metadata = fs::metadata(path).reading(path)?;
    if !metadata.is_file() {
        return Err(Error::input(path, "not a file"));
    }
    if metadata.len() == 0 {
        return Err(Error::input(path, "empty (0 bytes)"));
    }
    Ok((Box::new(File::open(path).reading(path)?), metadata.len()))
}

/// An opened file and the decoder for what is in it.
struct Stream {
    container: Container,
    decoder: Box<dyn AudioDecoder>,
    rate: u32,
    /// How many frames the header promises, if it does.
    promised: Option<u64>,
    note: Option<&'static str>,
}

enum Container {
    Wav(Wav<BufReader<Box<dyn MediaSource>>>),
    Other {
        reader: Box<dyn FormatReader>,
        track: u32,
        lenient: bool,
    },
}

impl Stream {
    /// Chooses the format by the first bytes of a source of `len` bytes, and reads the header.
    fn open(mut source: Box<dyn MediaSource>, len: u64) -> std::result::Result<Self, Fault> {
        let mut start = Vec::with_capacity(12);
        (&mut source).take(12).read_to_end(&mut start)?;
        source.rewind()?;
        match start.as_slice() {
            [b'R', b'I', b'F', b'F', ..] | [b'R', b'F', b'6', b'4', ..] => {
                Self::open_wav(source, len)
            }
            [
                b'F',
                b'O',
                b'R',
                b'M',
                _,
                _,
                _,
                _,
                b'A',
                b'I',
                b'F',
                b'F' | b'C',
            ] => Self::open_other(source, &[FORMAT_ID_AIFF]),
            [b'c', b'a', b'f', b'f', ..] => {
                caf::check(&mut source, len)?;
                source.rewind()?;
                Self::open_other(source, &[FORMAT_ID_CAF])
            }
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => {
                Self::open_other(source, &[FORMAT_ID_ISOMP4])
            }
            [b'f', b'L', b'a', b'C', ..] => Self::open_other(source, &[FORMAT_ID_FLAC]),
            [b'O', b'g', b'g', b'S', ..] => Self::open_other(source, &[FORMAT_ID_OGG]),
            // An MP3 begins with its tag or with the eleven ones of a frame; a tag may precede FLAC too.
            [b'I', b'D', b'3', ..] | [0xFF, 0xE0..=0xFF, ..] => {
                Self::open_other(source, &[FORMAT_ID_MP3, FORMAT_ID_FLAC])
            }
            _ => Err(Fault::bad(format!(
                "its contents are not of a format that is read ({FORMATS})"
            ))),
        }
    }

    fn open_wav(source: Box<dyn MediaSource>, len: u64) -> std::result::Result<Self, Fault> {
        let wav = Wav::open(BufReader::new(source), len)?;
        Ok(Self {
            decoder: make_decoder(&wav.codec_parameters())?,
            rate: wav.rate(),
            promised: Some(wav.frames()),
            note: wav.note(),
            container: Container::Wav(wav),
        })
    }

    /// Reads the header of one of the `expected` formats. The library looks for any format at any offset: in a damaged
    /// file it may take samples for the header of another one.
    fn open_other(
        source: Box<dyn MediaSource>,
        expected: &[FormatId],
    ) -> std::result::Result<Self, Fault> {
        let reader = get_probe().probe(
            &Hint::new(),
            MediaSourceStream::new(source, MediaSourceStreamOptions::default()),
            FormatOptions::default(),
            MetadataOptions::default(),
        )?;
        if !expected.contains(&reader.format_info().format) {
            return Err(Fault::bad("damaged: its header cannot be read"));
        }
        let track = reader
            .default_track(TrackType::Audio)
            .ok_or_else(|| Fault::bad("it holds no sound in an encoding that is read"))?;
        let parameters = track
            .codec_params
            .as_ref()
            .and_then(|parameters| parameters.audio())
            .ok_or_else(|| Fault::bad("it holds no sound in an encoding that is read"))?;
        let rate = parameters
            .sample_rate
            .ok_or_else(|| Fault::bad("its sample rate is missing"))?;
        Fault::check_rate(rate)?;
        let lenient = parameters.codec == CODEC_ID_MP3;
        // The length of an MP3 and of an OGG file is an estimate.
        let exact = !lenient && parameters.codec != CODEC_ID_VORBIS;
        Ok(Self {
            decoder: make_decoder(parameters)?,
            rate,
            promised: track.num_frames.filter(|&frames| exact && frames > 0),
            note: None,
            container: Container::Other {
                track: track.id,
                lenient,
                reader,
            },
        })
    }

    fn decode(mut self) -> std::result::Result<Recording, Fault> {
        let mut mono = MonoMix::new(self.rate);
        if let Container::Wav(wav) = &self.container {
            // `Wav::open` has checked that the file holds these frames.
            mono.samples.reserve_exact(wav.frames() as usize);
        }
        let (mut packets, mut damaged) = (0_u64, 0);
        while let Some(packet) = self.container.next_packet()? {
            packets += 1;
            match self.decoder.decode(&packet) {
                Ok(decoded) => mono.add(&decoded)?,
                Err(SymphoniaError::DecodeError(_)) if self.container.lenient() => damaged += 1,
                Err(error) => return Err(error.into()),
            }
        }
        if damaged * MP3_DAMAGE > packets {
            return Err(Fault::bad(format!(
                "damaged: {damaged} of its {packets} packets cannot be decoded"
            )));
        }
        self.finish(mono)
    }

    fn finish(self, mono: MonoMix) -> std::result::Result<Recording, Fault> {
        let MonoMix {
            mut samples,
            channels,
            ..
        } = mono;
        if samples.is_empty() {
            return Err(Fault::bad("it holds no samples"));
        }
        if let Some(promised) = self.promised {
            if (samples.len() as u64) < promised {
                let rate = f64::from(self.rate);
                return Err(Fault::incomplete(
                    samples.len() as f64 / rate,
                    promised as f64 / rate,
                ));
            }
            if let Container::Wav(_) = self.container {
                // The last block of ADPCM may be padded.
                samples.truncate(promised as usize);
            }
        }
        Ok(Recording {
            samples,
            rate: self.rate,
            channels,
            note: self.note,
        })
    }
}

impl Container {
    fn next_packet(&mut self) -> std::result::Result<Option<Packet>, Fault> {
        match self {
            Self::Wav(wav) => wav.next_packet(),
            Self::Other { reader, track, .. } => loop {
                match reader.next_packet()? {
                    Some(packet) if packet.track_id != *track => {}
                    other => return Ok(other),
                }
            },
        }
    }

    fn lenient(&self) -> bool {
        matches!(self, Self::Other { lenient: true, .. })
    }
}

fn make_decoder(
    parameters: &AudioCodecParameters,
) -> std::result::Result<Box<dyn AudioDecoder>, Fault> {
    Ok(get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default())?)
}

/// Averages the channels of decoded packets.
struct MonoMix {
    samples: Vec<f32>,
    rate: u32,
    channels: u16,
    interleaved: Vec<f32>,
}

impl MonoMix {
    fn new(rate: u32) -> Self {
        Self {
            samples: Vec::new(),
            rate,
            channels: 0,
            interleaved: Vec::new(),
        }
    }

    fn add(&mut self, decoded: &GenericAudioBufferRef<'_>) -> std::result::Result<(), Fault> {
        if decoded.frames() == 0 {
            return Ok(());
        }
        let channels = decoded.num_planes();
        if decoded.spec().rate() != self.rate {
            return Err(Fault::bad(format!(
                "its sound has a sample rate of {} Hz, its header one of {} Hz",
                decoded.spec().rate(),
                self.rate
            )));
        }
        self.channels = self.channels.max(channels as u16);
        decoded.copy_to_vec_interleaved(&mut self.interleaved);
        for frame in self.interleaved.chunks_exact(channels) {
            let sum: f64 = frame.iter().map(|&sample| f64::from(sample)).sum();
            let mean = (sum / channels as f64) as f32;
            if mean.is_nan() || mean.abs() > LARGEST_SAMPLE {
                let second = self.samples.len() as f64 / f64::from(self.rate);
                return Err(Fault::bad(format!(
                    "invalid sample ({mean}) at {second:.3} s"
                )));
            }
            self.samples.push(mean);
        }
        Ok(())
    }
}

/// Decodes a file in memory; an error is the reason alone.
#[cfg(test)]
pub(super) fn decode_bytes(bytes: Vec<u8>) -> std::result::Result<Recording, String> {
    let len = bytes.len() as u64;
    decode(Box::new(std::io::Cursor::new(bytes)), len).map_err(|fault| {
        match fault.at(Path::new("test")) {
            Error::Input { reason, .. } => reason,
            other => other.to_string(),
        }
    })
}
