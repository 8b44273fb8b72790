/*!
Any recording as mono samples: WAV in every common encoding, FLAC, MP3 and OGG Vorbis.

What a file is, its first bytes say, not its name. Channels are averaged while decoding, so that a long file in many
channels lies in memory once, as mono. A file that is damaged, cut short or not what it says is refused with the
reason: a network must not learn from half-read recordings.
*/

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP3, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::default::{get_codecs, get_probe};

use crate::audio::decode_error::Fault;
use crate::audio::riff::Wav;
use crate::error::{Error, IoContext, Result};

/// Extensions (in lower case) of the files that are taken for recordings when a folder is searched.
pub const EXTENSIONS: [&str; 6] = ["wav", "wave", "flac", "mp3", "ogg", "oga"];

/// Float samples beyond this are damage: even integers in disguise end at 2³¹.
const LARGEST_SAMPLE: f32 = 4_294_967_296.0;

/// Of an MP3's packets, one in so many may be damaged: the format resynchronises by design, and streams cut out of
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
}

/// Decodes a whole file.
///
/// # Errors
/// [`Error::Input`] with the reason where the file is no sound, or damaged; [`Error::Read`] where the system cannot
/// read it.
pub fn read(path: &Path) -> Result<Recording> {
    let (source, len) = open(path)?;
    decode(source, len).map_err(|fault| fault.at(path))
}

/// Decodes a source of `len` bytes.
///
/// The library's decoder of Microsoft's ADPCM overflows on damaged data, which is a panic where arithmetic is checked:
/// one broken file must not end the import of a folder.
fn decode(source: Box<dyn MediaSource>, len: u64) -> std::result::Result<Recording, Fault> {
    let stream = Stream::open(source, len)?;
    catch_unwind(AssertUnwindSafe(|| stream.decode()))
        .unwrap_or_else(|_| Err(Fault::bad("damaged: its decoder gave up")))
}

/// The sample rate of a file, in Hz, from its header alone.
///
/// # Errors
/// As [`read`], as far as the header shows it.
pub fn probe_rate(path: &Path) -> Result<u32> {
    let (source, len) = open(path)?;
    match Stream::open(source, len) {
        Ok(stream) => Ok(stream.rate),
        Err(fault) => Err(fault.at(path)),
    }
}

