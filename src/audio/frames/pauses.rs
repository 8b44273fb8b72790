/*! How long the pauses of a corpus are. */

use serde::{Deserialize, Serialize};

use crate::audio::frames::tokens::{Frame, GAINS};

/// The share of the frames that are louder than a loud one.
const LOUD: f64 = 0.05;
/// Quiet frames are at least this many steps of the gain below a loud one: 40 dB.
const QUIET: u8 = 18;
/// The share of the pauses that are longer than the longest: among thousands of recordings, a few forget to end.
const OUTLIERS: f64 = 0.01;

/// What is quiet in a corpus, and for how long. A pause is a run of quiet frames.
///
/// A network seldom meets a long pause, so it does not know how one ends, and a sound may stay quiet for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pauses {
    /// Frames with a lower class of gain are quiet.
    quiet_below: u8,
    /// Frames of the longest pause but outliers.
    longest: usize,
}

impl Pauses {
    /// The pauses of the frames of recordings; `None` where there are none.
    pub(super) fn of(recordings: &[Vec<Frame>]) -> Option<Self> {
        let mut gains = [0_usize; GAINS];
        for frame in recordings.iter().flatten() {
            gains[usize::from(frame.gain)] += 1;
        }
        let louder = (LOUD * gains.iter().sum::<usize>() as f64) as usize;
        let mut left = gains.iter().sum::<usize>() - louder;
        let loud = gains.iter().position(|&count| {
            let reached = count >= left;
            left = left.saturating_sub(count);
            reached
        })?;
        let quiet_below = (loud as u8).saturating_sub(QUIET);
        let mut lengths: Vec<usize> = recordings
            .iter()
            .flat_map(|frames| frames.split(|frame| frame.gain >= quiet_below))
            .map(<[Frame]>::len)
            .filter(|&length| length > 0)
            .collect();
        lengths.sort_unstable();
        let outliers = (OUTLIERS * lengths.len() as f64) as usize;
        let longest = *lengths.get(lengths.len().checked_sub(1 + outliers)?)?;
        Some(Self {
            quiet_below,
            longest,
        })
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
        let mut recordings = vec![recording(&[(10, 3), (35, 40), (20, 9), (16, 7), (35, 4)]); 60];
        let pauses = Pauses::of(&recordings).unwrap();
        assert_eq!(pauses.longest(), 7);
        let quiet = |gain| pauses.is_quiet(recording(&[(gain, 1)])[0]);
        assert!(quiet(16) && !quiet(17));
        recordings.push(recording(&[(35, 2), (3, 500)]));
        assert_eq!(Pauses::of(&recordings).unwrap().longest(), 7);
    }

    #[test]
    fn sounds_without_a_pause_have_none() {
        assert_eq!(Pauses::of(&[]), None);
        assert_eq!(Pauses::of(&[vec![]]), None);
        assert_eq!(Pauses::of(&[recording(&[(30, 50), (20, 50)])]), None);
        assert_eq!(Pauses::of(&[recording(&[(0, 50)])]), None);
    }
}
