/*!
The two tiers of a sound model: a frame tier says what sounds every 10 ms, and a sample tier makes the samples from it.

The frame tier is a model folder in the folder of the sample tier.
*/

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::prelude::*;

use crate::app::OpenModel;
use crate::audio::frames::{Frame, FrameCodec, FrameGrammar, SLOTS, before_stretching, stretched};
use crate::error::{Error, IoContext, Result};
use crate::sequence::{
    ConditionStream, GuidedStepper, HeldCondition, Item, LiveGenerator, Sampler, Sampling, Stepper,
    Token,
};

/// The name of the frame tier's folder, and of the file of the frames' codebooks.
const FRAMES: &str = "frames";
const CODEBOOKS: &str = "codebooks.json";
/// The temperature and the guidance of frames at which a model sounds best.
const FRAME_TEMPERATURE: f32 = 0.85;
const GUIDANCE: f32 = 1.0;
/// The most steps of the frame tier for one, where guidance is not asked for.
const MOST_VOICES: usize = 64;
/// Frames with a pitch are drawn cooler by this factor.
const VOICED: f32 = 0.75;

/// The folder of the frame tier of the model in `folder`.
pub(crate) fn frame_folder(folder: &Path) -> PathBuf {
    folder.join(FRAMES)
}

/// The codebooks as a file of the model folder.
pub(crate) fn codebooks_file(codec: &FrameCodec) -> (&'static str, Vec<u8>) {
    (
        CODEBOOKS,
        serde_json::to_vec(codec).expect("codebooks are JSON"),
    )
}

/// How the frames that are made or found are changed before their samples are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameChange {
    /// Semitones up.
    pub transpose: f32,
    /// How many times as long.
    pub stretch: f64,
}

impl Default for FrameChange {
    fn default() -> Self {
        Self {
            transpose: 0.0,
            stretch: 1.0,
        }
    }
}

impl FrameChange {
    /// The frames with this change.
    fn of(self, codec: &FrameCodec, frames: &[Frame]) -> Vec<Frame> {
        let moved = |&frame: &Frame| codec.transposed(frame, self.transpose);
        stretched(&frames.iter().map(moved).collect::<Vec<_>>(), self.stretch)
    }

    /// Refuses factors that are not possible.
    pub(crate) fn validate(&self) -> Result<()> {
        if !(self.transpose.is_finite() && self.transpose.abs() <= 48.0) {
            return Err(
                Error::usage(format!("--transpose {} is not possible", self.transpose))
                    .with_hint("semitones are from -48 to 48"),
            );
        }
        if !(self.stretch.is_finite() && (0.1..=10.0).contains(&self.stretch)) {
            return Err(
                Error::usage(format!("--stretch {} is not possible", self.stretch))
                    .with_hint("a factor is from 0.1 to 10; 2 makes it twice as long"),
            );
        }
        Ok(())
    }
}

/// How frames are drawn; what is missing is as a model sounds best.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FrameSampling {
    /// Divides the logits of frames. 0.85 where it is missing.
    pub temperature: Option<f32>,
    /// How strongly frames are drawn towards what tells the classes asked for from the others. Where it is missing 1, or 0 for more
    /// than 64 classes: the frame tier steps once for each.
    pub guidance: Option<f32>,
}

impl FrameSampling {
    /// Refuses numbers that are not possible.
    fn validate(self) -> Result<()> {
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
}

/// How the frames of items are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steering {
    pub(crate) sampling: FrameSampling,
    pub(crate) seed: u64,
    pub(crate) change: FrameChange,
    /// Whether a sound that ends is followed by another.
    pub(crate) fill: bool,
}

/// Frames at the end of a prompt that are made anew: their analysis lacks what follows.
const UNSURE: usize = 2;

/// The frame tier of a sound model.
pub(crate) struct Tiers {
    pub(crate) codec: Arc<FrameCodec>,
    pub(crate) frames: OpenModel,
}

impl OpenModel {
    /// Whether it is a sound model of two tiers.
    pub(crate) fn has_frames(&self) -> bool {
        self.sound().is_ok_and(|sound| sound.frames.is_some())
    }

