/*! The frames of recordings: as sequences for the frame tier, and as conditions for the sample tier. */

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::{Frame, FrameCodec, SLOTS};
use crate::audio::ClipDataset;
use crate::error::Result;
use crate::sequence::{ConditionSource, SequenceDataset, Token};

/// The frames of each sequence of a dataset of clips.
pub struct FrameDataset {
    codec: Arc<FrameCodec>,
    frames: Vec<Vec<Frame>>,
    /// Whether the sequence ends where its recording ends.
    ended: Vec<bool>,
}

impl FrameDataset {
    /// Analyses all clips.
    ///
    /// # Errors
    /// When the imported tokens cannot be read.
    pub fn analyse(codec: Arc<FrameCodec>, clips: &ClipDataset) -> Result<Self> {
        let analysed: Result<Vec<_>> = (0..clips.count())
            .into_par_iter()
            .map(|index| Ok(codec.analyse(&clips.tokens(index)?)))
            .collect();
        Ok(Self {
            frames: analysed?,
            ended: (0..clips.count()).map(|index| clips.ends(index)).collect(),
            codec,
        })
    }

    /// Lets the codec know the pauses of the first sequences, those for training.
    pub fn find_pauses(&mut self, training: usize) {
        Arc::make_mut(&mut self.codec).find_pauses(&self.frames[..training]);
    }

    /// The conditions of the sequences: from their frames, where there are any, and their class vectors.
    pub fn conditions<'a>(
        frames: Option<&'a Self>,
        classes: &'a Vec<Vec<f32>>,
    ) -> Box<dyn ConditionSource + 'a> {
        match frames {
            Some(frames) => Box::new(FrameConditions { frames, classes }),
            None => Box::new(classes.clone()),
        }
    }

    /// What the frames mean.
    pub fn codec(&self) -> &FrameCodec {
        &self.codec
    }
}

impl SequenceDataset for FrameDataset {
    fn count(&self) -> usize {
        self.frames.len()
    }

    fn length(&self, index: usize) -> usize {
        self.frames[index].len() * SLOTS + usize::from(self.ended[index])
    }

    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let frames = &self.frames[index];
        let first = (range.start / SLOTS).min(frames.len());
        let last = range.end.div_ceil(SLOTS).min(frames.len());
        let mut tokens = FrameCodec::tokens(&frames[first..last]);
        tokens.extend(FrameCodec::alphabet().stop);
        out.copy_from_slice(&tokens[range.start - first * SLOTS..][..range.len()]);
        Ok(())
    }
}

/// What the frames of each sequence, and its classes, tell the sample tier.
struct FrameConditions<'a> {
    frames: &'a FrameDataset,
    /// One class vector for each sequence.
    classes: &'a [Vec<f32>],
}

impl ConditionSource for FrameConditions<'_> {
    fn hop(&self) -> Option<usize> {
        Some(self.frames.codec.hop())
    }

    fn width(&self) -> usize {
        self.frames.codec.condition_width() + self.classes.first().map_or(0, Vec::len)
    }

    fn read(&self, sequence: usize, hops: Range<usize>, out: &mut Vec<f32>) {
        let frames = &self.frames.frames[sequence];
        for index in hops {
            self.frames.codec.condition(frames, index, out);
            out.extend_from_slice(&self.classes[sequence]);
        }
    }
}
