/*!
A folder of recordings as tokens.

The import decodes, resamples, trims, evens and µ-law encodes each recording once, and writes its tokens, one byte each,
to an anonymous temporary file, from which training reads random windows. A corpus may therefore be larger than memory.
Clips are ordered by path, and their tokens do not depend on the number of threads.
*/

mod summary;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::audio::frames::without_offset;
use crate::audio::import;
use crate::audio::loudness::{even_loudness, is_audible, trim_silence};
use crate::audio::resample::resample;
use crate::audio::{Emphasis, MuLaw, check_rate};
use crate::base::files::{
    FoundFile, Skipped, SkippedSummary, Walk, counted, extension, hexadecimal, walk,
};
use crate::error::{Error, IoContext, Result};

pub use summary::Summary;

/// The default sample rate, in Hz, if a recording has at least that.
const DEFAULT_RATE: u32 = 16_000;

/// Files that are imported in parallel, before their tokens are written in order.
const BATCH: usize = 16;

/// How recordings become tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportSettings {
    /// The rate of all clips, in Hz; `None`: 16 kHz, or the highest rate found if that is lower.
    pub sample_rate: Option<u32>,
    /// Scale each file to the same loudness.
    pub even_loudness: bool,
    /// Trim the silence at both ends.
    pub trim_silence: bool,
    /// Seconds of silence added behind each clip, so that a network learns how sounds end.
    pub trailing_silence: f32,
    /// Remove what lies below 30 Hz: companding is coarse away from zero.
    pub remove_offset: bool,
    /// What is done before companding.
    pub emphasis: Emphasis,
}

/// One recording of a [`Corpus`].
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// Relative to the corpus's folder, with `/` between the parts.
    pub path: String,
    /// The offset of its first token in the corpus.
    pub start: u64,
    /// How many tokens it has, trailing silence included.
    pub len: u64,
    /// Its length at the corpus's sample rate.
    pub seconds: f64,
    /// Whether it carries sound: at least 10 ms, and above −80 dBFS without its mean.
    pub audible: bool,
}

/// The tokens of a folder of recordings.
pub struct Corpus {
    clips: Vec<Clip>,
    sample_rate: u32,
    spill: File,
    digest: String,
    summary: Summary,
}

