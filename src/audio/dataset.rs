/*!
Recordings as a dataset: a folder of clips with labels, its split, and the clips as sequences of tokens.
*/

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::audio::frames::without_offset;
use crate::audio::import;
use crate::audio::loudness::even_loudness;
use crate::audio::resample::resample;
use crate::audio::{
    Corpus, Emphasis, ImportSettings, MuLaw, Skipped, SoundFormat, SoundProfile, wav_bytes,
};
use crate::base::labels::{Classes, Label, LabelRule};
use crate::base::rng::{rng_stream, shuffle};
use crate::base::split::{Split, SplitRule};
use crate::error::{Error, Result};
use crate::sequence::{SequenceDataset, Token};

/// The rule of a split that holds out the end of each recording, as a model folder records it.
pub const TAILS: &str = "the last tenth of each recording";
/// Below this number of recordings, the end of each is held out instead of whole recordings.
const FEW: usize = 10;
/// The greatest length of the prompt that a model keeps.
const PROMPT_SECONDS: f32 = 1.0;
/// Samples after which a filter has forgotten how it began.
const LEAD: u64 = 1024;
/// The prompt is chosen among about this number of recordings.
const PROMPT_CANDIDATES: usize = 100;

/// A range of a clip's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipRange {
    /// The clip's index in the corpus.
    pub clip: usize,
    /// Which of its tokens.
    pub tokens: Range<u64>,
}

/// An imported folder of recordings and their labels.
pub struct RecordingDataset {
    /// The clips' tokens.
    pub corpus: Corpus,
    /// One list for each clip.
    pub labels: Vec<Vec<Label>>,
    /// Recordings whose path does not give their labels, with the reason; they were not imported.
    pub unlabelled: Vec<Skipped>,
    /// Seconds of silence that the import added behind each clip.
    trailing_silence: f32,
    /// What the import did before companding.
    emphasis: Emphasis,
}

impl RecordingDataset {
    /// Imports a folder, or a single recording, and finds each clip's labels.
    ///
    /// The arguments but `rule` are those of [`Corpus::import`].
    ///
    /// # Errors
    /// As [`Corpus::import`]; when no recording has labels, with the reason of the first.
    pub fn import(
        folder: &Path,
        settings: &ImportSettings,
        rule: &LabelRule,
        scratch: &Path,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self> {
        let unlabelled = Mutex::new(Vec::new());
        let keep = |path: &str| match rule.labels(path) {
            Ok(_) => true,
            Err(reason) => {
                let mut unlabelled = unlabelled.lock().unwrap_or_else(PoisonError::into_inner);
                unlabelled.push(Skipped {
                    path: path.into(),
                    reason,
                });
                false
            }
        };
        let corpus = Corpus::import(folder, settings, scratch, progress, &keep);
        let unlabelled = unlabelled
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let corpus = corpus.map_err(|error| match unlabelled.first() {
            Some(Skipped { path, reason }) => Error::input(
                folder,
                format!("none of its recordings can be used; {path}: {reason}"),
            ),
            None => error,
        })?;
        let labels = corpus
            .clips()
            .iter()
            .map(|clip| rule.labels(&clip.path).unwrap_or_default())
            .collect();
        Ok(Self {
            corpus,
            labels,
            unlabelled,
            trailing_silence: settings.trailing_silence,
            emphasis: settings.emphasis,
        })
    }

    /// The classes that occur.
    pub fn classes(&self) -> Classes {
        Classes::collect(self.labels.iter().map(Vec::as_slice))
    }

    /// A clip without the silence that the import added: silence costs almost no bits and would flatter every metric.
    pub fn recorded(&self, clip: usize) -> ClipRange {
        let added = f64::from(self.trailing_silence) * f64::from(self.corpus.sample_rate());
        let len = self.corpus.clips()[clip].len;
        ClipRange {
            clip,
            tokens: 0..len.saturating_sub(added.round() as u64).max(1),
        }
    }

    /// The ranges to train on, then those held out, and the record of the split.
    ///
    /// Training sees the added silence, evaluation does not. Without a pattern, a corpus of fewer than ten recordings
    /// holds out the last tenth of each.
    ///
    /// # Errors
    /// A usage error when the rule holds out everything or nothing.
    pub fn split(&self, rule: &SplitRule) -> Result<(Vec<ClipRange>, Split)> {
        let clips = self.corpus.clips();
        let by_tails = match rule {
            SplitRule::Matching(_) | SplitRule::InFile(_) => false,
            SplitRule::OneInTen => clips.len() < FEW,
            SplitRule::Listed(split) => split.rule == TAILS,
        };
        if by_tails {
            return Ok(self.split_tails());
        }
        let names: Vec<String> = clips.iter().map(|clip| clip.path.clone()).collect();
        let (order, split) = rule.split(&names, self.corpus.digest())?;
        let (training, out) = order.split_at(split.training);
        let training = training.iter().map(|&clip| ClipRange {
            clip,
            tokens: 0..clips[clip].len,
        });
        let out = out.iter().map(|&clip| self.recorded(clip));
        Ok((training.chain(out).collect(), split))
    }

    fn split_tails(&self) -> (Vec<ClipRange>, Split) {
        let (mut ranges, mut out) = (Vec::new(), Vec::new());
        for clip in 0..self.corpus.clips().len() {
            let end = self.recorded(clip).tokens.end;
            let border = end - end / 10;
            ranges.push(ClipRange {
                clip,
                tokens: 0..border,
            });
            if border < end {
                out.push(ClipRange {
                    clip,
                    tokens: border..end,
                });
            }
        }
        let split = Split {
            rule: TAILS.into(),
            training: ranges.len(),
            validation: Vec::new(),
            hash: self.corpus.digest().to_owned(),
        };
        ranges.extend(out);
        (ranges, split)
    }
}

/// Ranges of clips as sequences of tokens.
pub struct ClipDataset<'a> {
    recordings: &'a RecordingDataset,
    ranges: Vec<ClipRange>,
}