    /// Refuses settings and a change of frames that are not possible, any for a model without frames, and guidance for one without
    /// classes.
    pub(crate) fn check_frame_options(
        &self,
        sampling: FrameSampling,
        change: FrameChange,
    ) -> Result<()> {
        change.validate()?;
        sampling.validate()?;
        let asked = (sampling, change) != (FrameSampling::default(), FrameChange::default());
        if self.has_frames() || !asked {
            if sampling.guidance.is_some() && self.manifest.classes.width() == 0 {
                let what = "--guidance needs a model with classes";
                return Err(Error::usage(what).with_hint("omit it"));
            }
            return Ok(());
        }
        Err(Error::usage(
            "--frame-temperature, --guidance, --transpose and --stretch need a sound model of two tiers",
        )
        .with_hint("omit them; train sound makes models of two tiers"))
    }

    /// The frame tier, where the model has one.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub(crate) fn tiers(&self) -> Result<Option<Tiers>> {
        if self.sound()?.frames.is_none() {
            return Ok(None);
        }
        Ok(Some(Tiers {
            codec: Arc::new(self.codebooks()?),
            frames: Self::open(frame_folder(self.folder.path()))?,
        }))
    }

    /// The codebooks of the frames.
    pub(crate) fn codebooks(&self) -> Result<FrameCodec> {
        let path = self.folder.path().join(CODEBOOKS);
        let text = std::fs::read(&path).reading(&path)?;
        let codec: FrameCodec = serde_json::from_slice(&text)
            .map_err(|error| Error::model(&path, format!("it is damaged ({error})")))?;
        if Some(codec.format()) != self.sound()?.frames {
            return Err(Error::model(&path, "it belongs to another model"));
        }
        Ok(codec)
    }
}

/// The seed of the frames: their randomness is not that of the samples.
pub(crate) fn frame_seed(seed: u64) -> u64 {
    seed ^ 0x6672_616D_6573
}

/// Draws the slots of frames. Their temperature does not change when a sound ends; guidance does.
pub(crate) fn frame_sampler(frames: FrameSampling, seed: u64, item: u64) -> Result<Sampler> {
    let sampling = Sampling {
        temperature: frames.temperature.unwrap_or(FRAME_TEMPERATURE),
        ..Sampling::default()
    };
    let sampler = Sampler::new(sampling, frame_seed(seed), item)?;
    Ok(sampler
        .with_grammar(Some(Arc::new(FrameGrammar)))
        .with_steady(FrameCodec::alphabet().stop))
}

impl Tiers {
    /// The frame tier's stepper of one lane, which is guided where the model has classes.
    pub(crate) fn stepper(&self, sampling: FrameSampling) -> Result<Box<dyn Stepper>> {
        let net = self.frames.load(&Device::flex())?;
        let groups = self.frames.manifest.classes.counts();
        let voices = GuidedStepper::voices(&groups);
        let usual = if voices > MOST_VOICES { 0.0 } else { GUIDANCE };
        let strength = sampling.guidance.unwrap_or(usual);
        if strength == 0.0 || voices == 1 {
            return net.require_sequence()?.stepper(1);
        }
        let inner = net.require_sequence()?.stepper(voices)?;
        Ok(Box::new(GuidedStepper::new(inner, groups, strength)))
    }

    /// The frames of a recording with a change, as conditions.
    pub(crate) fn stream_of(
        &self,
        tokens: &[Token],
        change: FrameChange,
        classes: Option<&[f32]>,
    ) -> Box<dyn ConditionStream> {
        Box::new(KnownFrames {
            codec: self.codec.clone(),
            frames: change.of(&self.codec, &self.codec.analyse(tokens)),
            classes: classes.unwrap_or_default().to_vec(),
            next: 0,
        })
    }

    /// The conditions of a recording's samples, `[hops, width]`, and their width.
    pub(crate) fn conditions(&self, tokens: &[Token], classes: &[f32]) -> (Vec<f32>, usize) {
        let frames = self.codec.analyse(tokens);
        let mut conditions = Vec::new();
        for index in 0..frames.len() {
            self.codec.condition(&frames, index, &mut conditions);
            conditions.extend_from_slice(classes);
        }
        (conditions, self.codec.condition_width() + classes.len())
    }