impl Corpus {
    /// Imports every recording in `folder` (or the single file of that name) whose relative path `keep` accepts.
    ///
    /// It follows subfolders and links, and ignores hidden files and files with other extensions. A file that cannot be
    /// used is skipped, with its reason in the [`summary`](Corpus::summary). The anonymous file of tokens is in the folder `scratch`.
    /// Several threads call `progress` with the number of files done and the number of all files.
    ///
    /// # Errors
    /// When the folder holds no recording, none that can be used, or none that carries sound; when a setting is invalid;
    /// when the file of tokens cannot be written.
    pub fn import(
        folder: &Path,
        settings: &ImportSettings,
        scratch: &Path,
        progress: &(dyn Fn(usize, usize) + Sync),
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Self> {
        check_settings(settings)?;
        let Walk {
            mut files,
            mut skipped,
            ignored,
        } = walk(folder, |path| {
            import::EXTENSIONS.contains(&extension(path).as_str())
        })?;
        let ignored = ignored.len();
        files.retain(|file| keep(&file.name));
        skipped.retain(|skipped| keep(&skipped.path));
        if files.is_empty() {
            return Err(nothing_found(folder, &skipped, ignored));
        }
        let sample_rate = match settings.sample_rate {
            Some(rate) => rate,
            None => default_rate(&files),
        };
        let mut builder = Builder::new(sample_rate, scratch)?;
        let done = AtomicUsize::new(0);
        let total = files.len();
        for batch in files.chunks(BATCH) {
            let encoded: Vec<Result<Encoded>> = batch
                .par_iter()
                .map(|file| {
                    let encoded = encode(&file.path, settings, sample_rate);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                    encoded
                })
                .collect();
            for (file, encoded) in batch.iter().zip(encoded) {
                match encoded {
                    Ok(encoded) => builder.add(&file.name, &encoded)?,
                    Err(error) => skipped.push(Skipped {
                        path: file.name.clone(),
                        reason: reason(&error),
                    }),
                }
            }
        }
        builder.finish(folder, skipped, ignored)
    }

    /// The recordings, ordered by path.
    pub fn clips(&self) -> &[Clip] {
        &self.clips
    }

    /// The rate of all clips, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Replaces `out` by the tokens `range` of the clip with index `clip`.
    ///
    /// # Errors
    /// When there is no such clip or range; when the file of tokens cannot be read.
    pub fn read(&self, clip: usize, range: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        let known = self.clips.get(clip);
        let (start, len) = known.map_or((0, 0), |clip| (clip.start, clip.len));
        if known.is_none() || range.start > range.end || range.end > len {
            return Err(Error::usage(format!(
                "invalid tokens {} to {} of clip {clip}, which has {len}",
                range.start, range.end
            )));
        }
        out.resize((range.end - range.start) as usize, 0);
        read_at(&self.spill, out, start + range.start).reading(Path::new("the imported corpus"))
    }

    /// SHA-256 of paths, lengths and tokens, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the import found.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

fn check_settings(settings: &ImportSettings) -> Result<()> {
    if let Some(rate) = settings.sample_rate {
        check_rate(rate)?;
    }
    if !(0.0..=3600.0).contains(&settings.trailing_silence) {
        return Err(Error::usage(format!(
            "invalid trailing silence: {} s",
            settings.trailing_silence
        ))
        .with_hint("choose one from 0 to 3600 s"));
    }
    Ok(())
}

fn nothing_found(folder: &Path, skipped: &[Skipped], ignored: usize) -> Error {
    if !skipped.is_empty() {
        return nothing_usable(folder, skipped);
    }
    let reason = match ignored {
        0 => "holds no recordings".to_owned(),
        n => format!(
            "holds no recordings (and {} of another kind)",
            counted(n, "file")
        ),
    };
    let formats = import::FORMATS;
    let extensions = import::EXTENSIONS.join(", .");
    Error::input(folder, reason).with_hint(format!(
        "{formats} are read, from files named .{extensions}"
    ))
}

fn nothing_usable(folder: &Path, skipped: &[Skipped]) -> Error {
    if let [only] = skipped
        && folder.is_file()
    {
        return Error::input(folder, only.reason.clone());
    }
    let first: Vec<String> = skipped
        .iter()
        .take(3)
        .map(|skipped| format!("{}: {}", skipped.path, skipped.reason))
        .collect();
    let reason = format!(
        "none of its {} recordings can be used ({})",
        skipped.len(),
        first.join("; ")
    );
    Error::input(folder, reason)
}

fn nothing_audible(folder: &Path, recordings: usize) -> Error {
    let reason = match recordings {
        1 => "its recording carries no sound: a model of it would be silent".to_owned(),
        n => format!("none of its {n} recordings carries sound: a model of them would be silent"),
    };
    Error::input(folder, reason)
        .with_hint("a recording needs at least 10 ms of sound louder than -80 dBFS")
}

/// The reason alone, without the path.
fn reason(error: &Error) -> String {
    match error {
        Error::Input { reason, .. } => reason.clone(),
        Error::Read { source, .. } => format!("cannot be read: {source}"),
        other => other.to_string(),
    }
}

/// 16 kHz, or the highest rate found if that is lower. Files without a readable header do not count.
fn default_rate(files: &[FoundFile]) -> u32 {
    let highest = files
        .par_iter()
        .filter_map(|file| import::probe_rate(&file.path).ok())
        .max();
    highest.map_or(DEFAULT_RATE, |highest| highest.min(DEFAULT_RATE))
}

struct Encoded {
    tokens: Vec<u8>,
    digest: [u8; 32],
    rate: u32,
    channels: u16,
    note: Option<&'static str>,
    audible: bool,
}

fn encode(path: &Path, settings: &ImportSettings, sample_rate: u32) -> Result<Encoded> {
    let import::Recording {
        mut samples,
        rate,
        channels,
        note,
    } = import::read(path)?;
    let audible = is_audible(&samples, rate);
    if rate != sample_rate {
        samples = resample(&samples, rate, sample_rate)?;
    }
    if settings.trim_silence {
        let kept = trim_silence(&samples, sample_rate);
        samples.truncate(kept.end);
        samples.drain(..kept.start);
    }
    if settings.remove_offset {
        without_offset(&mut samples, sample_rate);
    }
    if settings.even_loudness {
        even_loudness(&mut samples, sample_rate);
    }
    let silence = (f64::from(settings.trailing_silence) * f64::from(sample_rate)).round() as usize;
    let tokens = settings.emphasis.encode(&samples).into_iter();
    let mut tokens: Vec<u8> = tokens.map(|token| token as u8).collect();
    tokens.resize(tokens.len() + silence, MuLaw::SILENCE as u8);
    Ok(Encoded {
        digest: Sha256::digest(&tokens).into(),
        tokens,
        rate,
        channels,
        note,
        audible,
    })
}

struct Builder {
    sample_rate: u32,
    clips: Vec<Clip>,
    len: u64,
    spill: File,
    scratch: PathBuf,
    digest: Sha256,
    rates: BTreeMap<u32, usize>,
    channels: BTreeMap<u16, usize>,
    notes: BTreeMap<&'static str, Vec<String>>,
}

impl Builder {
    fn new(sample_rate: u32, scratch: &Path) -> Result<Self> {
        Ok(Self {
            sample_rate,
            clips: Vec::new(),
            len: 0,
            spill: tempfile::tempfile_in(scratch).writing(scratch)?,
            scratch: scratch.into(),
            digest: Sha256::new(),
            rates: BTreeMap::new(),
            channels: BTreeMap::new(),
            notes: BTreeMap::new(),
        })
    }

    fn add(&mut self, name: &str, encoded: &Encoded) -> Result<()> {
        self.spill
            .write_all(&encoded.tokens)
            .map_err(|error| self.full(&error, encoded.tokens.len()))
            .writing(&self.scratch)?;
        let len = encoded.tokens.len() as u64;
        for part in [name.as_bytes(), &[0], &len.to_le_bytes(), &encoded.digest] {
            self.digest.update(part);
        }
        self.clips.push(Clip {
            path: name.to_owned(),
            start: self.len,
            len,
            seconds: len as f64 / f64::from(self.sample_rate),
            audible: encoded.audible,
        });
        self.len += len;
        *self.rates.entry(encoded.rate).or_default() += 1;
        *self.channels.entry(encoded.channels).or_default() += 1;
        if let Some(note) = encoded.note {
            self.notes.entry(note).or_default().push(name.to_owned());
        }
        Ok(())
    }

    fn full(&self, error: &io::Error, more: usize) -> io::Error {
        let needed = self.len + more as u64;
        io::Error::new(
            error.kind(),
            format!(
                "{error} (the imported corpus needs one byte per sample there, {needed} so far)"
            ),
        )
    }

    fn finish(self, folder: &Path, mut skipped: Vec<Skipped>, ignored: usize) -> Result<Corpus> {
        skipped.sort_by(|a, b| a.path.cmp(&b.path));
        if self.clips.is_empty() {
            return Err(nothing_usable(folder, &skipped));
        }
        let silent: Vec<String> = self
            .clips
            .iter()
            .filter(|clip| !clip.audible)
            .map(|clip| clip.path.clone())
            .collect();
        if silent.len() == self.clips.len() {
            return Err(nothing_audible(folder, silent.len()));
        }
        let digest = self.digest.finalize();
        let summary = Summary {
            files: self.clips.len(),
            seconds: self.clips.iter().map(|clip| clip.seconds).sum(),
            rate: self.sample_rate,
            rates: self.rates,
            channels: self.channels,
            ignored,
            notes: self.notes,
            silent,
            skipped: SkippedSummary::new("file", &skipped),
        };
        Ok(Corpus {
            clips: self.clips,
            sample_rate: self.sample_rate,
            spill: self.spill,
            digest: hexadecimal(&digest),
            summary,
        })
    }
}

#[cfg(unix)]
fn read_at(file: &File, out: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

#[cfg(windows)]
fn read_at(file: &File, mut out: &mut [u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !out.is_empty() {
        let n = file.seek_read(out, at)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out = &mut out[n..];
        at += n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::WavSink;
    use std::fs;

    const PLAIN: ImportSettings = ImportSettings {
        sample_rate: None,
        even_loudness: false,
        trim_silence: false,
        trailing_silence: 0.0,
        remove_offset: false,
        emphasis: Emphasis::NONE,
    };

    fn tone(seed: u32, n: usize) -> Vec<f32> {
        let step = 0.02 + 0.01 * seed as f32;
        (0..n).map(|i| 0.4 * (i as f32 * step).sin()).collect()
    }

    fn write(path: &Path, rate: u32, samples: &[f32]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut sink = WavSink::create(path, rate).unwrap();
        sink.write(samples).unwrap();
        sink.finish().unwrap();
    }

    /// Five recordings in subfolders and of two rates, a broken one, an empty one, a hidden and another file.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (seed, name) in ["b.wav", "a/z.WAV", "a/y.wav", "c c/ü.wav"]
            .iter()
            .enumerate()
        {
            write(&at(name), 8_000, &tone(seed as u32, 3_000 + 100 * seed));
        }
        write(&at("slow.wav"), 4_000, &tone(7, 2_000));
        fs::write(at("broken.wav"), b"RIFF1234WAVEjunk").unwrap();
        fs::write(at("empty.mp3"), b"").unwrap();
        fs::write(at("notes.txt"), b"not a sound").unwrap();
        fs::write(at(".hidden.wav"), b"no").unwrap();
        folder
    }

    fn import(folder: &Path, settings: &ImportSettings) -> Result<Corpus> {
        Corpus::import(folder, settings, folder, &|_, _| {}, &|_| true)
    }

    fn clip(corpus: &Corpus, index: usize) -> Vec<u8> {
        let mut tokens = Vec::new();
        let len = corpus.clips()[index].len;
        corpus.read(index, 0..len, &mut tokens).unwrap();
        tokens
    }

    /// The paths of skipped files, ordered.
    fn skipped(corpus: &Corpus) -> Vec<String> {
        let reasons = &corpus.summary().skipped.reasons;
        let mut paths: Vec<String> = reasons
            .iter()
            .flat_map(|(_, paths)| paths.clone())
            .collect();
        paths.sort();
        paths
    }

    #[test]
    fn clips_are_sorted_and_follow_each_other() {
        let folder = folder();
        let corpus = import(folder.path(), &PLAIN).unwrap();
        let paths: Vec<_> = corpus.clips().iter().map(|c| c.path.as_str()).collect();
        assert_eq!(
            paths,
            ["a/y.wav", "a/z.WAV", "b.wav", "c c/ü.wav", "slow.wav"]
        );
        let mut end = 0;
        for clip in corpus.clips() {
            assert_eq!(clip.start, end);
            assert!((clip.seconds - clip.len as f64 / 8_000.0).abs() < 1e-9);
            end += clip.len;
        }
    }

    #[test]
    fn any_range_is_what_the_file_holds() {
        let folder = folder();
        let corpus = import(folder.path(), &PLAIN).unwrap();
        assert_eq!(corpus.sample_rate(), 8_000);
        for (index, clip) in corpus.clips().iter().enumerate() {
            let recording = import::read(&folder.path().join(&clip.path)).unwrap();
            let samples = resample(&recording.samples, recording.rate, 8_000).unwrap();
            let tokens: Vec<u8> = samples
                .iter()
                .map(|&s| MuLaw::encode_sample(s) as u8)
                .collect();
            assert_eq!(clip.len, tokens.len() as u64);
            let mut read = Vec::new();
            for (a, b) in [
                (0, clip.len),
                (0, 0),
                (5, 6),
                (17, 1_000),
                (clip.len, clip.len),
            ] {
                corpus.read(index, a..b, &mut read).unwrap();
                assert_eq!(read, tokens[a as usize..b as usize], "{a}..{b} of {index}");
            }
            assert!(corpus.read(index, 0..clip.len + 1, &mut read).is_err());
        }
        assert!(corpus.read(5, 0..0, &mut Vec::new()).is_err());
    }

    #[test]
    fn the_summary_counts_right() {
        let folder = folder();
        let corpus = import(folder.path(), &PLAIN).unwrap();
        let summary = corpus.summary();
        assert_eq!(summary.files, 5);
        assert_eq!(summary.ignored, 1);
        assert_eq!(summary.rates, BTreeMap::from([(4_000, 1), (8_000, 4)]));
        assert_eq!(summary.channels, BTreeMap::from([(1, 5)]));
        let tokens: u64 = corpus.clips().iter().map(|clip| clip.len).sum();
        assert_eq!(tokens, 3_000 + 3_100 + 3_200 + 3_300 + 4_000);
        assert!((summary.seconds - tokens as f64 / 8_000.0).abs() < 1e-9);
        assert_eq!(skipped(&corpus), ["broken.wav", "empty.mp3"]);
        let text = summary.to_string();
        for part in [
            "5 recordings",
            "8000 Hz (4)",
            "mono (5)",
            "empty (0 bytes)",
            "broken.wav",
        ] {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let folder = folder();
        let settings = ImportSettings {
            even_loudness: true,
            trim_silence: true,
            trailing_silence: 0.1,
            remove_offset: false,
            ..PLAIN
        };
        let imports: Vec<_> = [1, 2, 5]
            .into_iter()
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| import(folder.path(), &settings)).unwrap()
            })
            .collect();
        for other in &imports[1..] {
            assert_eq!(other.digest(), imports[0].digest());
            assert_eq!(other.clips(), imports[0].clips());
            assert_eq!(other.summary(), imports[0].summary());
            for index in 0..other.clips().len() {
                assert_eq!(clip(other, index), clip(&imports[0], index));
            }
        }
    }

    #[test]
    fn the_digest_sees_every_change() {
        let folder = folder();
        let digest = |settings| import(folder.path(), settings).unwrap().digest().to_owned();
        let plain = digest(&PLAIN);
        assert_eq!(plain.len(), 64);
        assert_eq!(plain, digest(&PLAIN));
        fs::rename(folder.path().join("b.wav"), folder.path().join("bb.wav")).unwrap();
        let renamed = digest(&PLAIN);
        write(&folder.path().join("bb.wav"), 8_000, &tone(50, 3_000));
        let changed = digest(&PLAIN);
        assert!(plain != renamed && renamed != changed && plain != changed);
    }

    #[test]
    fn trailing_silence_and_trimming_do_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let mut samples = vec![0.0; 16_000];
        samples[4_000..8_000].copy_from_slice(&tone(3, 4_000));
        write(&folder.path().join("a.wav"), 8_000, &samples);
        write(&folder.path().join("silent.wav"), 8_000, &[0.0; 500]);
        let settings = ImportSettings {
            trim_silence: true,
            trailing_silence: 0.25,
            remove_offset: false,
            ..PLAIN
        };
        let corpus = import(folder.path(), &settings).unwrap();
        let trimmed = clip(&corpus, 0);
        assert!((6_000..7_000).contains(&trimmed.len()), "{}", trimmed.len());
        assert!(
            trimmed[trimmed.len() - 2_000..]
                .iter()
                .all(|&t| t == MuLaw::SILENCE as u8)
        );
        assert_eq!(clip(&corpus, 1), vec![MuLaw::SILENCE as u8; 2_500]);
    }

    #[test]
    fn recordings_without_sound_are_named_and_refused_when_there_are_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("silence.wav"), 8_000, &[0.0; 4_000]);
        let error = import(folder.path(), &PLAIN).err().unwrap();
        assert!(
            error.to_string().contains("its recording carries no sound"),
            "{error}"
        );
        write(&at("constant.wav"), 8_000, &[0.3; 4_000]);
        write(&at("short.wav"), 8_000, &tone(1, 5));
        let settings = ImportSettings {
            even_loudness: true,
            trailing_silence: 0.1,
            remove_offset: false,
            ..PLAIN
        };
        for settings in [PLAIN, settings] {
            let error = import(folder.path(), &settings).err().unwrap();
            let reason = "none of its 3 recordings carries sound: a model of them would be silent";
            assert!(error.to_string().contains(reason), "{error}");
        }
        write(&at("tone.wav"), 8_000, &tone(1, 4_000));
        let corpus = import(folder.path(), &PLAIN).unwrap();
        let silent = &corpus.summary().silent;
        assert_eq!(silent, &["constant.wav", "short.wav", "silence.wav"]);
        let text = corpus.summary().to_string();
        let warning = "warning: 3 recordings without sound: silent, constant or shorter than 10 ms (constant.wav, short.wav, silence.wav)";
        assert!(text.contains(warning), "{text}");
    }

    #[test]
    fn recordings_that_end_early_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.wav", "b.wav", "c.wav", "whole.wav"] {
            write(&at(name), 8_000, &tone(1, 4_000));
        }
        for name in ["a.wav", "b.wav"] {
            let bytes = fs::read(at(name)).unwrap();
            fs::write(at(name), &bytes[..5_001]).unwrap();
        }
        let mut bytes = fs::read(at("c.wav")).unwrap();
        bytes[4..8].fill(0);
        bytes[40..44].fill(0);
        fs::write(at("c.wav"), bytes).unwrap();
        let corpus = import(folder.path(), &PLAIN).unwrap();
        let lengths: Vec<_> = corpus.clips().iter().map(|clip| clip.len).collect();
        assert_eq!(lengths, [2_478, 2_478, 4_000, 4_000]);
        let text = corpus.summary().to_string();
        for line in [
            "read to the end: 2 recordings, the header promises more than the file holds (a.wav, b.wav)",
            "read to the end: 1 recording, the header gives no length (c.wav)",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_filter_and_a_single_file_choose() {
        let folder = folder();
        let keep = |path: &str| path.starts_with("a/");
        let corpus =
            Corpus::import(folder.path(), &PLAIN, folder.path(), &|_, _| {}, &keep).unwrap();
        assert_eq!(corpus.clips().len(), 2);
        assert!(skipped(&corpus).is_empty());
        let file = folder.path().join("b.wav");
        let single = Corpus::import(&file, &PLAIN, folder.path(), &|_, _| {}, &|_| true).unwrap();
        assert_eq!(single.clips()[0].path, "b.wav");
        assert_eq!(single.clips()[0].len, 3_000);
    }

    #[test]
    fn progress_reaches_every_file() {
        let folder = folder();
        let (calls, furthest) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let progress = |done: usize, total: usize| {
            assert_eq!(total, 7);
            calls.fetch_add(1, Ordering::Relaxed);
            furthest.fetch_max(done, Ordering::Relaxed);
        };
        Corpus::import(folder.path(), &PLAIN, folder.path(), &progress, &|_| true).unwrap();
        assert_eq!((calls.into_inner(), furthest.into_inner()), (7, 7));
    }

    #[test]
    fn folders_without_usable_sound_are_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), b"text").unwrap();
        let error = import(folder.path(), &PLAIN).err().unwrap();
        assert!(error.to_string().contains("no recordings"), "{error}");
        assert!(error.hint().unwrap().contains(".flac"));
        fs::write(folder.path().join("b.wav"), b"").unwrap();
        let error = import(folder.path(), &PLAIN).err().unwrap().to_string();
        assert!(error.contains("b.wav: empty"), "{error}");
        let (file, place) = (folder.path().join("b.wav"), folder.path());
        let alone = Corpus::import(&file, &PLAIN, place, &|_, _| {}, &|_| true);
        let error = alone.err().unwrap();
        assert!(
            error.to_string().ends_with("b.wav: empty (0 bytes)"),
            "{error}"
        );
        assert!(import(&folder.path().join("none"), &PLAIN).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn circular_and_dangling_links_are_survived() {
        use std::os::unix::fs::symlink;
        let folder = folder();
        symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        symlink(
            folder.path().join("gone.wav"),
            folder.path().join("link.wav"),
        )
        .unwrap();
        let corpus = import(folder.path(), &PLAIN).unwrap();
        assert_eq!(corpus.clips().len(), 5);
        assert!(skipped(&corpus).contains(&"link.wav".to_owned()));
    }

    #[test]
    fn impossible_settings_are_usage_errors() {
        let folder = folder();
        for (sample_rate, trailing_silence) in [(Some(0), 0.0), (None, -1.0), (None, f32::NAN)] {
            let settings = ImportSettings {
                sample_rate,
                trailing_silence,
                ..PLAIN
            };
            assert!(import(folder.path(), &settings).err().unwrap().is_usage());
        }
    }
}