impl<'a> ClipDataset<'a> {
    /// One sequence for each range.
    pub fn new(recordings: &'a RecordingDataset, ranges: Vec<ClipRange>) -> Self {
        Self { recordings, ranges }
    }

    /// One condition vector for each sequence, by the labels of its recording.
    ///
    /// # Errors
    /// A usage error when a label is not among `classes`.
    pub fn conditions(&self, classes: &Classes) -> Result<Vec<Vec<f32>>> {
        let labels = &self.recordings.labels;
        self.ranges
            .iter()
            .map(|range| classes.vector(&labels[range.clip]))
            .collect()
    }

    /// The labels of the recording of a sequence.
    pub fn labels(&self, index: usize) -> &[Label] {
        &self.recordings.labels[self.ranges[index].clip]
    }

    /// The figures of some of the sequences without the silence that the import added, in at most `windows` windows of
    /// 5 s, drawn from all of them.
    ///
    /// # Errors
    /// When the imported tokens cannot be read.
    pub fn profile(&self, members: Range<usize>, windows: usize) -> Result<SoundProfile> {
        let mut profile = SoundProfile::new(self.rate());
        let span = profile.span() as u64;
        let mut all = Vec::new();
        for ClipRange { clip, tokens } in &self.ranges[members] {
            let end = tokens.end.min(self.recordings.recorded(*clip).tokens.end);
            let starts = (tokens.start..end).step_by(span as usize);
            all.extend(starts.map(|start| (*clip, start..end.min(start + span))));
        }
        if all.len() > windows {
            shuffle(&mut all, &mut rng_stream(1, *b"windows ", 0));
            all.truncate(windows);
        }
        let mut bytes = Vec::new();
        for (clip, tokens) in all {
            // The filter begins a little earlier, so that it does not begin with a step.
            let before = tokens.start.min(LEAD);
            let read = tokens.start - before..tokens.end;
            self.recordings.corpus.read(clip, read, &mut bytes)?;
            let tokens: Vec<Token> = bytes.iter().map(|&byte| byte.into()).collect();
            let samples = self.recordings.emphasis.decode(&tokens, self.rate());
            profile.add(&samples[before as usize..]);
        }
        Ok(profile)
    }

    /// Replaces `out` by a whole sequence, one byte a token.
    ///
    /// # Errors
    /// When the imported tokens cannot be read.
    pub fn bytes(&self, index: usize, out: &mut Vec<u8>) -> Result<()> {
        let ClipRange { clip, tokens } = &self.ranges[index];
        self.recordings.corpus.read(*clip, tokens.clone(), out)
    }

    /// The beginning of the sequence of median power among the first `training` ones, as a WAV file of at most 1 s.
    ///
    /// # Errors
    /// When the imported tokens cannot be read.
    ///
    /// # Panics
    /// If `training` is 0.
    pub fn prompt(&self, training: usize) -> Result<Vec<u8>> {
        let mut powers = Vec::new();
        for index in (0..training).step_by(training.div_ceil(PROMPT_CANDIDATES)) {
            let sound = self.beginning(index)?;
            let energy: f32 = sound.iter().map(|s| s * s).sum();
            powers.push((energy / sound.len().max(1) as f32, index));
        }
        powers.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (_, median) = powers[powers.len() / 2];
        wav_bytes(&self.beginning(median)?, self.rate())
    }

    /// A whole sequence.
    ///
    /// # Errors
    /// When the imported tokens cannot be read.
    pub fn tokens(&self, index: usize) -> Result<Vec<Token>> {
        let mut bytes = Vec::new();
        self.bytes(index, &mut bytes)?;
        Ok(bytes.into_iter().map(Token::from).collect())
    }

