/*!
A recording as frames of 10 ms: loudness, pitch, envelope and excitation, each as a class.

A frame network predicts frames, and a sample network is conditioned on them. [`FrameCodec::analyse`] measures the frames of
a recording, [`FrameCodec::tokens`] makes them a sequence, and [`FrameCodec::condition`] says what a frame tells the sample
network: the parameters of its [`Prediction`](crate::sequence::Prediction), and features.

```text
gain        mean square of 32 ms (Hann) about the middle, in steps of 2.2 dB
pitch       none, or the logarithm of the frequency where the normalised autocorrelation of 40 ms peaks
envelope    log-mel spectrum minus its mean, in two stages of 256 vectors each (vector quantisation with a residual)
excitation  how far the prediction from the three others errs, in half octaves
```

With pre-emphasis, all but the pitch are measured of the raised samples. The kin of this are vocoders with linear prediction: LPCNet (Valin and Skoglund 2018), FeatherWave (Tian et al. 2020).
*/

mod all_pole;
mod analysis;
mod bands;
mod codebook;
mod codec;
mod dataset;
mod format;
mod offset;
mod pauses;
mod tokens;

pub use codec::FrameCodec;
pub use dataset::FrameDataset;
pub use format::FrameFormat;
pub use offset::{offset_pole, without_offset};
pub use tokens::{Frame, FrameGrammar, SLOTS};

/// Frames a second, at any sample rate.
pub const FRAMES_A_SECOND: usize = 100;

/// Frames read slower (`factor` above 1: as many times as many frames) or faster (below 1). Each is the nearest of the given.
///
/// # Panics
/// If the factor is not positive.
pub fn stretched(frames: &[Frame], factor: f64) -> Vec<Frame> {
    assert!(factor > 0.0, "a factor of {factor}");
    let Some(last) = frames.len().checked_sub(1) else {
        return Vec::new();
    };
    let count = ((frames.len() as f64 * factor).round() as usize).max(1);
    (0..count)
        .map(|index| frames[before_stretching(index, factor).min(last)])
        .collect()
}

/// The number of the frame that frame `index` is after stretching.
pub fn before_stretching(index: usize, factor: f64) -> usize {
    ((index as f64 + 0.5) / factor) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretching_changes_the_length_and_keeps_the_order() {
        let frames: Vec<Frame> = (0..40).map(|gain| Frame::of([gain, 0, 0, 0, 0])).collect();
        assert_eq!(stretched(&frames, 1.0), frames);
        for factor in [0.01, 0.3, 0.5, 1.7, 2.0, 9.0] {
            let made = stretched(&frames, factor);
            assert_eq!(made.len(), ((40.0 * factor).round() as usize).max(1));
            assert!(made.is_sorted_by_key(|frame| frame.gain), "{factor}");
        }
        let twice: Vec<u8> = stretched(&frames[..2], 2.0)
            .iter()
            .map(|f| f.gain)
            .collect();
        assert_eq!(twice, [0, 0, 1, 1]);
        assert!(stretched(&[], 2.0).is_empty());
    }
}
