/*! Baselines that predict tokens without a network. */

/// The entropy of the token frequencies in bits per token: the NLL of an order-0 model fitted to the same data. NaN
/// without tokens.
pub fn order_zero(counts: &[u64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| count as f64 / total * (total / count as f64).log2())
        .sum::<f64>()
        / if total > 0.0 { 1.0 } else { 0.0 }
}

/// The order of the prediction.
const TAPS: usize = 16;
/// The decay of the scale per sample.
const FADE: f64 = 0.98;

/// Linear prediction from the last 16 samples, fitted by least squares to the evaluation data itself, with a Laplace
/// distribution around the prediction whose scale follows the recent errors.
///
/// The probability of a token is the mass of the distribution over the token's interval of sample values. Call
/// [`fit`](Self::fit) for every clip, then [`solve`](Self::solve), then [`score`](Self::score) for every clip.
pub struct LinearPrediction {
    /// The edges of the tokens' intervals, ascending, from −∞ to ∞.
    edges: Vec<f64>,
    values: Vec<f64>,
    correlation: [[f64; TAPS + 1]; TAPS + 1],
    taps: [f64; TAPS],
}

impl LinearPrediction {
    /// Tokens with these sample values, ascending.
    pub fn new(values: &[f32]) -> Self {
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        let mut edges = vec![f64::NEG_INFINITY];
        edges.extend(values.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])));
        edges.push(f64::INFINITY);
        Self {
            edges,
            values,
            correlation: [[0.0; TAPS + 1]; TAPS + 1],
            taps: [0.0; TAPS],
        }
    }

    /// Adds a clip to the least-squares problem.
    pub fn fit(&mut self, tokens: &[u8]) {
        let samples: Vec<f64> = tokens
            .iter()
            .map(|&token| self.values[token as usize])
            .collect();
        for window in samples.windows(TAPS + 1) {
            for i in 0..=TAPS {
                for j in i..=TAPS {
                    self.correlation[i][j] += window[TAPS - i] * window[TAPS - j];
                }
            }
        }
    }

    /// Solves the normal equations by Cholesky decomposition, with a small ridge for silent data.
    pub fn solve(&mut self) {
        let ridge = 1e-9 * self.correlation[0][0] + 1e-12;
        let a = |i: usize, j: usize| {
            self.correlation[i.min(j) + 1][i.max(j) + 1] + if i == j { ridge } else { 0.0 }
        };
        let mut l = [[0.0; TAPS]; TAPS];
        for i in 0..TAPS {
            for j in 0..=i {
                let sum: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
                l[i][j] = if i == j {
                    (a(i, i) - sum).max(1e-18).sqrt()
                } else {
                    (a(i, j) - sum) / l[j][j]
                };
            }
        }
        let mut y = [0.0; TAPS];
        for i in 0..TAPS {
            let sum: f64 = (0..i).map(|k| l[i][k] * y[k]).sum();
            y[i] = (self.correlation[0][i + 1] - sum) / l[i][i];
        }
        for i in (0..TAPS).rev() {
            let sum: f64 = (i + 1..TAPS).map(|k| l[k][i] * self.taps[k]).sum();
            self.taps[i] = (y[i] - sum) / l[i][i];
        }
    }

    /// The NLL of a clip in nats.
    pub fn score(&self, tokens: &[u8]) -> f64 {
        let smallest = self
            .values
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .fold(f64::INFINITY, f64::min);
        let mut past = [0.0; TAPS];
        let mut scale: f64 = 0.01;
        let mut nats = 0.0;
        for &token in tokens {
            let center: f64 = past
                .iter()
                .zip(&self.taps)
                .map(|(sample, tap)| sample * tap)
                .sum();
            let mass = laplace_mass(
                (self.edges[token as usize] - center) / scale,
                (self.edges[token as usize + 1] - center) / scale,
            );
            // A uniform part of 1/1000 keeps the NLL finite.
            let uniform = 1.0 / self.values.len() as f64;
            nats -= (0.999 * mass + 0.001 * uniform).ln();
            let sample = self.values[token as usize];
            scale = (FADE * scale + (1.0 - FADE) * (sample - center).abs()).max(0.5 * smallest);
            past.rotate_right(1);
            past[0] = sample;
        }
        nats
    }
}

/// The mass of the standard Laplace distribution between two points.
fn laplace_mass(from: f64, to: f64) -> f64 {
    if from >= 0.0 {
        0.5 * ((-from).exp() - (-to).exp())
    } else if to <= 0.0 {
        0.5 * (to.exp() - from.exp())
    } else {
        1.0 - 0.5 * (from.exp() + (-to).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spaced values of 256 tokens.
    fn values() -> Vec<f32> {
        (0..256).map(|i| (i as f32 - 127.5) / 128.0).collect()
    }

    fn bits(tokens: &[u8]) -> f64 {
        let mut prediction = LinearPrediction::new(&values());
        prediction.fit(tokens);
        prediction.solve();
        prediction.score(tokens) / tokens.len() as f64 / std::f64::consts::LN_2
    }

    #[test]
    fn order_zero_of_known_distributions() {
        assert!((order_zero(&[5, 5, 5, 5]) - 2.0).abs() < 1e-12);
        assert!(order_zero(&[7, 0]).abs() < 1e-12);
        assert!(order_zero(&[0, 0]).is_nan());
    }

    #[test]
    fn a_sine_is_predictable_and_noise_is_not() {
        let sine: Vec<u8> = (0..8000)
            .map(|t| (127.5 + 100.0 * (f64::from(t) * 0.1).sin()) as u8)
            .collect();
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..8000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert!(bits(&sine) < 2.0, "{}", bits(&sine));
        assert!((7.8..9.0).contains(&bits(&noise)), "{}", bits(&noise));
        assert!(bits(&[128; 500]).is_finite());
    }

    #[test]
    fn probabilities_sum_to_one() {
        let prediction = LinearPrediction::new(&values());
        let total: f64 = (0..=255_u8)
            .map(|token| (-prediction.score(&[token])).exp())
            .sum();
        assert!((total - 1.0).abs() < 1e-9, "{total}");
    }
}
