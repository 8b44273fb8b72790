/*! Makes the frames of a sound model of two tiers, one after another. */

use std::sync::Arc;

use burn::prelude::*;

use crate::app::OpenModel;
use crate::audio::frames::{Frame, FrameCodec, FrameGrammar, SLOTS};
use crate::error::{Error, Result};
use crate::sequence::{GuidedStepper, LiveGenerator, Sampler, Sampling, Stepper, Token};

/// The temperature of frames at which a model sounds best; guidance makes it cooler by itself.
const TEMPERATURE: f32 = 0.85;
const GUIDED_TEMPERATURE: f32 = 1.0;
/// The strength of guidance at which a model sounds best.
const GUIDANCE: f32 = 1.0;
/// The most steps of the frame tier for one, where guidance is not asked for.
const MOST_VOICES: usize = 64;
/// Frames at the end of a prompt that are made anew: their analysis lacks what follows.
const UNSURE: usize = 2;

/// How frames are drawn; what is missing is as a model sounds best.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FrameSampling {
    /// Divides the logits of frames. Where it is missing 0.85, or 1 with guidance.
    pub temperature: Option<f32>,
    /// How strongly frames are drawn towards what tells the classes asked for from the others. Where it is missing 1, or 0 for more
    /// than 64 classes: the frame tier steps once for each.
    pub guidance: Option<f32>,
}

impl FrameSampling {
    /// Refuses numbers that are not possible.
    pub(crate) fn validate(self) -> Result<()> {
        for (option, value) in [
            ("--frame-temperature", self.temperature),
            ("--guidance", self.guidance),
        ] {
            if let Some(value) = value
                && !(value.is_finite() && value >= 0.0)
            {
                return Err(Error::usage(format!("{option} {value} is out of range"))
                    .with_hint("use a number from 0 up"));
            }
        }
        Ok(())
    }

    /// The classes and the strength of guidance of a frame tier, where it is guided.
    fn guiding(self, frames: &OpenModel) -> Option<(Vec<usize>, f32)> {
        let groups = frames.manifest.classes.counts();
        let voices = GuidedStepper::voices(&groups);
        let usual = if voices > MOST_VOICES { 0.0 } else { GUIDANCE };
        let strength = self.guidance.unwrap_or(usual);
        (strength > 0.0 && voices > 1).then_some((groups, strength))
    }

    /// A stepper of one lane, guided where the frame tier has classes.
    pub(crate) fn stepper(self, frames: &OpenModel) -> Result<Box<dyn Stepper>> {
        let net = frames.load(&Device::flex())?;
        let net = net.require_sequence()?;
        let Some((groups, strength)) = self.guiding(frames) else {
            return net.stepper(1);
        };
        let inner = net.stepper(GuidedStepper::voices(&groups))?;
        Ok(Box::new(GuidedStepper::new(inner, groups, strength)))
    }

    /// The sampler of an item. The temperature does not change the probability that a sound ends at a frame; guidance does.
    pub(crate) fn sampler(self, frames: &OpenModel, seed: u64, item: u64) -> Result<Sampler> {
        let usual = match self.guiding(frames) {
            Some(_) => GUIDED_TEMPERATURE,
            None => TEMPERATURE,
        };
        let sampling = Sampling {
            temperature: self.temperature.unwrap_or(usual),
            ..Sampling::default()
        };
        let sampler = Sampler::new(sampling, frame_seed(seed), item)?;
        Ok(sampler
            .with_grammar(Some(Arc::new(FrameGrammar)))
            .with_steady(FrameCodec::alphabet().stop))
    }
}

/// Draws frames one after another.
pub(crate) struct FrameMaker {
    generator: LiveGenerator,
    codec: Arc<FrameCodec>,
    /// Quiet frames in a row that were made.
    quiet: usize,
}

impl FrameMaker {
    /// Draws the frames of `generator`, which the codec explains.
    pub(crate) fn new(generator: LiveGenerator, codec: Arc<FrameCodec>) -> Self {
        Self {
            generator,
            codec,
            quiet: 0,
        }
    }

    /// Cuts a prompt to whole frames at its beginning and reads the frames that are certain, which it returns.
    pub(crate) fn read(&mut self, prompt: &mut Vec<Token>) -> Result<Vec<Frame>> {
        let surplus = prompt.len() % self.codec.hop();
        prompt.drain(..surplus);
        let mut known = self.codec.analyse(prompt);
        known.truncate(known.len().saturating_sub(UNSURE));
        for token in FrameCodec::tokens(&known) {
            self.generator.read(token)?;
        }
        Ok(known)
    }

    /// The next frames, `most` at the most; where a sound ends, another begins after a frame of silence if `fill` says so.
    pub(crate) fn make(&mut self, most: usize, fill: bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        while frames.len() < most {
            let next = self.next();
            // Silence also between sounds that end before they begin: so this ends.
            frames.push(next.unwrap_or(Frame::SILENT));
            if next.is_none() && !fill {
                break;
            }
        }
        frames
    }

