/*!
The WAV container: its header, checked against the file.

The library only decodes the samples. It does not read RF64, and it trusts the header: it decodes padded samples as packed
ones, and noise from a block size that contradicts the sample size. A network must not learn from such a decoding, so that
this reader refuses the file. It reads RIFF and RF64 (EBU Tech 3306), `WAVEFORMAT` to `WAVEFORMATEXTENSIBLE` (Microsoft,
*Multiple Channel Audio Data and WAVE Files*), with PCM of 1 to 4 bytes a sample, float of 32 and 64 bits, A-law, µ-law, and
Microsoft's and IMA's ADPCM.
*/

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F32LE,
    CODEC_ID_PCM_F64LE, CODEC_ID_PCM_MULAW, CODEC_ID_PCM_S16LE, CODEC_ID_PCM_S24LE,
    CODEC_ID_PCM_S32LE, CODEC_ID_PCM_U8,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use crate::audio::import::fault::Fault;

/// About this many bytes are one packet.
const PACKET_BYTES: u64 = 1 << 16;

/// The data length of programs that cannot seek back: the data extends to the end of the file.
const UNKNOWN: u32 = u32::MAX;

/// Notes on recordings that were cut off or never completed. Like libsndfile, sox and ffmpeg, this reads them to their end.
const ENDS_EARLY: &str = "the header promises more than the file holds";
const NO_LENGTH: &str = "the header gives no length";
/// Such recordings are refused below this number of seconds.
const SHORTEST_SECONDS: f64 = 0.1;

/// An opened WAV file, positioned at its first undecoded block.
pub(super) struct Wav<R> {
    source: R,
    format: Format,
    /// Bytes of whole blocks that are not yet read.
    left: u64,
    frames: u64,
    /// Whether 24 bits are the lower end of their 4 bytes; `None` before the first sample that is not 0.
    low_aligned: Option<bool>,
    note: Option<&'static str>,
}

/// A consistent description of the samples.
#[derive(Debug, Clone)]
struct Format {
    codec: AudioCodecId,
    channels: u16,
    rate: u32,
    /// Bytes of one block: a frame for PCM, a compressed block for ADPCM.
    block: u64,
    /// Frames one block decodes to.
    frames_per_block: u64,
    /// The samples may be 24 bits at the lower end of 4 bytes. The specification puts them at the upper end, with zeros
    /// below; some programs do not.
    maybe_low_aligned: bool,
}

impl<R: Read + Seek> Wav<R> {
    /// Reads the header of a source of `len` bytes, up to the first sample.
    pub(super) fn open(mut source: R, len: u64) -> Result<Self, Fault> {
        let mut riff = [0; 12];
        source.read_exact(&mut riff).map_err(cut_header)?;
        if &riff[8..] != b"WAVE" {
            return Err(Fault::bad("a RIFF file, but not a WAV file (no WAVE mark)"));
        }
        let header = Header::read(&mut source, len)?;
        let format = header
            .format
            .ok_or_else(|| Fault::bad("no fmt chunk before its data"))?;
        let rate = f64::from(format.rate);
        let frames_in = |bytes: u64| bytes / format.block * format.frames_per_block;
        let available = len.saturating_sub(header.data_start);
        let enough = frames_in(available) as f64 >= SHORTEST_SECONDS * rate;
        // A recorder that was killed leaves both lengths unwritten; a file that is whole in spite of them is empty.
        let whole = (u64::from(le32(&riff, 4)) + 8).abs_diff(len) <= 1;
        let (bytes, note) = match header.data_len {
            None => (available, None),
            Some(0) if enough && !whole => (available, Some(NO_LENGTH)),
            Some(promised) if promised <= available => (promised, None),
            Some(_) if enough => (available, Some(ENDS_EARLY)),
            Some(promised) => {
                return Err(Fault::bad(format!(
                    "the data ends after {:.4} s of the {:.4} s that its header promises",
                    frames_in(available) as f64 / rate,
                    frames_in(promised) as f64 / rate
                )));
            }
        };
        let mut frames = frames_in(bytes);
        if frames == 0 {
            return Err(Fault::bad("it holds no samples"));
        }
        if let Some(true_frames) = header.fact.map(u64::from)
            && format.frames_per_block > 1
            && true_frames > frames - format.frames_per_block
        {
            frames = frames.min(true_frames);
        }
        source.seek(SeekFrom::Start(header.data_start))?;
        Ok(Self {
            left: bytes / format.block * format.block,
            low_aligned: (!format.maybe_low_aligned).then_some(false),
            source,
            format,
            frames,
            note,
        })
    }