/// Opens a file that can be sound at all; gives its length too.
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
    /// Frames the header promises, if it does.
    promised: Option<u64>,
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
    /// Chooses by the first bytes of a source of `len` bytes, and reads the header.
    fn open(mut source: Box<dyn MediaSource>, len: u64) -> std::result::Result<Self, Fault> {
        let mut start = Vec::with_capacity(4);
        (&mut source).take(4).read_to_end(&mut start)?;
        source.rewind()?;
        match start.as_slice() {
            b"RIFF" | b"RF64" => Self::open_wav(source, len),
            // An MP3 begins with its tag or with the eleven ones of a frame.
            b"fLaC" | b"OggS" | [b'I', b'D', b'3', _] | [0xFF, 0xE0..=0xFF, ..] => {
                Self::open_other(source)
            }
            _ => Err(Fault::bad(
                "no WAV, FLAC, MP3 or OGG file, whatever its name says",
            )),
        }
    }

    fn open_wav(source: Box<dyn MediaSource>, len: u64) -> std::result::Result<Self, Fault> {
        let wav = Wav::open(BufReader::new(source), len)?;
        Ok(Self {
            decoder: make_decoder(&wav.codec_parameters())?,
            rate: wav.rate(),
            promised: Some(wav.frames()),
            container: Container::Wav(wav),
        })
    }

    fn open_other(source: Box<dyn MediaSource>) -> std::result::Result<Self, Fault> {
        let reader = get_probe().probe(
            &Hint::new(),
            MediaSourceStream::new(source, MediaSourceStreamOptions::default()),
            FormatOptions::default(),
            MetadataOptions::default(),
        )?;
        let track = reader
            .default_track(TrackType::Audio)
            .ok_or_else(|| Fault::bad("no sound in it that is read here"))?;
        let parameters = track
            .codec_params
            .as_ref()
            .and_then(|parameters| parameters.audio())
            .ok_or_else(|| Fault::bad("no sound in it that is read here"))?;
        let rate = parameters
            .sample_rate
            .ok_or_else(|| Fault::bad("it does not say its sample rate"))?;
        Fault::check_rate(rate)?;
        let lenient = parameters.codec == CODEC_ID_MP3;
        // An MP3 has no length of its own, and that of an OGG file is of its last page: both are estimates.
        let exact = !lenient && parameters.codec != CODEC_ID_VORBIS;
        Ok(Self {
            decoder: make_decoder(parameters)?,
            rate,
            promised: track.num_frames.filter(|&frames| exact && frames > 0),
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
            // The file is known to be as long as its header says.
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
            return Err(Fault::bad("nothing in it can be decoded"));
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
                // The last block of ADPCM may be filled up.
                samples.truncate(promised as usize);
            }
        }
        Ok(Recording {
            samples,
            rate: self.rate,
            channels,
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

/// Averages the channels of one decoded packet after another.
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
            return Err(Fault::bad("its sample rate changes on the way"));
        }
        self.channels = self.channels.max(channels as u16);
        decoded.copy_to_vec_interleaved(&mut self.interleaved);
        for frame in self.interleaved.chunks_exact(channels) {
            let sum: f64 = frame.iter().map(|&sample| f64::from(sample)).sum();
            let mean = (sum / channels as f64) as f32;
            if mean.is_nan() || mean.abs() > LARGEST_SAMPLE {
                let second = self.samples.len() as f64 / f64::from(self.rate);
                return Err(Fault::bad(format!(
                    "a sample of it is no sound ({mean}, {second:.3} s from its start)"
                )));
            }
            self.samples.push(mean);
        }
        Ok(())
    }
}

