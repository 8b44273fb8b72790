/*!
One step of AdamW (Loshchilov & Hutter 2019, algorithm 2), or of [Muon](muon) where a parameter says so, with the gradient
clipped by its global norm. The same pass over memory updates the exponential moving average of the weights.
*/

use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::muon;
use rayon::prelude::*;

/// Floats of one task.
const CHUNK: usize = 1 << 14;

/// The settings of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// η.
    pub learning_rate: f32,
    /// β₁, of the gradient's average.
    pub beta_1: f32,
    /// β₂, of the squared gradient's average.
    pub beta_2: f32,
    /// ε, beside the root of the bias-corrected squared average.
    pub epsilon: f32,
    /// λ, decoupled: each step subtracts η·λ times the weight.
    pub weight_decay: f32,
    /// Gradients whose global norm is larger are scaled down to it.
    pub max_norm: f64,
    /// Decay of the averaged weights.
    pub average_decay: f32,
}

/// One parameter with its state; all slices of the same length.
#[derive(Debug)]
pub struct Parameter<'a> {
    /// Rows and columns of the matrices in it that are stepped by Muon; `None` for AdamW.
    pub matrices: Option<[usize; 2]>,
    /// The weights.
    pub value: &'a mut [f32],
    /// Their gradient.
    pub gradient: &'a [f32],
    /// m, the average of the gradient.
    pub first: &'a mut [f32],
    /// v, the average of the squared gradient.
    pub second: &'a mut [f32],
    /// The exponential moving average of the weights.
    pub average: &'a mut [f32],
}

/// The Euclidean norm of all gradients together. The order of addition depends only on their lengths.
fn global_norm<'a>(gradients: impl IntoIterator<Item = &'a [f32]>) -> f64 {
    let chunks: Vec<&[f32]> = gradients
        .into_iter()
        .flat_map(|g| g.chunks(CHUNK))
        .collect();
    let sums: Vec<f64> = chunks
        .into_par_iter()
        .map(|chunk| sum_of_squares(InstructionSet::detect(), chunk))
        .collect();
    sums.iter().sum::<f64>().sqrt()
}

/// Runs step `step` (from 1) over all parameters and returns the global norm of the gradients before clipping. If the norm
/// is NaN or infinite, nothing changes.
///
/// # Panics
/// If the slices of a parameter differ in length.
pub fn step(settings: &AdamW, step: u64, parameters: &mut [Parameter]) -> f64 {
    let norm = global_norm(parameters.iter().map(|parameter| parameter.gradient));
    if !norm.is_finite() {
        return norm;
    }
    let clip = if norm > settings.max_norm {
        settings.max_norm / norm
    } else {
        1.0
    };
    let step = i32::try_from(step).unwrap_or(i32::MAX);
    let correction = |beta: f32| 1.0 - f64::from(beta).powi(step);
    let rate = f64::from(settings.learning_rate);
    let factors = Factors {
        clip: clip as f32,
        rate: (rate / correction(settings.beta_1)) as f32,
        root: (1.0 / correction(settings.beta_2)) as f32,
        keep: (1.0 - rate * f64::from(settings.weight_decay)) as f32,
    };
    let tasks: Vec<Parameter> = parameters.iter_mut().flat_map(Parameter::parts).collect();
    let level = InstructionSet::detect();
    tasks.into_par_iter().with_max_len(1).for_each(|task| {
        let Parameter {
            matrices,
            value,
            gradient,
            first,
            second,
            average,
        } = task;
        match matrices {
            Some(sides) => update_matrix(level, settings, &factors, sides, value, gradient, first),
            None => update(level, settings, &factors, value, gradient, first, second),
        }
        follow(level, settings.average_decay, value, average);
    });
    norm
}

/// The factors of a step.
#[derive(Debug, Clone, Copy)]
struct Factors {
    /// Of the gradient.
    clip: f32,
    /// η over the bias correction of m.
    rate: f32,
    /// One over the bias correction of v.
    root: f32,
    /// Of the weight.
    keep: f32,
}

impl Parameter<'_> {
    /// The parameter in pieces: its matrices, or [`CHUNK`] floats each.
    fn parts(&mut self) -> Vec<Parameter<'_>> {
        let length = self.value.len();
        let lengths = [self.gradient, self.first, self.second, self.average].map(<[f32]>::len);
        assert_eq!(lengths, [length; 4], "lengths differ");
        let matrices = self.matrices;
        let size = matrices.map_or(CHUNK, |[rows, columns]| rows * columns);
        let moments = self
            .first
            .chunks_mut(size)
            .zip(self.second.chunks_mut(size));
        self.value
            .chunks_mut(size)
            .zip(self.gradient.chunks(size))
            .zip(moments.zip(self.average.chunks_mut(size)))
            .map(
                |((value, gradient), ((first, second), average))| Parameter {
                    matrices,
                    value,
                    gradient,
                    first,
                    second,
                    average,
                },
            )
            .collect()
    }
}

multiversion! {
    /// Σ x² in double precision.
    fn sum_of_squares(x: &[f32]) -> f64 {
        const SIDE: usize = 16;
        let mut sums = [0.0f64; SIDE];
        let chunks = x.chunks_exact(SIDE);
        for (sum, &x) in sums.iter_mut().zip(chunks.remainder()) {
            *sum += f64::from(x) * f64::from(x);
        }
        for chunk in chunks {
            for (sum, &x) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(x) * f64::from(x);
            }
        }
        sums.iter().sum()
    }
}