    pub(super) fn rate(&self) -> u32 {
        self.format.rate
    }

    /// How many frames there are in all, which the file is long enough to hold.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Why the sound is read to the end of the file, against the length in the header.
    pub(super) fn note(&self) -> Option<&'static str> {
        self.note
    }

    /// Parameters of the library's decoder.
    pub(super) fn codec_parameters(&self) -> AudioCodecParameters {
        let format = &self.format;
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(format.codec)
            .with_sample_rate(format.rate)
            .with_channels(Channels::Discrete(format.channels))
            .with_frames_per_block(format.frames_per_block)
            .with_max_frames_per_packet(self.blocks_per_packet() * format.frames_per_block);
        parameters
    }

    /// The next blocks; `None` at the end.
    pub(super) fn next_packet(&mut self) -> Result<Option<Packet>, Fault> {
        let blocks = (self.left / self.format.block).min(self.blocks_per_packet());
        if blocks == 0 {
            return Ok(None);
        }
        let bytes = blocks * self.format.block;
        let mut data = vec![0; bytes as usize];
        self.source.read_exact(&mut data)?;
        self.left -= bytes;
        self.align(&mut data);
        let frames = Duration::from(blocks * self.format.frames_per_block);
        Ok(Some(Packet::new(0, Timestamp::ZERO, frames, data)))
    }

    fn blocks_per_packet(&self) -> u64 {
        (PACKET_BYTES / self.format.block).max(1)
    }

    /// Moves 24 bits from the lower to the upper end of their 4 bytes.
    fn align(&mut self, data: &mut [u8]) {
        if self.low_aligned.is_none() && data.iter().any(|&byte| byte != 0) {
            self.low_aligned = Some(data.iter().step_by(4).any(|&byte| byte != 0));
        }
        if self.low_aligned == Some(true) {
            for sample in data.chunks_exact_mut(4) {
                sample.copy_within(0..3, 1);
                sample[0] = 0;
            }
        }
    }
}

/// The chunks up to the samples.
#[derive(Debug, Default)]
struct Header {
    format: Option<Format>,
    /// Frames a channel by the `fact` chunk: compressed blocks may hold a few more.
    fact: Option<u32>,
    data_start: u64,
    /// `None`: until the end of the file.
    data_len: Option<u64>,
}

impl Header {
    /// Reads the chunks behind the RIFF header.
    fn read(source: &mut (impl Read + Seek), len: u64) -> Result<Self, Fault> {
        let mut header = Self::default();
        let mut data_len_64 = None;
        let mut position = 12;
        loop {
            if position + 8 > len {
                return Err(Fault::bad("no data chunk: the file ends within its header"));
            }
            source.seek(SeekFrom::Start(position))?;
            let mut head = [0; 8];
            source.read_exact(&mut head).map_err(cut_header)?;
            let size = le32(&head, 4);
            position += 8;
            match &head[..4] {
                b"fmt " => header.format = Some(Format::read(source, size)?),
                b"fact" if size >= 4 => header.fact = Some(le32(&body::<4>(source)?, 0)),
                b"ds64" if size >= 16 => {
                    let ds64 = body::<16>(source)?;
                    data_len_64 =
                        Some(u64::from(le32(&ds64, 8)) | u64::from(le32(&ds64, 12)) << 32);
                }
                b"data" => {
                    header.data_start = position;
                    header.data_len = match size {
                        UNKNOWN => data_len_64,
                        _ => Some(u64::from(size)),
                    };
                    return Ok(header);
                }
                _ => {}
            }
            position += u64::from(size) + u64::from(size & 1);
        }
    }
}

