/*!
A text inside a WAV, PNG or GIF file, where other programs show it as a comment.

WAV: `ISFT` and `ICMT` of a `LIST` chunk after the samples. PNG: `Software` (tEXt) and `Comment` (iTXt) before the end. GIF: a
comment extension before the trailer. Neither changes what is heard or seen.
*/

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::base::files::write_output;
use crate::error::{Error, IoContext, Result};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The chunk that ends a PNG file, with its length and checksum.
const PNG_END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";
const GIF_TRAILER: u8 = 0x3B;
const GIF_EXTENSION: u8 = 0x21;
const GIF_COMMENT: u8 = 0xFE;
const GIF_IMAGE: u8 = 0x2C;
/// A text longer than this is not ours.
const LONGEST: u64 = 1 << 20;

/// Adds a text to a finished WAV, PNG or GIF file; `program` is the name of the one that wrote it.
///
/// # Errors
/// When the file is of another kind or cannot be written.
pub fn embed(path: &Path, program: &str, text: &str) -> Result<()> {
    let mut start = [0; 12];
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .writing(path)?;
    let read = file.read(&mut start).reading(path)?;
    if start.starts_with(b"RIFF") && &start[8..] == b"WAVE" {
        return append_to_wav(&mut file, program, text).writing(path);
    }
    drop(file);
    let mut bytes = std::fs::read(path).reading(path)?;
    let end = bytes.len();
    match &start[..read] {
        start if start.starts_with(PNG) && bytes.ends_with(PNG_END) => {
            let comment = [b"Comment\0\0\0\0\0", text.as_bytes()].concat();
            let software = [b"Software\0", program.as_bytes()].concat();
            let chunks = [
                png_chunk(*b"tEXt", &software),
                png_chunk(*b"iTXt", &comment),
            ]
            .concat();
            let before = end - PNG_END.len();
            bytes.splice(before..before, chunks);
        }
        start if start.starts_with(b"GIF8") && bytes.last() == Some(&GIF_TRAILER) => {
            let mut comment = vec![GIF_EXTENSION, GIF_COMMENT];
            for part in text.as_bytes().chunks(255) {
                comment.push(part.len() as u8);
                comment.extend(part);
            }
            comment.push(0);
            bytes.splice(end - 1..end - 1, comment);
        }
        _ => return Err(Error::input(path, "not a WAV, PNG or GIF file")),
    }
    write_output(path, &bytes)
}

fn append_to_wav(file: &mut File, program: &str, text: &str) -> io::Result<()> {
    let mut list = b"INFO".to_vec();
    for (name, value) in [(b"ISFT", program), (b"ICMT", text)] {
        // A string ends with 0, and each chunk begins at an even place.
        list.extend(name);
        list.extend((value.len() as u32 + 1).to_le_bytes());
        list.extend(value.as_bytes());
        list.resize((list.len() + 2) & !1, 0);
    }
    let mut end = file.seek(SeekFrom::End(0))?;
    if end % 2 == 1 {
        file.write_all(&[0])?;
        end += 1;
    }
    let whole = u32::try_from(end + 8 + list.len() as u64 - 8);
    let whole = whole.map_err(|_| io::Error::other("a WAV file ends at 4 GiB"))?;
    file.write_all(b"LIST")?;
    file.write_all(&(list.len() as u32).to_le_bytes())?;
    file.write_all(&list)?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(&whole.to_le_bytes())
}

fn png_chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut checksum = flate2::Crc::new();
    checksum.update(&kind);
    checksum.update(content);
    let length = (content.len() as u32).to_be_bytes();
    [&length, &kind[..], content, &checksum.sum().to_be_bytes()].concat()
}

/// The comment in a WAV, PNG or GIF file; `None` where it has none.
///
/// # Errors
/// When the file is of another kind, damaged or cannot be read.
pub fn read(path: &Path) -> Result<Option<String>> {
    let mut file = io::BufReader::new(File::open(path).reading(path)?);
    let mut start = [0; 12];
    let length = file.read(&mut start).reading(path)?;
    let comment = match &start[..length] {
        start if start.starts_with(b"RIFF") && start.ends_with(b"WAVE") => read_wav(&mut file),
        start if start.starts_with(PNG) => read_png(&mut file),
        start if start.starts_with(b"GIF8") => read_gif(&mut file),
        _ => return Err(Error::input(path, "not a WAV, PNG or GIF file")),
    };
    match comment {
        // A file that was cut off has no comment at its end.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        comment => {
            let text = comment.reading(path)?;
            Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
        }
    }
}