    /// Makes the frames of each item and lets them steer it: to their end, or for `samples` samples in all, with one sound
    /// after another where `fill` says so.
    pub(crate) fn steer(&self, items: &mut [Item], how: &Steering, samples: usize) -> Result<()> {
        let hop = self.codec.hop();
        let hops = samples.div_ceil(hop);
        let mut stepper = self.stepper(how.sampling)?;
        for (index, item) in (0..).zip(items) {
            let sampler = frame_sampler(how.sampling, how.seed, index)?;
            let mut live = LiveGenerator::new(stepper, sampler, item.condition.clone());
            let known = self.begin(&mut live, &mut item.prompt)?;
            let heard = item.prompt.len() / hop;
            // One more than is heard: the last one too has a frame after it.
            let last = before_stretching(hops + heard - known.len(), how.change.stretch);
            let made = Self::make(&mut live, last + 1, how.fill);
            stepper = live.into_stepper();
            item.stream = Some(Box::new(KnownFrames {
                codec: self.codec.clone(),
                frames: [known, how.change.of(&self.codec, &made)].concat(),
                classes: item.condition.clone().unwrap_or_default(),
                next: 0,
            }));
        }
        Ok(())
    }

    /// Cuts a prompt to whole frames at its beginning and reads the frames that are certain, which it returns.
    pub(crate) fn begin(
        &self,
        live: &mut LiveGenerator,
        prompt: &mut Vec<Token>,
    ) -> Result<Vec<Frame>> {
        let surplus = prompt.len() % self.codec.hop();
        prompt.drain(..surplus);
        let mut known = self.codec.analyse(prompt);
        known.truncate(known.len().saturating_sub(UNSURE));
        for token in FrameCodec::tokens(&known) {
            live.read(token)?;
        }
        Ok(known)
    }

    /// The next frames, `most` at the most; where a sound ends, another begins after a frame of silence if `fill` says so.
    fn make(live: &mut LiveGenerator, most: usize, fill: bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        while frames.len() < most {
            let next = drawn(live);
            // Silence also between sounds that end before they begin: so this ends.
            frames.push(next.unwrap_or(Frame::SILENT));
            if next.is_none() && !fill {
                break;
            }
        }
        frames
    }
}

/// The next frame; `None` where a sound ends.
pub(crate) fn drawn(live: &mut LiveGenerator) -> Option<Frame> {
    let mut tokens = Vec::with_capacity(SLOTS);
    while tokens.len() < SLOTS {
        let token = live.step();
        if FrameCodec::alphabet().stop == Some(token) {
            return None;
        }
        tokens.push(token);
    }
    let frames = FrameCodec::frames(&tokens).expect("the grammar keeps each slot's range");
    frames.first().copied()
}

/// The condition of frame `index`, and how cool its samples are drawn.
pub(crate) fn held(
    codec: &FrameCodec,
    frames: &[Frame],
    index: usize,
    classes: &[f32],
) -> HeldCondition {
    let mut condition = Vec::with_capacity(codec.condition_width() + classes.len());
    codec.condition(frames, index, &mut condition);
    condition.extend_from_slice(classes);
    let sharpness = if FrameCodec::is_voiced(frames[index]) {
        1.0 / VOICED
    } else {
        1.0
    };
    HeldCondition {
        condition,
        sharpness,
    }
}

/// Frames that are known, as conditions.
struct KnownFrames {
    codec: Arc<FrameCodec>,
    frames: Vec<Frame>,
    classes: Vec<f32>,
    next: usize,
}

impl ConditionStream for KnownFrames {
    fn hop(&self) -> usize {
        self.codec.hop()
    }

    fn next(&mut self) -> Option<HeldCondition> {
        (self.next < self.frames.len()).then(|| {
            self.next += 1;
            held(&self.codec, &self.frames, self.next - 1, &self.classes)
        })
    }

    fn restart(&mut self) {
        self.next = 0;
    }
}