impl Format {
    /// Reads the body of a `fmt ` chunk and refuses a contradiction.
    fn read(source: &mut impl Read, size: u32) -> Result<Self, Fault> {
        if size < 16 {
            return Err(Fault::bad("its fmt chunk is too short"));
        }
        let mut fmt = [0; 40];
        let known = 40.min(size as usize);
        source.read_exact(&mut fmt[..known]).map_err(cut_header)?;
        let channels = le16(&fmt, 2);
        let rate = le32(&fmt, 4);
        let block = le16(&fmt, 12);
        let bits = le16(&fmt, 14);
        if channels == 0 {
            return Err(Fault::bad("its header gives 0 channels"));
        }
        Fault::check_rate(rate)?;
        let (tag, valid_bits) = match le16(&fmt, 0) {
            0xFFFE => (extended_tag(&fmt, size)?, le16(&fmt, 18)),
            tag => (tag, bits),
        };
        let contradiction = || {
            Fault::bad(format!(
                "its header contradicts itself: {channels} channels of {bits} bits in blocks of {block} bytes"
            ))
        };
        let mut format = Self {
            codec: CODEC_ID_PCM_S16LE,
            channels,
            rate,
            block: u64::from(block),
            frames_per_block: 1,
            maybe_low_aligned: false,
        };
        if block == 0 || valid_bits > bits {
            return Err(contradiction());
        }
        if let 0x0002 | 0x0011 = tag {
            format.set_adpcm(tag).ok_or_else(contradiction)?;
        } else {
            if !block.is_multiple_of(channels) {
                return Err(contradiction());
            }
            let bytes = block / channels;
            format.codec = pcm_codec(tag, bytes, bits)?.ok_or_else(contradiction)?;
            format.maybe_low_aligned = tag == 1 && bytes == 4 && (bits == 24 || valid_bits == 24);
        }
        Ok(format)
    }

    /// ADPCM blocks begin with 7 (Microsoft) or 4 (IMA) bytes a channel and then hold 4 bits a sample.
    fn set_adpcm(&mut self, tag: u16) -> Option<()> {
        let channels = u64::from(self.channels);
        let (codec, head, frames_in_head) = match tag {
            0x0002 => (CODEC_ID_ADPCM_MS, 7 * channels, 2),
            _ => (CODEC_ID_ADPCM_IMA_WAV, 4 * channels, 1),
        };
        let body = self.block.checked_sub(head)?;
        if channels > 2 || (tag == 0x0011 && !body.is_multiple_of(4 * channels)) {
            return None;
        }
        self.codec = codec;
        self.frames_per_block = body * 2 / channels + frames_in_head;
        Some(())
    }
}

/// The codec of samples of `bytes` bytes; `None` when the numbers contradict each other.
fn pcm_codec(tag: u16, bytes: u16, bits: u16) -> Result<Option<AudioCodecId>, Fault> {
    let fits = bits > 0 && bits.div_ceil(8) <= bytes;
    Ok(match (tag, bytes) {
        (1, 1) if fits => Some(CODEC_ID_PCM_U8),
        (1, 2) if fits => Some(CODEC_ID_PCM_S16LE),
        (1, 3) if fits => Some(CODEC_ID_PCM_S24LE),
        (1, 4) if fits => Some(CODEC_ID_PCM_S32LE),
        (3, 4) if bits == 32 => Some(CODEC_ID_PCM_F32LE),
        (3, 8) if bits == 64 => Some(CODEC_ID_PCM_F64LE),
        (6, 1) => Some(CODEC_ID_PCM_ALAW),
        (7, 1) => Some(CODEC_ID_PCM_MULAW),
        (1 | 3 | 6 | 7, _) => None,
        _ => {
            return Err(Fault::bad(format!(
                "unsupported encoding 0x{tag:04X} (PCM, float, A-law, µ-law and ADPCM are read)"
            )));
        }
    })
}

/// The format tag inside a `WAVEFORMATEXTENSIBLE`: its sub-format is a GUID that begins with the tag.
fn extended_tag(fmt: &[u8; 40], size: u32) -> Result<u16, Fault> {
    const MICROSOFT: [u8; 14] = [0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113];
    const AMBISONIC: [u8; 14] = [
        0, 0, 0x21, 7, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0,
    ];
    if size < 40 {
        return Err(Fault::bad("its extended fmt chunk is too short"));
    }
    if fmt[26..] != MICROSOFT && fmt[26..] != AMBISONIC {
        return Err(Fault::bad("unsupported encoding (unknown sub-format)"));
    }
    Ok(le16(fmt, 24))
}