    /// The next frame; `None` where a sound ends, which it does at the latest after the longest pause of the corpus, where that is known.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let frame = self.draw();
        if let (Some(frame), Some(pauses)) = (frame, self.codec.pauses()) {
            self.quiet = if pauses.is_quiet(frame) {
                self.quiet + 1
            } else {
                0
            };
            if self.quiet > pauses.longest() {
                self.restart();
                return None;
            }
        }
        frame
    }

    fn draw(&mut self) -> Option<Frame> {
        let mut tokens = Vec::with_capacity(SLOTS);
        while tokens.len() < SLOTS {
            let token = self.generator.step();
            if FrameCodec::alphabet().stop == Some(token) {
                self.quiet = 0;
                return None;
            }
            tokens.push(token);
        }
        let frames = FrameCodec::frames(&tokens).expect("the grammar keeps each slot's range");
        frames.first().copied()
    }

    /// Begins a sound anew.
    pub(crate) fn restart(&mut self) {
        self.generator.restart();
        self.quiet = 0;
    }

    /// Changes the condition from the next frame on.
    #[cfg(feature = "play")]
    pub(crate) fn recondition(&mut self, condition: Option<Vec<f32>>) {
        self.generator.recondition(condition);
    }

    /// Starts the random stream of another seed.
    #[cfg(feature = "play")]
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.generator.reseed(frame_seed(seed));
    }

    /// The stepper, for another item.
    pub(crate) fn into_stepper(self) -> Box<dyn Stepper> {
        self.generator.into_stepper()
    }
}

/// The seed of the frames: their randomness is not that of the samples.
fn frame_seed(seed: u64) -> u64 {
    seed ^ 0x6672_616D_6573
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audio::Emphasis;
    use crate::sequence::Alphabet;

    /// Silence. Until its second reset, the last of each 30 of the first 90 frames is loud.
    struct Quiet {
        logits: Vec<f32>,
        tokens: usize,
        resets: usize,
    }

    impl Stepper for Quiet {
        fn alphabet(&self) -> Alphabet {
            FrameCodec::alphabet()
        }

        fn lanes(&self) -> usize {
            1
        }

        fn reset(&mut self, _: usize, _: Option<&[f32]>) {
            self.tokens = 0;
            self.resets += 1;
        }

        fn recondition(&mut self, _: usize, _: Option<&[f32]>) {}

        fn step(&mut self, _: &[Token]) -> &[f32] {
            // The generator resets it when it begins.
            let loud =
                self.resets == 1 && self.tokens < 90 * SLOTS && self.tokens / SLOTS % 30 == 29;
            let frame = Frame {
                gain: if loud { 40 } else { 0 },
                ..Frame::SILENT
            };
            let token = FrameCodec::tokens(&[frame])[self.tokens % SLOTS];
            self.tokens += 1;
            self.logits.fill(0.0);
            self.logits[token as usize] = 60.0;
            &self.logits
        }

        fn gather(&mut self, _: &[usize]) {}
    }

    fn maker(pauses: Option<usize>) -> FrameMaker {
        let sound = Ok(Emphasis::NONE.encode(&[0.1; 4_000]));
        let codec = FrameCodec::learn(8_000, Emphasis::NONE, [sound].into_iter(), 1).unwrap();
        let mut json = serde_json::to_value(codec).unwrap();
        if let Some(longest) = pauses {
            json["pauses"] = json!({"quiet_below": 5, "longest": longest});
        }
        let codec: FrameCodec = serde_json::from_value(json).unwrap();
        let stepper = Quiet {
            logits: vec![0.0; FrameCodec::alphabet().size],
            tokens: 0,
            resets: 0,
        };
        let sampler = Sampler::new(Sampling::default(), 1, 0).unwrap();
        let sampler = sampler.with_grammar(Some(Arc::new(FrameGrammar)));
        let generator = LiveGenerator::new(Box::new(stepper), sampler, None);
        FrameMaker::new(generator, Arc::new(codec))
    }

    #[test]
    fn a_sound_that_stays_quiet_ends_after_the_longest_pause() {
        assert_eq!(maker(None).make(500, false).len(), 500);
        // Three times a loud frame after 29 quiet ones, then a pause; the last frame stands for the end.
        let made = maker(Some(36)).make(500, false);
        assert_eq!(made.len(), 90 + 36 + 1);
        assert!((0..90).all(|index| (made[index].gain == 40) == (index % 30 == 29)));
        // The network begins anew: this one has no loud frame then.
        let mut maker = maker(Some(36));
        let first: Vec<bool> = (0..127).map(|_| maker.next().is_some()).collect();
        assert_eq!(first.iter().position(|made| !made), Some(126));
        let second: Vec<Option<Frame>> = (0..37).map(|_| maker.next()).collect();
        assert_eq!(second[..36], [Some(Frame::SILENT); 36]);
        assert_eq!(second[36], None);
    }
}
