/*! The learning rate over a run: linear warm-up, then half a cosine (Loshchilov & Hutter 2017, eq. 5, without restarts). */

use std::f64::consts::PI;

/// The share of the learning rate at the end.
const FINAL: f64 = 0.02;

/// The share of the full learning rate at step `step` of `total`, counted from 0.
pub fn share(step: u64, total: u64, warmup: u64) -> f64 {
    if step < warmup {
        return (step + 1) as f64 / warmup as f64;
    }
    let progress = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
    FINAL + (1.0 - FINAL) * 0.5 * (1.0 + (PI * progress.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_to_one_and_falls_to_the_end() {
        let shares: Vec<f64> = (0..1000).map(|step| share(step, 1000, 100)).collect();
        assert!(shares[..100].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(shares[100..].windows(2).all(|pair| pair[0] > pair[1]));
        assert!((shares[99] - 1.0).abs() < 1e-12 && shares[0] > 0.0);
        assert!((shares[999] - FINAL).abs() < 1e-3);
        assert!((share(5000, 1000, 100) - FINAL).abs() < 1e-12);
    }
}
