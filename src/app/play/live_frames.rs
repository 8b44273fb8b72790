/*! Frames of a sound model of two tiers, made while they are heard. */

use std::collections::VecDeque;
use std::sync::Arc;

use crate::app::FrameChange;
use crate::app::frame_maker::FrameMaker;
use crate::app::tiers::{Steering, Tiers, held};
use crate::audio::frames::{Frame, FrameCodec, before_stretching};
use crate::error::Result;
use crate::sequence::{ConditionStream, HeldCondition, Token};

impl Tiers {
    /// An endless stream of frames for playing, which begins with those of a prompt. The prompt is cut to whole frames.
    pub(crate) fn live(
        &self,
        classes: Option<Vec<f32>>,
        how: &Steering,
        prompt: &mut Vec<Token>,
    ) -> Result<LiveFrames> {
        let mut maker = self.frame_maker(how, 0, classes.clone(), None)?;
        let known = maker.read(prompt)?;
        Ok(LiveFrames {
            codec: self.codec.clone(),
            maker,
            known: known.into(),
            classes: classes.unwrap_or_default(),
            change: how.change,
            window: Vec::new(),
            newest: Frame::SILENT,
            made: 0,
            given: 0,
        })
    }
}

/// Frames that are made while they are heard, one ahead.
pub(crate) struct LiveFrames {
    codec: Arc<FrameCodec>,
    maker: FrameMaker,
    /// The rest of the prompt's frames.
    known: VecDeque<Frame>,
    classes: Vec<f32>,
    change: FrameChange,
    /// The frame before, the frame that is heard, the frame after.
    window: Vec<Frame>,
    newest: Frame,
    /// Frames made after the prompt's, and frames given of them, which stretching makes more or fewer.
    made: usize,
    given: usize,
}

impl LiveFrames {
    /// The frame that follows the window's.
    fn following(&mut self) -> Frame {
        if let Some(frame) = self.known.pop_front() {
            return frame;
        }
        let wanted = before_stretching(self.given, self.change.stretch);
        self.given += 1;
        while self.made <= wanted {
            // A frame of silence parts one sound from the next.
            let frame = self.maker.next().unwrap_or(Frame::SILENT);
            self.newest = self.codec.transposed(frame, self.change.transpose);
            self.made += 1;
        }
        self.newest
    }
}

impl ConditionStream for LiveFrames {
    fn hop(&self) -> usize {
        self.codec.hop()
    }

    fn next(&mut self) -> Option<HeldCondition> {
        if self.window.is_empty() {
            let first = self.following();
            self.window.push(first);
        }
        let frame = self.following();
        self.window.push(frame);
        if self.window.len() > 3 {
            self.window.remove(0);
        }
        let heard = self.window.len() - 2;
        Some(held(&self.codec, &self.window, heard, &self.classes))
    }

    fn restart(&mut self) {
        self.maker.restart();
        self.known.clear();
        self.window.clear();
        (self.made, self.given) = (0, 0);
    }

    fn recondition(&mut self, condition: Option<Vec<f32>>) {
        self.maker.recondition(condition.clone());
        self.classes = condition.unwrap_or_default();
    }

    fn reseed(&mut self, seed: u64) {
        self.maker.reseed(seed);
    }
}