    /// Whether a sequence ends where its recording ends.
    pub fn ends(&self, index: usize) -> bool {
        let range = &self.ranges[index];
        range.tokens.end >= self.recordings.recorded(range.clip).tokens.end
    }

    fn beginning(&self, index: usize) -> Result<Vec<f32>> {
        let wanted = (PROMPT_SECONDS * self.rate() as f32) as usize;
        let mut tokens = vec![0; self.length(index).min(wanted)];
        let end = tokens.len();
        self.read(index, 0..end, &mut tokens)?;
        Ok(self.recordings.emphasis.decode(&tokens, self.rate()))
    }

    fn rate(&self) -> u32 {
        self.recordings.corpus.sample_rate()
    }
}

impl SequenceDataset for ClipDataset<'_> {
    fn count(&self) -> usize {
        self.ranges.len()
    }

    fn length(&self, index: usize) -> usize {
        let tokens = &self.ranges[index].tokens;
        (tokens.end - tokens.start) as usize
    }

    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let ClipRange { clip, tokens } = &self.ranges[index];
        let mut bytes = Vec::new();
        let range = tokens.start + range.start as u64..tokens.start + range.end as u64;
        self.recordings.corpus.read(*clip, range, &mut bytes)?;
        for (out, byte) in out.iter_mut().zip(bytes) {
            *out = Token::from(byte);
        }
        Ok(())
    }
}

/// A recording as tokens of a model of this format: resampled, and evened in loudness if the training data was.
///
/// # Errors
/// When the file cannot be read as sound.
pub fn read_tokens(path: &Path, format: &SoundFormat) -> Result<Vec<Token>> {
    let recording = import::read(path)?;
    let mut samples = resample(&recording.samples, recording.rate, format.sample_rate)?;
    if format.remove_offset {
        without_offset(&mut samples, format.sample_rate);
    }
    if format.even_loudness {
        even_loudness(&mut samples, format.sample_rate);
    }
    Ok(format.emphasis.encode(&samples))
}

