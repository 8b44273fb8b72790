/*!
Writes sound to WAV files while it is generated.

A [`WavSink`] updates the header of its file at least once a second, so that an interruption, a crash or a full disk
leaves a valid file. On standard output the header gives no length, as streaming programs expect.
*/

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Stdout, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::audio::check_rate;
use crate::error::{Error, IoContext, Result};

/// The header is updated after this time, or after this duration of sound.
const REFRESH: Duration = Duration::from_secs(1);

/// Samples a WAV file can hold: its lengths have 32 bits and include the header.
const MAX_SAMPLES: u64 = (u32::MAX as u64 - 64) / 2;

/// Refuses a name that says another format than WAV.
///
/// # Errors
/// A usage error that names the file.
pub fn check_wav_name(path: &Path) -> Result<()> {
    match path.extension() {
        Some(extension) if !extension.eq_ignore_ascii_case("wav") => Err(Error::usage(format!(
            "{} is no name for a WAV file",
            path.display()
        ))
        .with_hint("give -o a name that ends in .wav")),
        _ => Ok(()),
    }
}

/// Writes mono 16-bit WAV to a file or, for the path `-`, to standard output.
///
/// Dropping it without [`finish`](WavSink::finish) completes the file too, but ignores errors.
pub struct WavSink {
    path: PathBuf,
    out: Out,
}

enum Out {
    File(FileSink<BufWriter<File>>),
    Stdout(StreamSink<BufWriter<Stdout>>),
}

impl WavSink {
    /// Opens `path` for sound of `rate` Hz and replaces an existing file.
    ///
    /// # Errors
    /// When the rate is invalid, the folder is missing, or the file cannot be written.
    pub fn create(path: &Path, rate: u32) -> Result<Self> {
        check_rate(rate)?;
        if path == Path::new("-") {
            let path = PathBuf::from("standard output");
            let stream = StreamSink::new(BufWriter::new(io::stdout()), rate).writing(&path)?;
            let out = Out::Stdout(stream);
            return Ok(Self { path, out });
        }
        check_place(path)?;
        let file = BufWriter::new(File::create(path).writing(path)?);
        Ok(Self {
            path: path.into(),
            out: Out::File(FileSink::new(file, rate).writing(path)?),
        })
    }

    /// Appends samples. Samples beyond ±1 clip; NaN becomes 0.
    ///
    /// # Errors
    /// When the system cannot write, or the file would exceed the 4 GiB of its format. The file stays valid.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        match &mut self.out {
            Out::File(sink) => sink.write(samples),
            Out::Stdout(sink) => sink.write(samples),
        }
        .writing(&self.path)
    }

    /// Completes the file and returns the number of samples.
    ///
    /// # Errors
    /// When the system cannot write.
    pub fn finish(self) -> Result<u64> {
        match self.out {
            Out::File(sink) => sink.finish(),
            Out::Stdout(sink) => sink.finish(),
        }
        .writing(&self.path)
    }
}

/// A whole WAV file in memory: mono, 16 bits.
///
/// # Errors
/// A usage error when the rate is invalid.
pub fn wav_bytes(samples: &[f32], rate: u32) -> Result<Vec<u8>> {
    check_rate(rate)?;
    let mut file = io::Cursor::new(Vec::new());
    let whole = FileSink::new(&mut file, rate).and_then(|mut sink| {
        sink.write(samples)?;
        sink.finish()
    });
    whole.writing(Path::new("memory"))?;
    Ok(file.into_inner())
}

/// Refuses a path that cannot be written before an existing file is replaced.
fn check_place(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::input(path, "a folder; name a file to write"));
    }
    match path.parent() {
        Some(parent) if parent != Path::new("") && !parent.is_dir() => {
            Err(Error::input(path, "its folder does not exist")
                .with_hint(format!("create {} first", parent.display())))
        }
        _ => Ok(()),
    }
}

fn spec(rate: u32) -> WavSpec {
    WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    }
}

/// One step is 1/32768, as in the import.
fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

/// Schedules the updates of the header: after a second of time or of sound.
struct Pace {
    rate: u64,
    samples: u64,
    since: Instant,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self {
            rate: u64::from(rate),
            samples: 0,
            since: Instant::now(),
        }
    }

    /// The greatest number of samples to write before [`is_due`](Self::is_due) is asked again.
    fn second(&self) -> usize {
        self.rate as usize
    }

    fn is_due(&mut self, samples: usize) -> bool {
        self.samples += samples as u64;
        let due = self.samples >= self.rate || self.since.elapsed() >= REFRESH;
        if due {
            self.samples = 0;
            self.since = Instant::now();
        }
        due
    }
}

/// A WAV file whose header is updated while it grows.
struct FileSink<W: Write + Seek> {
    writer: WavWriter<Latch<W>>,
    written: u64,
    pace: Pace,
}

impl<W: Write + Seek> FileSink<W> {
    /// Writes a header for 0 samples at once, so that the file is valid from the beginning.
    fn new(out: W, rate: u32) -> io::Result<Self> {
        let latch = Latch { out, broken: false };
        let mut writer = WavWriter::new(latch, spec(rate)).map_err(to_io)?;
        writer.flush().map_err(to_io)?;
        Ok(Self {
            writer,
            written: 0,
            pace: Pace::new(rate),
        })
    }

    fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        if self.written + samples.len() as u64 > MAX_SAMPLES {
            return Err(io::Error::other("a WAV file ends at 4 GiB"));
        }
        for part in samples.chunks(self.pace.second()) {
            for &sample in part {
                self.writer.write_sample(to_i16(sample)).map_err(to_io)?;
            }
            self.written += part.len() as u64;
            if self.pace.is_due(part.len()) {
                self.writer.flush().map_err(to_io)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> io::Result<u64> {
        self.writer.finalize().map_err(to_io)?;
        Ok(self.written)
    }
}

/// Refuses every write after the first failure. Otherwise the writer would complete the header when it is dropped, and
/// count samples that are not in the file.
struct Latch<W> {
    out: W,
    broken: bool,
}

impl<W> Latch<W> {
    fn guard<T>(&mut self, act: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.broken {
            return Err(io::Error::other("an earlier write failed"));
        }
        act(&mut self.out).inspect_err(|error| {
            self.broken = error.kind() != io::ErrorKind::Interrupted;
        })
    }
}

impl<W: Write> Write for Latch<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.guard(|out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.guard(Write::flush)
    }
}

impl<W: Seek> Seek for Latch<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.guard(|out| out.seek(to))
    }
}

/// A WAV stream without seeking: its header gives no length.
struct StreamSink<W> {
    out: W,
    written: u64,
    pace: Pace,
}

impl<W: Write> StreamSink<W> {
    fn new(mut out: W, rate: u32) -> io::Result<Self> {
        out.write_all(&spec(rate).into_header_for_infinite_file())?;
        Ok(Self {
            out,
            written: 0,
            pace: Pace::new(rate),
        })
    }

    fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        for part in samples.chunks(self.pace.second()) {
            for &sample in part {
                self.out.write_all(&to_i16(sample).to_le_bytes())?;
            }
            self.written += part.len() as u64;
            if self.pace.is_due(part.len()) {
                self.out.flush()?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.written)
    }
}

fn to_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::import;
    use std::cell::RefCell;
    use std::io::Cursor;
    use std::rc::Rc;

    fn ramp(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i % 2000) as f32 / 1000.0 - 1.0).collect()
    }

    fn assert_close(read: &[f32], written: &[f32]) {
        assert_eq!(read.len(), written.len());
        for (r, w) in read.iter().zip(written) {
            assert!((r - w).abs() <= 1.0 / 32_768.0, "{w} became {r}");
        }
    }

    /// A disk of limited size, shared by the sink and the test.
    #[derive(Clone)]
    struct Disk {
        bytes: Rc<RefCell<Cursor<Vec<u8>>>>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.bytes.borrow_mut();
            let room = self.room.saturating_sub(disk.position() as usize);
            if room == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.write(&bytes[..bytes.len().min(room)])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.bytes.borrow_mut().seek(to)
        }
    }

    fn disk(room: usize) -> Disk {
        Disk {
            bytes: Rc::default(),
            room,
        }
    }

    fn samples_on(disk: &Disk) -> Vec<i16> {
        let bytes = disk.bytes.borrow().get_ref().clone();
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).unwrap();
        reader.samples::<i16>().map(|s| s.unwrap()).collect()
    }

    #[test]
    fn what_is_written_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let samples = ramp(30_000);
        let mut sink = WavSink::create(&path, 16_000).unwrap();
        for part in samples.chunks(777) {
            sink.write(part).unwrap();
        }
        assert_eq!(sink.finish().unwrap(), 30_000);
        let read = import::read(&path).unwrap();
        assert_eq!((read.rate, read.channels), (16_000, 1));
        assert_close(&read.samples, &samples);
    }

    #[test]
    fn the_file_is_valid_at_every_moment() {
        let disk = disk(usize::MAX);
        let mut sink = FileSink::new(BufWriter::new(disk.clone()), 8_000).unwrap();
        assert!(samples_on(&disk).is_empty());
        for second in 1..=5 {
            sink.write(&ramp(8_000)).unwrap();
            // An interruption would leave these bytes.
            assert_eq!(samples_on(&disk).len(), second * 8_000);
        }
    }

    #[test]
    fn dropping_without_finish_leaves_all_samples() {
        let disk = disk(usize::MAX);
        let mut sink = FileSink::new(BufWriter::new(disk.clone()), 8_000).unwrap();
        sink.write(&ramp(12_345)).unwrap();
        drop(sink);
        assert_eq!(samples_on(&disk).len(), 12_345);
    }

    #[test]
    fn a_full_disk_is_an_error_and_leaves_a_valid_file() {
        for room in [44, 45, 1_000, 20_001, 40_000] {
            let disk = disk(room);
            let mut sink = FileSink::new(BufWriter::new(disk.clone()), 8_000).unwrap();
            let error = (0..100)
                .find_map(|_| sink.write(&ramp(1_000)).err())
                .expect("the disk is smaller than the sound");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(sink.finish().is_err());
            assert!(samples_on(&disk).len() * 2 + 44 <= room);
        }
    }

    #[test]
    fn a_stream_has_an_unknown_length_and_imports() {
        let mut bytes = Vec::new();
        let mut sink = StreamSink::new(&mut bytes, 8_000).unwrap();
        sink.write(&ramp(500)).unwrap();
        assert_eq!(sink.finish().unwrap(), 500);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stream.wav");
        std::fs::write(&path, &bytes).unwrap();
        assert_close(&import::read(&path).unwrap().samples, &ramp(500));
    }

    #[test]
    fn samples_out_of_range_clip() {
        assert_eq!(to_i16(1.0), i16::MAX);
        assert_eq!(to_i16(-7.0), i16::MIN);
        assert_eq!(to_i16(f32::NAN), 0);
    }

    #[test]
    fn impossible_places_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none/a.wav");
        for (path, rate) in [(missing.as_path(), 8_000), (folder.path(), 8_000)] {
            let error = WavSink::create(path, rate).err().unwrap().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
        let path = folder.path().join("kept.wav");
        std::fs::write(&path, b"precious").unwrap();
        assert!(WavSink::create(&path, 0).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
