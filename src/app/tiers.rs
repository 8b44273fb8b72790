/*!
The two tiers of a sound model: a frame tier says what sounds every 10 ms, and a sample tier makes the samples from it.

The frame tier is a model folder in the folder of the sample tier.
*/

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::OpenModel;
use crate::app::frame_maker::{FrameMaker, FrameSampling};
use crate::audio::frames::{Frame, FrameCodec, before_stretching, stretched};
use crate::error::{Error, IoContext, Result};
use crate::sequence::{ConditionStream, HeldCondition, Item, LiveGenerator, Stepper, Token};

/// The name of the frame tier's folder, and of the file of the frames' codebooks.
const FRAMES: &str = "frames";
const CODEBOOKS: &str = "codebooks.json";
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

/// How the frames of items are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steering {
    pub(crate) sampling: FrameSampling,
    pub(crate) seed: u64,
    pub(crate) change: FrameChange,
    /// Whether a sound that ends is followed by another.
    pub(crate) fill: bool,
}

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

impl Tiers {
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

    /// Makes the frames of item `item`, with the stepper that such an item used before, where there is one.
    pub(crate) fn frame_maker(
        &self,
        how: &Steering,
        item: u64,
        condition: Option<Vec<f32>>,
        stepper: Option<Box<dyn Stepper>>,
    ) -> Result<FrameMaker> {
        let stepper = match stepper {
            Some(stepper) => stepper,
            None => how.sampling.stepper(&self.frames)?,
        };
        let sampler = how.sampling.sampler(&self.frames, how.seed, item)?;
        let generator = LiveGenerator::new(stepper, sampler, condition);
        Ok(FrameMaker::new(generator, self.codec.clone()))
    }

    /// Makes the frames of each item and lets them steer it: to their end, or for `samples` samples in all, with one sound
    /// after another where `fill` says so.
    pub(crate) fn steer(&self, items: &mut [Item], how: &Steering, samples: usize) -> Result<()> {
        let hop = self.codec.hop();
        let hops = samples.div_ceil(hop);
        let mut stepper = None;
        for (index, item) in (0..).zip(items) {
            let condition = item.condition.clone();
            let mut maker = self.frame_maker(how, index, condition.clone(), stepper.take())?;
            let known = maker.read(&mut item.prompt)?;
            let heard = item.prompt.len() / hop;
            // One more than is heard: the last one too has a frame after it.
            let last = before_stretching(hops + heard - known.len(), how.change.stretch);
            let made = maker.make(last + 1, how.fill);
            stepper = Some(maker.into_stepper());
            item.stream = Some(Box::new(KnownFrames {
                codec: self.codec.clone(),
                frames: [known, how.change.of(&self.codec, &made)].concat(),
                classes: condition.unwrap_or_default(),
                next: 0,
            }));
        }
        Ok(())
    }
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