/// Updates m and the weights of a matrix with these rows and columns.
fn update_matrix(
    level: InstructionSet,
    settings: &AdamW,
    factors: &Factors,
    sides: [usize; 2],
    value: &mut [f32],
    gradient: &[f32],
    first: &mut [f32],
) {
    for (m, &g) in first.iter_mut().zip(gradient) {
        *m = settings.beta_1 * *m + (1.0 - settings.beta_1) * factors.clip * g;
    }
    let rate = settings.learning_rate * muon::SIZE;
    for (w, direction) in value.iter_mut().zip(muon::direction(level, first, sides)) {
        *w = *w * factors.keep - rate * direction;
    }
}

multiversion! {
    /// Updates m, v and the weights.
    fn update(
        settings: &AdamW,
        factors: &Factors,
        value: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let (new_1, new_2) = (1.0 - settings.beta_1, 1.0 - settings.beta_2);
        for ((w, &g), (m, v)) in value.iter_mut().zip(gradient).zip(first.iter_mut().zip(second)) {
            let g = g * factors.clip;
            *m = settings.beta_1 * *m + new_1 * g;
            *v = settings.beta_2 * *v + new_2 * g * g;
            let direction = *m / ((*v * factors.root).sqrt() + settings.epsilon);
            *w = *w * factors.keep - factors.rate * direction;
        }
    }
}

multiversion! {
    /// average ← decay · average + (1 − decay) · value.
    fn follow(decay: f32, value: &[f32], average: &mut [f32]) {
        for (average, &value) in average.iter_mut().zip(value) {
            *average += (1.0 - decay) * (value - *average);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, noise, wide};

    const SETTINGS: AdamW = AdamW {
        learning_rate: 0.01,
        beta_1: 0.9,
        beta_2: 0.99,
        epsilon: 1e-8,
        weight_decay: 0.1,
        max_norm: 3.0,
        average_decay: 0.9,
    };

    /// Weights, m, v and averages.
    type State = [Vec<f32>; 4];

    fn start(length: usize) -> State {
        let values = noise(1, length);
        [values.clone(), vec![0.0; length], vec![0.0; length], values]
    }

    fn run(settings: &AdamW, states: &mut [State], gradients: &[Vec<f32>], at: u64) -> f64 {
        let mut parameters: Vec<Parameter> = states
            .iter_mut()
            .zip(gradients)
            .map(|([value, first, second, average], gradient)| Parameter {
                matrices: None,
                value,
                gradient,
                first,
                second,
                average,
            })
            .collect();
        step(settings, at, &mut parameters)
    }

    #[test]
    fn three_steps_are_those_of_the_paper() {
        let lengths = [CHUNK + 37, 5];
        let mut states: Vec<State> = lengths.iter().map(|&length| start(length)).collect();
        let mut expected: Vec<[Vec<f64>; 4]> = states
            .iter()
            .map(|state| state.each_ref().map(|x| wide(x)))
            .collect();
        for at in 1..=3u64 {
            let gradients: Vec<Vec<f32>> = lengths
                .iter()
                .map(|&length| noise(10 * at + length as u64, length))
                .collect();
            let norm = run(&SETTINGS, &mut states, &gradients, at);
            let squares: f64 = gradients
                .iter()
                .flatten()
                .map(|&g| f64::from(g).powi(2))
                .sum();
            assert!((norm - squares.sqrt()).abs() < 1e-9 * norm);
            let clip = 3.0 / norm;
            assert!(clip < 1.0);
            for (gradients, [w, m, v, average]) in gradients.iter().zip(&mut expected) {
                for i in 0..w.len() {
                    let g = f64::from(gradients[i]) * clip;
                    m[i] = 0.9 * m[i] + 0.1 * g;
                    v[i] = 0.99 * v[i] + 0.01 * g * g;
                    let m_hat = m[i] / (1.0 - 0.9f64.powi(at as i32));
                    let v_hat = v[i] / (1.0 - 0.99f64.powi(at as i32));
                    w[i] -= 0.01 * (m_hat / (v_hat.sqrt() + 1e-8) + 0.1 * w[i]);
                    average[i] = 0.9 * average[i] + 0.1 * w[i];
                }
            }
        }
        for (found, expected) in states.iter().zip(&expected) {
            for (found, expected) in found.iter().zip(expected) {
                close(found, expected, 2e-6, "state");
            }
        }
    }

    #[test]
    fn all_levels_agree() {
        let gradient = noise(3, 1000);
        let factors = Factors {
            clip: 0.5,
            rate: 0.01,
            root: 1.2,
            keep: 0.999,
        };
        let results: Vec<State> = InstructionSet::available()
            .into_iter()
            .map(|level| {
                let [mut w, mut m, mut v, mut average] = start(1000);
                update(
                    level, &SETTINGS, &factors, &mut w, &gradient, &mut m, &mut v,
                );
                follow(level, 0.9, &w, &mut average);
                [w, m, v, average]
            })
            .collect();
        for result in &results {
            for (found, expected) in result.iter().zip(&results[0]) {
                close(found, &wide(expected), 1e-6, "state");
            }
        }
    }

    #[test]
    fn small_gradients_are_not_clipped_and_nan_changes_nothing() {
        let mut states = [start(4)];
        run(&SETTINGS, &mut states, &[vec![0.5; 4]], 1);
        // The first step's direction is the gradient's sign.
        let [w, ..] = &start(4);
        for (new, old) in states[0][0].iter().zip(w) {
            assert!((new - (old * 0.999 - 0.01)).abs() < 1e-6);
        }
        let before = states.clone();
        let norm = run(&SETTINGS, &mut states, &[vec![f32::NAN; 4]], 2);
        assert!(norm.is_nan());
        assert_eq!(states, before);
    }
}
