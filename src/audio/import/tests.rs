/*! Files of every format but WAV, written by the tests themselves. */

use std::fmt::Write as _;
use std::fs;

use super::{EXTENSIONS, decode_bytes, probe_rate, read};
use crate::error::Error;

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

/// The 80-bit float of an AIFF header (IEEE 754 extended).
fn extended(rate: u32) -> Vec<u8> {
    let shift = rate.leading_zeros();
    let exponent = (16_383 + 31 - shift) as u16;
    let mantissa = u64::from(rate) << (32 + shift);
    [&exponent.to_be_bytes()[..], &mantissa.to_be_bytes()].concat()
}

fn interleaved(channels: &[Vec<i16>], encode: fn(i16) -> [u8; 2]) -> Vec<u8> {
    (0..channels[0].len())
        .flat_map(|i| channels.iter().flat_map(move |channel| encode(channel[i])))
        .collect()
}

/// An AIFF file of 16 bits; with a compression type, an AIFF-C file.
fn aiff(channels: &[Vec<i16>], rate: u32, compression: &[u8]) -> Vec<u8> {
    let chunk = |id: &[u8], body: &[u8]| [id, &(body.len() as u32).to_be_bytes(), body].concat();
    let mut common = (channels.len() as u16).to_be_bytes().to_vec();
    common.extend((channels[0].len() as u32).to_be_bytes());
    common.extend(16_u16.to_be_bytes());
    common.extend(extended(rate));
    let big_endian = compression.is_empty();
    if !big_endian {
        common.extend(compression);
        common.extend([0, 0]);
    }
    let (form, samples): (&[u8], _) = if big_endian {
        (b"AIFF", interleaved(channels, i16::to_be_bytes))
    } else {
        (b"AIFC", interleaved(channels, i16::to_le_bytes))
    };
    let sound = [vec![0; 8], samples].concat();
    let body = [form, &chunk(b"COMM", &common), &chunk(b"SSND", &sound)].concat();
    chunk(b"FORM", &body)
}

/// A CAF file of 16-bit little-endian PCM.
fn caf(channels: &[Vec<i16>], rate: u32) -> Vec<u8> {
    let chunk = |id: &[u8], body: &[u8]| [id, &(body.len() as u64).to_be_bytes(), body].concat();
    let count = channels.len() as u32;
    let mut description = f64::from(rate).to_be_bytes().to_vec();
    description.extend(b"lpcm");
    for number in [2, 2 * count, 1, count, 16] {
        description.extend(number.to_be_bytes());
    }
    let sound = [vec![0; 4], interleaved(channels, i16::to_le_bytes)].concat();
    [
        b"caff\0\x01\0\0".to_vec(),
        chunk(b"desc", &description),
        chunk(b"free", &[0; 5]),
        chunk(b"data", &sound),
    ]
    .concat()
}

fn atom(id: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes(), id, &body].concat()
}

/// An M4A file (ISO 14496-12) with one track: `entry` describes its codec, each packet holds `frames` frames.
fn m4a(
    rate: u32,
    channels: u16,
    frames: u32,
    entry: (&[u8], &[u8]),
    packets: &[Vec<u8>],
) -> Vec<u8> {
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect::<Vec<_>>()
    };
    let count = packets.len() as u32;
    let start = atom(b"ftyp", &[b"M4A \0\0\0\0"]);
    let sample = [
        &[0; 6][..],
        &[0, 1],
        &[0; 8],
        &channels.to_be_bytes(),
        &[0, 16, 0, 0, 0, 0],
        &(rate << 16).to_be_bytes(),
        entry.1,
    ]
    .concat();
    let sizes: Vec<u32> = packets.iter().map(|packet| packet.len() as u32).collect();
    let table = atom(
        b"stbl",
        &[
            &atom(b"stsd", &[&words(&[0, 1]), &atom(entry.0, &[&sample])]),
            &atom(b"stts", &[&words(&[0, 1, count, frames])]),
            &atom(b"stsc", &[&words(&[0, 1, 1, count, 1])]),
            &atom(b"stsz", &[&words(&[0, 0, count]), &words(&sizes)]),
            &atom(b"stco", &[&words(&[0, 1, start.len() as u32 + 8])]),
        ],
    );
    let media = atom(
        b"mdia",
        &[
            &atom(b"mdhd", &[&words(&[0, 0, 0, rate, count * frames, 0])]),
            &atom(b"hdlr", &[&[0; 8], b"soun", &[0; 13]]),
            &atom(b"minf", &[&atom(b"smhd", &[&[0; 8]]), &table]),
        ],
    );
    let track_header = atom(
        b"tkhd",
        &[&words(&[7, 0, 0, 1, 0, count * frames]), &[0; 60]],
    );
    let movie_header = atom(
        b"mvhd",
        &[&words(&[0, 0, 0, rate, count * frames]), &[0; 80]],
    );
    let movie = atom(
        b"moov",
        &[&movie_header, &atom(b"trak", &[&track_header, &media])],
    );
    [start, atom(b"mdat", &[&packets.concat()]), movie].concat()
}

/// Frames of one ALAC packet in these tests.
const ALAC_FRAMES: usize = 256;

