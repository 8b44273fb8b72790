/*! The colour map *magma* (van der Walt and Smith). Its lightness rises steadily, so it is legible without colour. */

/// Nine samples of magma in RGB, from black to nearly white.
const MAGMA: [[f32; 3]; 9] = [
    [0.0, 0.0, 4.0],
    [28.0, 16.0, 68.0],
    [79.0, 18.0, 123.0],
    [129.0, 37.0, 129.0],
    [181.0, 54.0, 122.0],
    [229.0, 80.0, 100.0],
    [251.0, 135.0, 97.0],
    [254.0, 194.0, 135.0],
    [252.0, 253.0, 191.0],
];

/// The colour of a value from 0 to 1, clamped; NaN is black.
pub(crate) fn magma(value: f32) -> [u8; 3] {
    let value = if value > 0.0 { value.min(1.0) } else { 0.0 };
    let position = value * (MAGMA.len() - 1) as f32;
    let index = (position as usize).min(MAGMA.len() - 2);
    let fraction = position - index as f32;
    let (a, b) = (MAGMA[index], MAGMA[index + 1]);
    [0, 1, 2].map(|c| (a[c] + (b[c] - a[c]) * fraction).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brighter_is_lighter_and_nothing_panics() {
        let lightness = |x: f32| {
            let [r, g, b] = magma(x).map(f32::from);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let steps: Vec<f32> = (0..=100).map(|i| lightness(i as f32 / 100.0)).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(magma(f32::NAN), magma(0.0));
        assert_eq!(magma(f32::INFINITY), magma(1.0));
        assert_eq!(magma(-7.0), magma(0.0));
    }
}