fn body<const N: usize>(source: &mut impl Read) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(cut_header)?;
    Ok(bytes)
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from(le16(bytes, at)) | u32::from(le16(bytes, at + 2)) << 16
}

/// An end of file within the header is the file's fault, not the system's.
fn cut_header(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::bad("it ends within its header"),
        _ => Fault::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use crate::audio::import::{Recording, decode_bytes};

    /// A fmt chunk's body in its 16-byte form.
    fn fmt(tag: u16, channels: u16, rate: u32, block: u16, bits: u16) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(tag.to_le_bytes());
        body.extend(channels.to_le_bytes());
        body.extend(rate.to_le_bytes());
        body.extend((rate.wrapping_mul(block.into())).to_le_bytes());
        body.extend(block.to_le_bytes());
        body.extend(bits.to_le_bytes());
        body
    }

    /// The same as a `WAVEFORMATEXTENSIBLE`.
    fn extensible(plain: &[u8], valid_bits: u16) -> Vec<u8> {
        let mut body = plain.to_vec();
        body[..2].copy_from_slice(&0xFFFE_u16.to_le_bytes());
        body.extend(22_u16.to_le_bytes());
        body.extend(valid_bits.to_le_bytes());
        body.extend(0_u32.to_le_bytes());
        body.extend(&plain[..2]);
        body.extend([0, 0, 0, 0, 16, 0, 128, 0, 0, 170, 0, 56, 155, 113]);
        body
    }

    fn chunk(id: &str, body: &[u8]) -> Vec<u8> {
        let mut chunk = id.as_bytes().to_vec();
        chunk.extend((body.len() as u32).to_le_bytes());
        chunk.extend(body);
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        let mut file = b"RIFF".to_vec();
        file.extend((body.len() as u32 + 4).to_le_bytes());
        file.extend(b"WAVE");
        file.extend(body);
        file
    }

    fn wav(fmt: &[u8], data: &[u8]) -> Vec<u8> {
        riff(&[chunk("fmt ", fmt), chunk("data", data)])
    }

    fn decode(bytes: Vec<u8>) -> Recording {
        decode_bytes(bytes).unwrap()
    }

    /// An integer in two's complement, as a sample of this number of bytes.
    fn integer(x: f64, steps: f64, bytes: usize) -> Vec<u8> {
        ((x * steps).round() as i64).to_le_bytes()[..bytes].to_vec()
    }

    type Encode = fn(f64) -> Vec<u8>;

    /// name, tag, bytes a sample, bits, valid bits, half the number of steps, the encoding of a sample.
    const ENCODINGS: [(&str, u16, u16, u16, u16, f64, Encode); 9] = [
        ("8", 1, 1, 8, 8, 128.0, |x| integer(x + 1.0, 128.0, 1)),
        ("16", 1, 2, 16, 16, 32_768.0, |x| integer(x, 32_768.0, 2)),
        ("12 in 16", 1, 2, 16, 12, 2_048.0, |x| {
            integer(16.0 * (x * 2_048.0).round(), 1.0, 2)
        }),
        ("24", 1, 3, 24, 24, 8_388_608.0, |x| {
            integer(x, 8_388_608.0, 3)
        }),
        ("24 above in 32", 1, 4, 32, 24, 8_388_608.0, |x| {
            integer(256.0 * (x * 8_388_608.0).round(), 1.0, 4)
        }),
        ("24 below in 32", 1, 4, 24, 24, 8_388_608.0, |x| {
            [integer(x, 8_388_608.0, 3), vec![0]].concat()
        }),
        ("32", 1, 4, 32, 32, 2_147_483_648.0, |x| {
            integer(x, 2_147_483_648.0, 4)
        }),
        ("float 32", 3, 4, 32, 32, 1e7, |x| {
            (x as f32).to_le_bytes().to_vec()
        }),
        ("float 64", 3, 8, 64, 64, 1e7, |x| x.to_le_bytes().to_vec()),
    ];

    #[test]
    fn every_encoding_gives_the_written_samples_within_one_step() {
        let wave = |i: usize, c: usize| 0.9 * ((i + 40 * c) as f64 * 0.05).sin() + 0.05 * c as f64;
        for (name, tag, bytes, bits, valid, steps, encode) in ENCODINGS {
            for channels in [1, 2, 3, 40] {
                let frames = 70_000 / usize::from(channels);
                let samples =
                    (0..frames).flat_map(|i| (0..channels).map(move |c| (i, usize::from(c))));
                let clip = |x: f64| x.min(1.0 - 1.0 / steps);
                let data: Vec<u8> = samples
                    .flat_map(|(i, c)| encode(clip(wave(i, c))))
                    .collect();
                let plain = fmt(tag, channels, 22_050, bytes * channels, bits);
                for fmt in [plain.clone(), extensible(&plain, valid)] {
                    let read = decode(wav(&fmt, &data));
                    let case = format!("{name} bits, {channels} channels, {} fmt", fmt.len());
                    assert_eq!((read.rate, read.channels), (22_050, channels), "{case}");
                    assert_eq!(read.samples.len(), frames, "{case}");
                    for (i, &sample) in read.samples.iter().enumerate() {
                        let all = (0..usize::from(channels)).map(|c| clip(wave(i, c)));
                        let mean = all.sum::<f64>() / f64::from(channels);
                        let error = (f64::from(sample) - mean).abs();
                        assert!(
                            error <= 1.0 / steps + 1e-7,
                            "{case}: {mean} became {sample}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn logarithmic_encodings_follow_g711() {
        let all: Vec<u8> = (0..=255).collect();
        let mu = decode(wav(&fmt(7, 1, 8_000, 1, 8), &all));
        let a = decode(wav(&fmt(6, 1, 8_000, 1, 8), &all));
        for byte in 0..=255_u8 {
            let (code, sign) = (!byte, if byte & 0x80 == 0 { -1.0 } else { 1.0 });
            let (exponent, mantissa) = (code >> 4 & 7, f32::from(code & 15));
            let linear = ((2.0 * mantissa + 33.0) * f32::from(1_u16 << exponent) - 33.0) * 4.0;
            assert_eq!(mu.samples[usize::from(byte)], sign * linear / 32_768.0);

            let (code, sign) = (byte ^ 0x55, if byte & 0x80 == 0 { -1.0 } else { 1.0 });
            let (exponent, mantissa) = (code >> 4 & 7, f32::from(code & 15));
            let linear = match exponent {
                0 => (2.0 * mantissa + 1.0) * 8.0,
                e => (2.0 * mantissa + 33.0) * f32::from(1_u16 << (e - 1)) * 8.0,
            };
            assert_eq!(a.samples[usize::from(byte)], sign * linear / 32_768.0);
        }
    }

    #[test]
    fn adpcm_blocks_decode_and_the_fact_chunk_ends_them() {
        // Microsoft: predictor 0 repeats the last sample, plus the nibble times a delta of 16.
        let mut block = vec![0, 16, 0];
        block.extend(1000_i16.to_le_bytes());
        block.extend(900_i16.to_le_bytes());
        block.extend([0x10, 0xF0]);
        let mut extra = fmt(2, 1, 8_000, 9, 4);
        extra.extend([32, 0]);
        extra.extend([0; 32]);
        let expected = [900, 1000, 1016, 1016, 1000, 1000].map(|v: i16| f32::from(v) / 32_768.0);
        assert_eq!(decode(wav(&extra, &block)).samples, expected);
        let fact = chunk("fact", &9_u32.to_le_bytes());
        let two = riff(&[chunk("fmt ", &extra), fact, chunk("data", &block.repeat(2))]);
        assert_eq!(decode(two).samples, [expected, expected].concat()[..9]);

        // IMA: a start value, then steps that grow with large nibbles and shrink with small ones.
        let mut block = 100_i16.to_le_bytes().to_vec();
        block.extend([0, 0, 0x07, 0, 0, 0]);
        let mut extra = fmt(0x11, 1, 8_000, 8, 4);
        extra.extend([2, 0, 9, 0]);
        let read = decode(wav(&extra, &block)).samples;
        let expected = [100, 111, 113, 114, 115, 116, 117, 118, 119];
        assert_eq!(read.len(), expected.len());
        for (sample, expected) in read.iter().zip(expected) {
            assert!(
                (sample * 32_768.0 - expected as f32).abs() <= 4.0,
                "{read:?}"
            );
        }
    }

    #[test]
    fn foreign_chunks_odd_lengths_and_open_ends_are_no_obstacle() {
        let (format, data) = (fmt(1, 1, 8_000, 2, 16), [0, 64, 0, 192]);
        let plain = decode(wav(&format, &data));
        assert_eq!(plain.samples, [0.5, -0.5]);
        let junk = chunk("LIST", b"odd");
        let (fmt, data) = (chunk("fmt ", &format), chunk("data", &data));
        let crowded = [junk.clone(), fmt.clone(), junk.clone(), data.clone(), junk];
        assert_eq!(decode(riff(&crowded)), plain);
        let mut open = riff(&[fmt.clone(), data.clone()]);
        let end = open.len();
        open[end - 8..end - 4].copy_from_slice(&[255; 4]);
        assert_eq!(decode(open.clone()), plain);
        // RF64: the true length stands in a chunk of its own.
        let mut long = chunk("ds64", &[[0; 8], 4_u64.to_le_bytes(), [0; 8]].concat());
        long.extend([fmt, data].concat());
        let mut rf64 = [b"RF64\xFF\xFF\xFF\xFFWAVE".to_vec(), long].concat();
        let end = rf64.len();
        rf64[end - 8..end - 4].copy_from_slice(&[255; 4]);
        rf64.extend(b"trailing rubbish");
        assert_eq!(decode(rf64), plain);
    }

    #[test]
    fn a_wrong_data_length_is_read_up_to_the_end_with_a_note() {
        let data: Vec<u8> = (0..8_000_i16).flat_map(i16::to_le_bytes).collect();
        let format = fmt(1, 1, 8_000, 2, 16);
        let whole = wav(&format, &data);
        let expected = decode(whole.clone()).samples;
        // The sizes in the RIFF header and in the data chunk, how many frames the file holds, and the note.
        let cases = [
            (16_036, 16_000, 8_000, None),
            (16_036, 16_000, 3_001, Some(super::ENDS_EARLY)),
            (16_036, 16_000, 800, Some(super::ENDS_EARLY)),
            (16_036, 0x7FFF_FFF0, 8_000, Some(super::ENDS_EARLY)),
            (u32::MAX, u32::MAX, 8_000, None),
            (u32::MAX, u32::MAX, 5, None),
            (0, 0, 8_000, Some(super::NO_LENGTH)),
            (36, 0, 800, Some(super::NO_LENGTH)),
            (u32::MAX, 0, 8_000, Some(super::NO_LENGTH)),
        ];
        let damage = |riff: u32, data: u32, frames: usize| {
            let mut bytes = whole[..44 + 2 * frames].to_vec();
            bytes[4..8].copy_from_slice(&riff.to_le_bytes());
            bytes[40..44].copy_from_slice(&data.to_le_bytes());
            decode_bytes(bytes)
        };
        for (riff, data, frames, note) in cases {
            let read = damage(riff, data, frames).unwrap();
            assert_eq!(read.note, note, "{riff} {data} {frames}");
            assert_eq!(read.samples, expected[..frames], "{riff} {data} {frames}");
        }
        // Less than a tenth of a second, and an empty data chunk with other chunks behind it.
        for (riff, data, frames) in [
            (16_036, 16_000, 799),
            (16_036, 16_000, 0),
            (36, 0, 799),
            (16_036, 0, 8_000),
        ] {
            assert!(
                damage(riff, data, frames).is_err(),
                "{riff} {data} {frames}"
            );
        }
    }

    #[test]
    fn contradictory_headers_are_refused_with_the_reason() {
        let second = vec![0; 16_000];
        let good = fmt(1, 1, 8_000, 2, 16);
        let mut cut = wav(&good, &second);
        cut.truncate(44 + 2 * 799);
        let mut far_chunk = riff(&[chunk("junk", &[]), chunk("data", &second)]);
        far_chunk[16..20].copy_from_slice(&0xFFFF_FFFE_u32.to_le_bytes());
        let mut no_guid = extensible(&good, 16);
        no_guid[30] = 9;
        let short = extensible(&good, 16)[..18].to_vec();
        let nan = f32::NAN.to_le_bytes();
        let huge = 1e300_f64.to_le_bytes();
        let with =
            |tag, channels, rate, block, bits| wav(&fmt(tag, channels, rate, block, bits), &second);
        let cases = [
            (with(1, 0, 8_000, 2, 16), "0 channels"),
            (with(1, 1, 0, 2, 16), "sample rate of 0 Hz"),
            (with(1, 1, 999, 2, 16), "sample rate of 999 Hz"),
            (with(1, 1, 768_001, 2, 16), "sample rate of 768001 Hz"),
            (with(0x55, 1, 8_000, 1, 0), "0x0055"),
            (wav(&no_guid, &second), "unknown sub-format"),
            (wav(&good[..14], &second), "its fmt chunk is too short"),
            (wav(&short, &second), "too short"),
            (riff(&[chunk("data", &second)]), "no fmt chunk"),
            (riff(&[chunk("fmt ", &good)]), "no data chunk"),
            (wav(&good, &[]), "no samples"),
            (cut, "after 0.0999 s of the 1.0000 s"),
            (far_chunk, "no data chunk"),
            (wav(&fmt(3, 1, 8_000, 4, 32), &nan), "invalid sample"),
            (wav(&fmt(3, 1, 8_000, 8, 64), &huge), "invalid sample"),
        ];
        // No block, a small and a split one, no bits, 40 bits, half floats, ADPCM of 3 channels and of tiny blocks.
        let contradictions = [
            with(1, 1, 8_000, 0, 16),
            with(1, 1, 8_000, 1, 16),
            with(1, 2, 8_000, 3, 16),
            with(1, 1, 8_000, 2, 0),
            with(1, 1, 8_000, 5, 40),
            with(3, 1, 8_000, 2, 16),
            with(2, 3, 8_000, 256, 4),
            with(0x11, 2, 8_000, 4, 4),
            wav(&extensible(&good, 17), &second),
        ];
        let contradictions = contradictions.map(|bytes| (bytes, "contradicts itself"));
        for (bytes, reason) in cases.into_iter().chain(contradictions) {
            let refused = decode_bytes(bytes).expect_err(reason);
            assert!(refused.contains(reason), "{reason}: {refused}");
        }
        for len in 0..44 {
            assert!(
                decode_bytes(wav(&good, &second)[..len].to_vec()).is_err(),
                "{len}"
            );
        }
    }

    #[test]
    fn damaged_files_never_panic_and_take_no_more_memory_than_they_are_long() {
        let data: Vec<u8> = (0..400_u32).map(|i| (i * 37 % 251) as u8).collect();
        let mut adpcm = fmt(2, 1, 8_000, 40, 4);
        adpcm.extend([0; 34]);
        let originals = [
            wav(&fmt(1, 2, 44_100, 4, 16), &data),
            wav(&extensible(&fmt(1, 1, 8_000, 4, 32), 24), &data),
            wav(&fmt(3, 1, 8_000, 8, 64), &data),
            wav(&adpcm, &data),
            wav(&fmt(0x11, 2, 8_000, 40, 4), &data),
        ];
        let mut state = 0x2545_F491_u32;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as usize % below
        };
        let mut refused = 0;
        for round in 0..5_000 {
            let mut bytes = originals[round % originals.len()].clone();
            for _ in 0..=random(3) {
                let at = if random(4) > 0 {
                    random(60)
                } else {
                    random(bytes.len())
                };
                bytes[at] = [0, 255, bytes[at] ^ (1 << random(8)), random(256) as u8][random(4)];
            }
            if random(4) == 0 {
                bytes.truncate(random(bytes.len()));
            }
            let len = bytes.len();
            match decode_bytes(bytes) {
                Ok(recording) => assert!(recording.samples.capacity() <= 2 * len),
                Err(reason) => {
                    assert!(!reason.is_empty());
                    refused += 1;
                }
            }
        }
        assert!((1_000..4_900).contains(&refused), "{refused} of 5000");
    }
}