/// An M4A file of ALAC in uncompressed frames of one or two channels of 16 bits.
fn alac(channels: &[Vec<i16>], rate: u32) -> Vec<u8> {
    let count = channels.len();
    let mut cookie = (ALAC_FRAMES as u32).to_be_bytes().to_vec();
    cookie.extend([0, 16, 40, 10, 14, count as u8, 0, 255]);
    cookie.extend([0; 8]);
    cookie.extend(rate.to_be_bytes());
    let entry = atom(b"alac", &[&[0; 4], &cookie]);
    let packet = |at: usize| {
        // The element's type, 16 bits of zeros, not partial, not shifted, uncompressed; then 7 for the end.
        let mut bits = format!("{:03b}{:016b}0001", count - 1, 0);
        for i in at..at + ALAC_FRAMES {
            for channel in channels {
                write!(bits, "{:016b}", channel[i]).unwrap();
            }
        }
        bits += "111";
        bits += &"0".repeat(bits.len().next_multiple_of(8) - bits.len());
        let byte = |at: usize| u8::from_str_radix(&bits[at..at + 8], 2).unwrap();
        (0..bits.len()).step_by(8).map(byte).collect()
    };
    let packets: Vec<_> = (0..channels[0].len())
        .step_by(ALAC_FRAMES)
        .map(packet)
        .collect();
    m4a(
        rate,
        count as u16,
        ALAC_FRAMES as u32,
        (b"alac", &entry),
        &packets,
    )
}

/// An M4A file of silent packets of AAC-LC (ISO 14496-3), mono, 44.1 kHz.
fn silent_aac(packets: usize) -> Vec<u8> {
    // The descriptors of the stream, of its decoder and of its configuration.
    let mut descriptors = vec![0, 0, 0, 0, 3, 25, 0, 1, 0, 4, 17, 0x40, 0x15];
    descriptors.extend([0; 11]);
    descriptors.extend([5, 2, 0x12, 0x08, 6, 1, 2]);
    let packets = vec![vec![0x00, 0xC8, 0x00, 0x80, 0x23, 0x80]; packets];
    m4a(
        44_100,
        1,
        1024,
        (b"mp4a", &atom(b"esds", &[&descriptors])),
        &packets,
    )
}

#[test]
fn apple_formats_give_the_mean_of_the_written_channels() {
    let [left, right] = stereo(4 * ALAC_FRAMES);
    for channels in [vec![left.clone()], vec![left.clone(), right.clone()]] {
        for (name, file) in [
            ("AIFF", aiff(&channels, 44_100, b"")),
            ("AIFF-C", aiff(&channels, 44_100, b"sowt")),
            ("CAF", caf(&channels, 44_100)),
            ("ALAC", alac(&channels, 44_100)),
        ] {
            let read = decode_bytes(file).expect(name);
            assert_eq!(
                (read.rate, usize::from(read.channels)),
                (44_100, channels.len()),
                "{name}"
            );
            assert_eq!(read.samples.len(), 4 * ALAC_FRAMES, "{name}");
            for (i, sample) in read.samples.iter().enumerate() {
                let sum: f32 = channels.iter().map(|channel| f32::from(channel[i])).sum();
                let mean = sum / channels.len() as f32 / 32_768.0;
                assert!(
                    (sample - mean).abs() < 1e-6,
                    "{name}: {mean} became {sample}"
                );
            }
        }
    }
}

#[test]
fn silent_aac_is_silent() {
    let read = decode_bytes(silent_aac(20)).unwrap();
    assert_eq!((read.rate, read.channels), (44_100, 1));
    assert_eq!(read.samples.len(), 20 * 1024);
    assert!(read.samples.iter().all(|&sample| sample == 0.0));
}

#[test]
fn apple_files_cut_short_are_refused_wherever_they_are_cut() {
    let channels = stereo(2 * ALAC_FRAMES);
    for whole in [
        aiff(&channels, 8_000, b""),
        caf(&channels, 8_000),
        alac(&channels, 8_000),
        silent_aac(3),
    ] {
        assert!(decode_bytes(whole.clone()).is_ok());
        for len in (0..whole.len()).step_by(5) {
            assert!(decode_bytes(whole[..len].to_vec()).is_err(), "cut at {len}");
        }
    }
}

#[test]
fn damaged_apple_files_never_panic_nor_exhaust_memory() {
    let channels = stereo(ALAC_FRAMES);
    let originals = [
        aiff(&channels, 8_000, b""),
        aiff(&channels, 8_000, b"sowt"),
        caf(&channels, 8_000),
        alac(&channels, 8_000),
        silent_aac(30),
    ];
    let mut state = 0x2545_F491_u32;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize % below
    };
    let mut refused = 0;
    for round in 0..2_000 {
        let mut bytes = originals[round % originals.len()].clone();
        for _ in 0..=random(3) {
            let end = [80, bytes.len()][random(2)].min(bytes.len());
            let at = random(end);
            bytes[at] = [0, 255, bytes[at] ^ (1 << random(8)), random(256) as u8][random(4)];
        }
        refused += usize::from(decode_bytes(bytes).is_err());
    }
    assert!((200..1_900).contains(&refused), "{refused} of 2000");
}

#[test]
fn a_damaged_apple_file_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let channels = stereo(ALAC_FRAMES);
    for (name, whole) in [
        ("a.aiff", aiff(&channels, 8_000, b"")),
        ("a.caf", caf(&channels, 8_000)),
        ("a.m4a", alac(&channels, 8_000)),
    ] {
        let path = folder.path().join(name);
        assert!(EXTENSIONS.contains(&name.split_once('.').unwrap().1));
        fs::write(&path, &whole).unwrap();
        assert_eq!(probe_rate(&path).unwrap(), 8_000);
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, Error::Input { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}
