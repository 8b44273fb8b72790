/*! The verbs on sound, and what they share: recordings as sequences. */

mod eval;
mod generate;
mod score;
pub(super) mod train;
mod verbs;

use std::ops::Range;
use std::path::Path;

use crate::audio;
use crate::audio::SoundFormat;
use crate::audio::{Corpus, ImportSettings, MuLaw, Skipped};
use crate::base::labels::{Classes, Label, LabelRule};
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::sequence::{Codec, SequenceDataset, Token};

/// A corpus of recordings, with what their names say about them.
pub(super) struct Recordings {
    pub(super) corpus: Corpus,
    /// One list for each clip.
    pub(super) labels: Vec<Vec<Label>>,
}

impl Recordings {
    /// Reads a folder and says what was found. Files whose name does not say their labels are skipped, with the reason.
    pub(super) fn import(
        folder: &Path,
        settings: &ImportSettings,
        rule: &LabelRule,
        scratch: &Path,
        ui: &Ui,
    ) -> Result<Self> {
        let live = ui.live();
        let unlabelled = std::sync::Mutex::new(Vec::new());
        let keep = |path: &str| match rule.labels(path) {
            Ok(_) => true,
            Err(reason) => {
                let skipped = Skipped {
                    path: path.into(),
                    reason,
                };
                unlabelled
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push(skipped);
                false
            }
        };
        let progress = |done: usize, total: usize| {
            live.set_message(format!("reading {done} of {total} recordings"));
        };
        let corpus = Corpus::import(folder, settings, scratch, &progress, &keep);
        live.finish_and_clear();
        let unlabelled = unlabelled
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let corpus = corpus.map_err(|error| match unlabelled.first() {
            Some(first) => Error::input(
                folder,
                format!(
                    "none of its recordings can be used; {}: {}",
                    first.path, first.reason
                ),
            ),
            None => error,
        })?;
        ui.say(corpus.summary().to_string());
        if let Some(first) = unlabelled.first() {
            ui.warn(format!(
                "{} recordings left out: {} ({})",
                unlabelled.len(),
                first.path,
                first.reason
            ));
        }
        let labels = corpus
            .clips()
            .iter()
            .map(|clip| rule.labels(&clip.path).unwrap_or_default())
            .collect();
        Ok(Self { corpus, labels })
    }

    /// A clip as it was recorded: without the silence that was added behind it, which costs next to nothing and would
    /// flatter every measure.
    pub(super) fn recorded(&self, clip: usize, settings: &ImportSettings) -> Part {
        let added = f64::from(settings.trailing_silence) * f64::from(self.corpus.sample_rate());
        let len = self.corpus.clips()[clip].len;
        (clip, 0..len.saturating_sub(added.round() as u64).max(1))
    }

    /// The classes that occur.
    pub(super) fn classes(&self) -> Classes {
        Classes::collect(self.labels.iter().map(Vec::as_slice))
    }
}

/// A clip's number, and which of its tokens.
pub(super) type Part = (usize, Range<u64>);

/// Parts of a corpus's clips as sequences; a part is mostly the whole clip.
pub(super) struct Parts<'a> {
    corpus: &'a Corpus,
    parts: Vec<Part>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(corpus: &'a Corpus, parts: Vec<Part>) -> Self {
        Self { corpus, parts }
    }

    /// One condition vector for each sequence, by the labels of its recording.
    pub(super) fn conditions(
        &self,
        recordings: &Recordings,
        classes: &Classes,
    ) -> Result<Vec<Vec<f32>>> {
        self.parts
            .iter()
            .map(|(clip, _)| classes.vector(&recordings.labels[*clip]))
            .collect()
    }

    /// A sequence's tokens as bytes.
    pub(super) fn bytes(&self, index: usize, out: &mut Vec<u8>) -> Result<()> {
        let (clip, range) = &self.parts[index];
        self.corpus.read(*clip, range.clone(), out)
    }
}

impl SequenceDataset for Parts<'_> {
    fn count(&self) -> usize {
        self.parts.len()
    }

    fn length(&self, index: usize) -> usize {
        let (_, range) = &self.parts[index];
        (range.end - range.start) as usize
    }

    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let (clip, part) = &self.parts[index];
        let mut bytes = Vec::new();
        let range = part.start + range.start as u64..part.start + range.end as u64;
        self.corpus.read(*clip, range, &mut bytes)?;
        for (out, byte) in out.iter_mut().zip(bytes) {
            *out = Token::from(byte);
        }
        Ok(())
    }
}

/// A recording as the model's tokens, treated as the training data was.
pub(super) fn read_tokens(path: &Path, sound: &SoundFormat) -> Result<Vec<Token>> {
    let recording = audio::import::read(path)?;
    let mut samples =
        audio::resample::resample(&recording.samples, recording.rate, sound.sample_rate)?;
    if sound.even_loudness {
        audio::loudness::even_loudness(&mut samples, sound.sample_rate);
    }
    MuLaw.encode(&samples)
}

/// The sample values that the 256 tokens stand for.
pub(super) fn token_values() -> Vec<f32> {
    (0..256).map(MuLaw::decode_token).collect()
}