/// Decodes a file that lies in memory; the reason alone where it cannot be.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of one FLAC block in these tests.
    const BLOCK: usize = 192;

    fn crc(bytes: &[u8], width: u32, polynomial: u32) -> u32 {
        let top = 1 << (width - 1);
        bytes.iter().fold(0, |crc, &byte| {
            let mixed = crc ^ u32::from(byte) << (width - 8);
            (0..8).fold(mixed, |crc, _| {
                let shifted = if crc & top == 0 {
                    crc << 1
                } else {
                    crc << 1 ^ polynomial
                };
                shifted & (top | (top - 1))
            })
        })
    }

    /// A FLAC file (RFC 9639) of 16 bits in verbatim subframes, which are the samples themselves.
    fn flac(channels: &[Vec<i16>], rate: u32) -> Vec<u8> {
        let (count, frames) = (channels.len() as u64, channels[0].len() as u64);
        let block = (BLOCK as u16).to_be_bytes();
        let mut file = b"fLaC\x80\0\0\x22".to_vec();
        file.extend([block, block].concat());
        file.extend([0; 6]);
        let packed = u64::from(rate) << 44 | (count - 1) << 41 | 15 << 36 | frames;
        file.extend(packed.to_be_bytes());
        file.extend([0; 16]);
        for number in 0..channels[0].len().div_ceil(BLOCK) {
            let range = number * BLOCK..channels[0].len().min((number + 1) * BLOCK);
            let assignment = ((count - 1) << 4) as u8 | 0b1000;
            let mut frame = vec![0xFF, 0xF8, 0x70, assignment, number as u8];
            frame.extend((range.len() as u16 - 1).to_be_bytes());
            frame.push(crc(&frame, 8, 0x07) as u8);
            for channel in channels {
                frame.push(0b10);
                frame.extend(channel[range.clone()].iter().flat_map(|s| s.to_be_bytes()));
            }
            frame.extend((crc(&frame, 16, 0x8005) as u16).to_be_bytes());
            file.extend(frame);
        }
        file
    }

    fn stereo(frames: usize) -> [Vec<i16>; 2] {
        let wave = |step: f64| {
            let sample = move |i| (20_000.0 * (i as f64 * step).sin()) as i16;
            (0..frames).map(sample).collect()
        };
        [wave(0.03), wave(0.11)]
    }

    #[test]
    fn flac_gives_the_mean_of_the_written_channels() {
        let [left, right] = stereo(1_000);
        let read = decode_bytes(flac(&[left.clone(), right.clone()], 96_000)).unwrap();
        assert_eq!((read.rate, read.channels), (96_000, 2));
        assert_eq!(read.samples.len(), 1_000);
        for ((sample, l), r) in read.samples.iter().zip(left).zip(right) {
            let mean = f32::midpoint(f32::from(l), f32::from(r)) / 32_768.0;
            assert!((sample - mean).abs() < 1e-6);
        }
    }

    #[test]
    fn a_flac_cut_short_is_refused_wherever_it_is_cut() {
        let whole = flac(&stereo(1_000), 8_000);
        assert!(decode_bytes(whole.clone()).is_ok());
        for len in (0..whole.len()).step_by(7) {
            assert!(decode_bytes(whole[..len].to_vec()).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn a_damaged_flac_never_gives_other_samples_silently() {
        let whole = flac(&stereo(1_000), 8_000);
        let good = decode_bytes(whole.clone()).unwrap();
        // Behind the stream's own header every byte is under a checksum.
        for at in (42..whole.len()).step_by(11) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x24;
            if let Ok(read) = decode_bytes(damaged) {
                assert_eq!(read, good, "damage at {at}");
            }
        }
    }

    #[test]
    fn an_mp3_of_silent_frames_is_silent() {
        // MPEG 1 layer III, 128 kbit/s, 44.1 kHz, stereo: all side information zero means all samples are.
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0x00]);
        let read = decode_bytes(frame.repeat(20)).unwrap();
        assert_eq!((read.rate, read.channels), (44_100, 2));
        assert!(
            (18 * 1152..=20 * 1152).contains(&read.samples.len()),
            "{}",
            read.samples.len()
        );
        assert!(read.samples.iter().all(|&sample| sample == 0.0));
    }

    #[test]
    fn foreign_files_are_refused_whatever_their_name() {
        let folder = tempfile::tempdir().unwrap();
        let files: [(&str, &[u8]); 5] = [
            ("text.wav", b"It was a dark and stormy night"),
            ("picture.mp3", b"\x89PNG\r\n\x1a\n0000000000000000"),
            ("tag.mp3", b"ID3\x03\0\0\0\0\0\x7f nothing else"),
            ("short.ogg", b"OggS"),
            ("tiny.flac", b"f"),
        ];
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, Error::Input { .. }), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let empty = folder.path().join("empty.wav");
        fs::write(&empty, b"").unwrap();
        assert!(
            read(&empty)
                .unwrap_err()
                .to_string()
                .contains("empty (0 bytes)")
        );
        assert!(read(folder.path()).is_err());
        assert!(matches!(
            read(&folder.path().join("none.wav")),
            Err(Error::Read { .. })
        ));
    }

    #[test]
    fn content_decides_and_the_rate_is_known_without_decoding() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("misnamed.mp3");
        fs::write(&path, flac(&stereo(500), 11_025)).unwrap();
        assert_eq!(probe_rate(&path).unwrap(), 11_025);
        assert_eq!(read(&path).unwrap().rate, 11_025);
        // The header alone will do.
        fs::write(&path, &flac(&stereo(500), 11_025)[..300]).unwrap();
        assert_eq!(probe_rate(&path).unwrap(), 11_025);
        assert!(read(&path).is_err());
    }
}