/// The next so many bytes.
fn take(file: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length.min(LONGEST) as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_array<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_wav(file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<u8>>> {
    loop {
        let name: [u8; 4] = take_array(file)?;
        let length = i64::from(u32::from_le_bytes(take_array(file)?));
        if &name != b"LIST" {
            file.seek_relative(length + length % 2)?;
            continue;
        }
        let list = take(file, length as u64)?;
        let mut rest = list.strip_prefix(b"INFO").unwrap_or_default();
        while let Some((head, content)) = rest.split_first_chunk::<8>() {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let Some(content) = content.get(..length) else {
                break;
            };
            if head.starts_with(b"ICMT") {
                return Ok(Some(
                    content
                        .split(|&byte| byte == 0)
                        .next()
                        .unwrap_or_default()
                        .to_vec(),
                ));
            }
            rest = rest.get(8 + length + length % 2..).unwrap_or_default();
        }
    }
}

fn read_png(file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<u8>>> {
    file.seek(SeekFrom::Start(PNG.len() as u64))?;
    loop {
        let length = u32::from_be_bytes(take_array(file)?);
        let kind: [u8; 4] = take_array(file)?;
        if &kind == b"IEND" {
            return Ok(None);
        }
        if &kind == b"iTXt" {
            let content = take(file, u64::from(length))?;
            // Not compressed, without a language and a translated keyword.
            if let Some(text) = content.strip_prefix(b"Comment\0\0\0\0\0") {
                return Ok(Some(text.to_vec()));
            }
            file.seek_relative(4 + i64::from(length) - content.len() as i64)?;
        } else {
            file.seek_relative(i64::from(length) + 4)?;
        }
    }
}

fn read_gif(file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<u8>>> {
    file.seek(SeekFrom::Start(10))?;
    let [flags, _, _]: [u8; 3] = take_array(file)?;
    skip_colors(file, flags)?;
    loop {
        match take_array(file)? {
            [GIF_EXTENSION] => {
                let [label] = take_array(file)?;
                let content = blocks(file)?;
                if label == GIF_COMMENT {
                    return Ok(Some(content));
                }
            }
            [GIF_IMAGE] => {
                let head: [u8; 9] = take_array(file)?;
                skip_colors(file, head[8])?;
                let [_code_size] = take_array(file)?;
                blocks(file)?;
            }
            _ => return Ok(None),
        }
    }
}

/// Skips a table of colours of a GIF, where its flags say that there is one.
fn skip_colors(file: &mut impl Seek, flags: u8) -> io::Result<()> {
    let colors = if flags & 0x80 == 0 {
        0
    } else {
        2 << (flags & 7)
    };
    file.seek_relative(3 * colors)
}

/// The blocks of a GIF up to an empty one.
fn blocks(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let [length] = take_array(file)?;
        if length == 0 {
            return Ok(all);
        }
        let block = take(file, u64::from(length))?;
        if (all.len() as u64) < LONGEST {
            all.extend(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than a block of a GIF, of an odd length, and not only ASCII.
    fn text() -> String {
        "{\"command\": \"ensuite generate µ\"} ".repeat(12) + "."
    }

    fn files(folder: &Path) -> Vec<std::path::PathBuf> {
        let wav = folder.join("sound.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 8,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&wav, spec).unwrap();
        // An odd number of bytes.
        for sample in [1_i8, -2, 3] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        let png = folder.join("picture.png");
        image::RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 9]))
            .save(&png)
            .unwrap();
        let gif = folder.join("film.gif");
        let mut file = File::create(&gif).unwrap();
        let mut encoder = gif::Encoder::new(&mut file, 2, 1, &[0, 0, 0, 9, 9, 9]).unwrap();
        encoder.set_repeat(gif::Repeat::Infinite).unwrap();
        for indices in [[0, 1], [1, 0]] {
            let frame = gif::Frame {
                width: 2,
                height: 1,
                buffer: std::borrow::Cow::Owned(indices.to_vec()),
                palette: Some(vec![1; 6]),
                ..gif::Frame::default()
            };
            encoder.write_frame(&frame).unwrap();
        }
        drop(encoder);
        vec![wav, png, gif]
    }

    fn frames_of(gif: &Path) -> Vec<Vec<u8>> {
        let mut decoder = gif::DecodeOptions::new()
            .read_info(File::open(gif).unwrap())
            .unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            frames.push(frame.buffer.to_vec());
        }
        frames
    }

    #[test]
    fn what_is_embedded_is_read_and_changes_no_sample_and_no_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let sound = |path| {
            let mut reader = hound::WavReader::open(path).unwrap();
            reader
                .samples::<i32>()
                .map(|sample| sample.unwrap())
                .collect::<Vec<_>>()
        };
        for file in &files {
            assert_eq!(read(file).unwrap(), None, "{}", file.display());
        }
        let before = (
            sound(&files[0]),
            image::open(&files[1]).unwrap(),
            frames_of(&files[2]),
        );
        for file in &files {
            embed(file, "ensuite", &text()).unwrap();
            assert_eq!(read(file).unwrap(), Some(text()), "{}", file.display());
        }
        let after = (
            sound(&files[0]),
            image::open(&files[1]).unwrap(),
            frames_of(&files[2]),
        );
        assert!(before == after);
        // The lengths and checksums are those that other readers expect.
        let wav = std::fs::read(&files[0]).unwrap();
        assert_eq!(
            u32::from_le_bytes(wav[4..8].try_into().unwrap()) as usize,
            wav.len() - 8
        );
        let mut decoder = png::Decoder::new(io::BufReader::new(File::open(&files[1]).unwrap()))
            .read_info()
            .unwrap();
        decoder.finish().unwrap();
        let info = decoder.info();
        assert_eq!(info.uncompressed_latin1_text[0].text, "ensuite");
        assert_eq!(info.utf8_text[0].get_text().unwrap(), text());
        // A copy that lost its end has none, and no other file has one.
        for file in &files {
            let bytes = std::fs::read(file).unwrap();
            for end in [12, bytes.len() / 2, bytes.len() - text().len() / 2] {
                std::fs::write(file, &bytes[..end]).unwrap();
                assert_eq!(read(file).unwrap(), None, "{} of {}", end, file.display());
            }
        }
        std::fs::write(&files[0], "text").unwrap();
        assert!(read(&files[0]).is_err() && embed(&files[0], "", "").is_err());
    }
}