/// The sample that each of the 256 tokens decodes to.
pub fn token_values() -> Vec<f32> {
    (0..256).map(MuLaw::decode_token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{SoundCodec, WavSink};
    use std::fs;

    const RATE: u32 = 8_000;

    const SETTINGS: ImportSettings = ImportSettings {
        sample_rate: None,
        even_loudness: false,
        trim_silence: false,
        trailing_silence: 0.01,
        remove_offset: false,
        emphasis: Emphasis::NONE,
    };

    /// Tokens that the settings add behind each clip.
    const ADDED: u64 = 80;

    fn tone(gain: f32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|i| gain * (i as f32 * 0.1).sin())
            .collect()
    }

    fn write(path: &Path, samples: &[f32]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut sink = WavSink::create(path, RATE).unwrap();
        sink.write(samples).unwrap();
        sink.finish().unwrap();
    }

    /// Recordings `CLASS/INDEX.wav` of 1000 samples and more; the class is the parity of the index.
    fn import(count: usize, rule: &LabelRule) -> Result<RecordingDataset> {
        let folder = tempfile::tempdir().unwrap();
        for index in 0..count {
            let class = ["even", "odd"][index % 2];
            let gain = 0.9 / (1 + (index * 7) % count) as f32;
            let path = folder.path().join(format!("{class}/{index}.wav"));
            write(&path, &tone(gain, 1_000 + index));
        }
        write(&folder.path().join("loose.wav"), &tone(0.5, 1_000));
        RecordingDataset::import(folder.path(), &SETTINGS, rule, folder.path(), &|_, _| {})
    }

    #[test]
    fn recordings_without_labels_are_left_out_with_the_reason() {
        let all = import(4, &LabelRule::None).unwrap();
        assert_eq!(all.corpus.clips().len(), 5);
        assert_eq!((all.unlabelled.len(), all.classes().width()), (0, 0));
        let labelled = import(4, &LabelRule::Folders).unwrap();
        assert_eq!(labelled.corpus.clips().len(), 4);
        assert_eq!(labelled.classes().width(), 2);
        let [Skipped { path, reason }] = &labelled.unlabelled[..] else {
            panic!("{:?}", labelled.unlabelled);
        };
        assert_eq!(path, "loose.wav");
        let error = import(0, &LabelRule::Folders).err().unwrap().to_string();
        assert!(error.ends_with(&format!("loose.wav: {reason}")), "{error}");
    }

    #[test]
    fn few_recordings_hold_out_their_ends_and_many_one_in_ten() {
        let few = import(4, &LabelRule::Folders).unwrap();
        let (ranges, split) = few.split(&SplitRule::OneInTen).unwrap();
        assert_eq!((split.rule.as_str(), split.training), (TAILS, 4));
        for (training, out) in ranges[..4].iter().zip(&ranges[4..]) {
            assert_eq!(training.clip, out.clip);
            assert_eq!(training.tokens, 0..out.tokens.start);
            // The added silence is in neither.
            let len = few.corpus.clips()[out.clip].len - ADDED;
            assert_eq!(out.tokens, len - len / 10..len);
        }
        let many = import(20, &LabelRule::Folders).unwrap();
        let (ranges, split) = many.split(&SplitRule::OneInTen).unwrap();
        assert_eq!((split.training, split.validation.len()), (18, 2));
        for (index, range) in ranges.iter().enumerate() {
            let clip = &many.corpus.clips()[range.clip];
            let added = if index < 18 { 0 } else { ADDED };
            assert_eq!(range.tokens, 0..clip.len - added);
            assert_eq!(index >= 18, split.validation.contains(&clip.path));
        }
    }

    #[test]
    fn a_recorded_split_gives_the_same_ranges() {
        for count in [4, 20] {
            let recordings = import(count, &LabelRule::Folders).unwrap();
            let first = recordings.split(&SplitRule::OneInTen).unwrap();
            let listed = SplitRule::Listed(first.1.clone());
            assert_eq!(recordings.split(&listed).unwrap(), first);
        }
    }

    #[test]
    fn a_sequence_is_its_range_of_the_clip() {
        let recordings = import(3, &LabelRule::Folders).unwrap();
        let (ranges, _) = recordings.split(&SplitRule::OneInTen).unwrap();
        let dataset = ClipDataset::new(&recordings, ranges.clone());
        assert_eq!(dataset.count(), ranges.len());
        let (mut clip, mut bytes) = (Vec::new(), Vec::new());
        for (index, range) in ranges.iter().enumerate() {
            let len = recordings.corpus.clips()[range.clip].len;
            recordings
                .corpus
                .read(range.clip, 0..len, &mut clip)
                .unwrap();
            let expected = &clip[range.tokens.start as usize..range.tokens.end as usize];
            dataset.bytes(index, &mut bytes).unwrap();
            assert_eq!(bytes, expected);
            let mut tokens = vec![0; dataset.length(index) - 20];
            dataset
                .read(index, 3..tokens.len() + 3, &mut tokens)
                .unwrap();
            let expected: Vec<Token> = expected[3..tokens.len() + 3]
                .iter()
                .map(|&byte| byte.into())
                .collect();
            assert_eq!(tokens, expected);
        }
        let conditions = dataset.conditions(&recordings.classes()).unwrap();
        for (condition, range) in conditions.iter().zip(&ranges) {
            let even = recordings.corpus.clips()[range.clip]
                .path
                .starts_with("even");
            assert_eq!(condition[..], if even { [1.0, 0.0] } else { [0.0, 1.0] });
        }
    }

    #[test]
    fn the_prompt_is_of_median_loudness() {
        let recordings = import(5, &LabelRule::Folders).unwrap();
        let (ranges, split) = recordings.split(&SplitRule::OneInTen).unwrap();
        let dataset = ClipDataset::new(&recordings, ranges);
        let bytes = dataset.prompt(split.training).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompt.wav");
        fs::write(&path, bytes).unwrap();
        let prompt = import::read(&path).unwrap();
        assert_eq!(prompt.rate, RATE);
        let peak = prompt
            .samples
            .iter()
            .fold(0.0_f32, |peak, s| peak.max(s.abs()));
        // The gains are 0.9 over 1 to 5.
        assert!((peak - 0.3).abs() < 0.01, "{peak}");
    }

    #[test]
    fn a_file_becomes_the_tokens_that_the_corpus_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        write(&path, &tone(0.1, 2_000));
        for (even_loudness, emphasis) in [(false, Emphasis::USUAL), (true, Emphasis::NONE)] {
            let settings = ImportSettings {
                sample_rate: Some(6_000),
                even_loudness,
                trailing_silence: 0.0,
                emphasis,
                ..SETTINGS
            };
            let corpus =
                Corpus::import(&path, &settings, folder.path(), &|_, _| {}, &|_| true).unwrap();
            let mut bytes = Vec::new();
            let len = corpus.clips()[0].len;
            corpus.read(0, 0..len, &mut bytes).unwrap();
            let format = SoundFormat {
                sample_rate: 6_000,
                codec: SoundCodec::MuLaw,
                even_loudness,
                trim_silence: false,
                trailing_silence: 0.0,
                remove_offset: false,
                emphasis,
                frames: None,
            };
            let tokens: Vec<Token> = bytes.iter().map(|&byte| byte.into()).collect();
            assert_eq!(read_tokens(&path, &format).unwrap(), tokens);
        }
        assert_eq!(
            token_values()[MuLaw::SILENCE as usize],
            MuLaw::decode_token(128)
        );
    }
}
