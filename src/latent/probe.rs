/*! How well a class can be read from latent codes: a linear probe (Alain & Bengio 2017, "Understanding intermediate layers using
linear classifier probes"). */

/// Passes over the codes.
const PASSES: usize = 200;
/// The step along the gradient, for numbers with deviation 1.
const RATE: f64 = 0.5;

/// The share of codes whose class a softmax regression names right. It is fitted to every other code, and names the others.
///
/// * `codes`: rows of `dims` numbers; `classes`: the class of each, below `count`.
pub fn probe(codes: &[f32], dims: usize, classes: &[usize], count: usize) -> f64 {
    let width = dims + 1;
    let rows = standardised(codes, dims);
    let (fitted, tested): (Vec<usize>, Vec<usize>) = (0..classes.len()).partition(|i| i % 2 == 0);
    let mut weights = vec![0.0; count * width];
    let scores = |weights: &[f64], row: usize| -> Vec<f64> {
        let row = &rows[row * width..][..width];
        let score = |weights: &[f64]| weights.iter().zip(row).map(|(w, x)| w * x).sum();
        weights.chunks(width).map(score).collect()
    };
    for _ in 0..PASSES {
        let mut gradient = vec![0.0; weights.len()];
        for &row in &fitted {
            let scores = scores(&weights, row);
            let highest = scores.iter().copied().fold(f64::MIN, f64::max);
            let shares: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
            let total: f64 = shares.iter().sum();
            let x = &rows[row * width..][..width];
            for (class, share) in shares.iter().enumerate() {
                let error = share / total - f64::from(u8::from(class == classes[row]));
                for (gradient, x) in gradient[class * width..][..width].iter_mut().zip(x) {
                    *gradient += error * x / fitted.len() as f64;
                }
            }
        }
        for (weight, slope) in weights.iter_mut().zip(gradient) {
            *weight -= RATE * slope;
        }
    }
    let right = tested.iter().filter(|&&row| {
        let scores = scores(&weights, row);
        let best = (0..count).fold(0, |a, b| if scores[b] > scores[a] { b } else { a });
        best == classes[row]
    });
    right.count() as f64 / tested.len().max(1) as f64
}

/// Each number less its mean and over its deviation, and a 1 at the end of each row.
fn standardised(codes: &[f32], dims: usize) -> Vec<f64> {
    let count = (codes.len() / dims).max(1) as f64;
    let column = |dim: usize| codes.iter().skip(dim).step_by(dims).map(|&x| f64::from(x));
    let moments = |dim: usize| {
        let mean = column(dim).sum::<f64>() / count;
        let variance = column(dim).map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt().max(1e-6))
    };
    let moments: Vec<(f64, f64)> = (0..dims).map(moments).collect();
    let row = |code: &[f32]| {
        let numbers = code.iter().zip(&moments);
        let scaled = numbers.map(|(&x, (mean, deviation))| (f64::from(x) - mean) / deviation);
        scaled.chain([1.0]).collect::<Vec<f64>>()
    };
    codes.chunks(dims).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::Normals;

    #[test]
    fn classes_in_the_codes_are_found_and_others_are_chance() {
        let mut codes = Normals::new(*b"codes   ", 1, 0).code(3 * 1200);
        let classes: Vec<usize> = (0..1200).map(|item| item * 7 / 3 % 3).collect();
        let chance = probe(&codes, 3, &classes, 3);
        assert!((0.25..0.42).contains(&chance), "{chance}");
        for (code, &class) in codes.chunks_mut(3).zip(&classes) {
            code[1] += 8.0 * class as f32;
        }
        let found = probe(&codes, 3, &classes, 3);
        assert!(found > 0.97, "{found}");
    }
}
