/*! What the tests of the kernels share: data without a pattern, and closeness. */

/// Numbers in −1…1 that follow from the seed.
pub fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..8).for_each(|_| {
        next();
    });
    (0..count).map(|_| next()).collect()
}

/// Asserts that no element is farther from what is expected than `tolerance` times the largest one expected (or 1e-3 where
/// all are smaller).
pub fn close(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let largest = expected.iter().fold(1e-3, |m: f64, x| m.max(x.abs()));
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(f) - e).abs();
        assert!(
            error <= tolerance * largest,
            "{what}[{i}]: {f} instead of {e}"
        );
    }
}

/// Double precision of a slice.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

/// The slope of `value` along every number of every array, by central differences.
pub fn slopes<const N: usize>(
    inputs: &[Vec<f64>; N],
    value: impl Fn(&[Vec<f64>; N]) -> f64,
) -> [Vec<f64>; N] {
    std::array::from_fn(|which| {
        let slope = |i: usize| {
            let at = |step: f64| {
                let mut moved = inputs.clone();
                moved[which][i] += step;
                value(&moved)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        };
        (0..inputs[which].len()).map(slope).collect()
    })
}
