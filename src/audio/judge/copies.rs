/*! Generated sounds that are copies of training recordings, by the nearest neighbour of their log-mel frames. */

use rayon::prelude::*;

use crate::audio::judge::mel::{BANDS, LogMel};
use crate::audio::judge::profile::SoundFigures;

/// The distance of a copy to its training recording is less than this.
const COPY: f64 = 0.15;
/// Held-out sounds are usually further from the training recordings than a copy by this factor.
const USUAL: f64 = 2.0;

/// The share of `made` and of `held_out` sounds that are copies of `training` ones.
///
/// In music of loops and samples, held-out recordings repeat the training recordings too. A copy is therefore also less
/// than half as far from them as the median of the held-out sounds.
pub(super) fn copies(
    made: &[SoundFigures],
    held_out: &[SoundFigures],
    training: &[SoundFigures],
) -> (f64, f64) {
    let step = held_out.len().div_ceil(made.len().max(32)).max(1);
    let held_out: Vec<&SoundFigures> = held_out.iter().step_by(step).collect();
    let usual = nearest_all(&held_out, training);
    let limit = median(&usual).map_or(COPY, |usual| COPY.min(usual / USUAL));
    let share = |distances: &[f64]| {
        let copies = distances.iter().filter(|&&distance| distance < limit);
        copies.count() as f64 / distances.len().max(1) as f64
    };
    let made: Vec<&SoundFigures> = made.iter().collect();
    (share(&nearest_all(&made, training)), share(&usual))
}

/// The distance of each sound to the nearest training recording; infinite for sounds that are silent or too short.
fn nearest_all(sounds: &[&SoundFigures], training: &[SoundFigures]) -> Vec<f64> {
    let nearest = |sound: &&SoundFigures| nearest(&sound.mel, training);
    sounds.par_iter().map(nearest).collect()
}

/// The root mean square difference in dB between the sound's loudest stretch and its nearest neighbour, both without their
/// mean, over the deviation of the stretch: 0 for a copy at any gain.
fn nearest(mel: &LogMel, training: &[SoundFigures]) -> f64 {
    let mut best = f64::INFINITY;
    for stretch in &mel.shifted {
        let nothing = vec![[0.0; BANDS]; stretch.len()];
        let deviation = distance(stretch, &nothing, f32::INFINITY).max(f32::MIN_POSITIVE);
        let mut least = f32::INFINITY;
        for other in training {
            for window in other.mel.frames.windows(stretch.len()) {
                least = least.min(distance(stretch, window, least));
            }
        }
        best = best.min(f64::from(least / deviation).sqrt());
    }
    best
}

/// The squared differences around their mean. It may stop where they exceed `most`.
fn distance(a: &[[f32; BANDS]], b: &[[f32; BANDS]], most: f32) -> f32 {
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    let mut found = 0.0;
    for (a, b) in a.iter().zip(b) {
        for (a, b) in a.iter().zip(b) {
            let difference = a - b;
            sum += difference;
            squares += difference * difference;
        }
        count += BANDS as f32;
        // It grows with every frame.
        found = (squares - sum * sum / count).max(0.0);
        if found > most {
            break;
        }
    }
    found
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
