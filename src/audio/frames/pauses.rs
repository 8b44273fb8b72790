/*! How long the pauses of a corpus are. */

use serde::{Deserialize, Serialize};

use crate::audio::frames::tokens::{Frame, GAINS};

/// The share of the frames that are louder than a loud one.
const LOUD: f64 = 0.05;
/// Quiet frames are at least this many steps of the gain below a loud one: 40 dB.
const QUIET: u8 = 18;
/// The share of the recordings, rounded down to a number, that are quiet for longer than the longest pause: a few forget to end.
const OUTLIERS: f64 = 0.01;
/// The least longest pause, in frames: a network of sounds that are never quiet may yet be so for a moment.
const LEAST: usize = 20;

/// What is quiet in a corpus, and for how long. A pause is a run of quiet frames.
///
/// A network seldom meets a long pause, so it does not know how one ends, and a sound may stay quiet for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pauses {
    /// Frames with a lower class of gain are quiet.
    quiet_below: u8,
    /// Frames of the longest pause, without outliers.
    longest: usize,
}

impl Pauses {
    /// The pauses in the frames of recordings; `None` where none can be quiet.
    pub(super) fn of(recordings: &[Vec<Frame>]) -> Option<Self> {
        let mut gains: Vec<u8> = recordings.iter().flatten().map(|f| f.gain).collect();
        gains.sort_unstable();
        let loud = upper(&gains, LOUD)?;
        let quiet_below = loud.checked_sub(QUIET).filter(|&class| class > 0)?;
        let longest = |frames: &Vec<Frame>| {
            let pauses = frames.split(|frame| frame.gain >= quiet_below);
            pauses.map(<[Frame]>::len).max().unwrap_or(0)
        };
        let mut lengths: Vec<usize> = recordings.iter().map(longest).collect();
        lengths.sort_unstable();
        Some(Self {
            quiet_below,
            longest: upper(&lengths, OUTLIERS)?.max(LEAST),
        })
    }

    /// Whether they can be those of a corpus.
    pub(super) fn are_possible(self) -> bool {
        usize::from(self.quiet_below) < GAINS && self.longest > 0
    }

    /// Whether a frame is quiet.
    pub fn is_quiet(self, frame: Frame) -> bool {
        frame.gain < self.quiet_below
    }

    /// The most frames of a pause.
    pub fn longest(self) -> usize {
        self.longest
    }
}

/// The highest of sorted values without this share of them, rounded down.
fn upper<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let above = (share * sorted.len() as f64) as usize;
    sorted.get(sorted.len().checked_sub(1 + above)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(gains: &[(u8, usize)]) -> Vec<Frame> {
        let run = |&(gain, frames): &(u8, usize)| {
            std::iter::repeat_n(Frame::of([gain, 0, 0, 0, 0]), frames)
        };
        gains.iter().flat_map(run).collect()
    }

    #[test]
    fn a_pause_is_quiet_beside_the_loud_frames_and_outliers_do_not_count() {
        // A twentieth of the frames is louder than class 35.
        let usual = [(42, 4), (35, 50), (20, 9), (16, 27), (10, 3), (34, 7)];
        let mut recordings = vec![recording(&usual); 120];
        let pauses = Pauses::of(&recordings).unwrap();
        assert_eq!(pauses.longest(), 30);
        let quiet = |gain| pauses.is_quiet(recording(&[(gain, 1)])[0]);
        assert!(quiet(16) && !quiet(17));
        recordings.push(recording(&[(35, 2), (3, 500)]));
        assert_eq!(Pauses::of(&recordings), Some(pauses));
        assert!(pauses.are_possible());
    }

    #[test]
    fn sounds_without_a_pause_may_be_quiet_for_a_moment() {
        let steady = [recording(&[(30, 50), (20, 50)])];
        assert_eq!(Pauses::of(&steady).unwrap().longest(), LEAST);
        assert_eq!(Pauses::of(&[]), None);
        assert_eq!(Pauses::of(&[vec![]]), None);
        assert_eq!(Pauses::of(&[recording(&[(18, 50)])]), None);
    }
}
