/*!
A mel spectrogram as a picture: time to the right, frequency upwards, power as brightness.

Rows have equal height on the mel scale (mel = 2595 · log10(1 + f / 700), O'Shaughnessy 1987). Brightness is in decibels
below the loudest pixel. The lightness of the *magma* colormap (van der Walt and Smith) increases steadily, so that the
picture is readable without colour.
*/

use std::io::{self, Cursor};
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use realfft::RealFftPlanner;

use crate::base::colormap::magma;
use crate::base::files::write_output;
use crate::error::{Error, Result};

/// Rows of a picture.
const HEIGHT: usize = 256;
/// The greatest width; a column of a longer sound covers more samples.
const MAX_WIDTH: usize = 1600;
/// Pixels this far below the loudest one, in dB, are black.
const RANGE_DB: f32 = 80.0;
/// The least power that the loudest pixel stands for, so that faint noise is drawn dark.
const QUIETEST_PEAK: f32 = 1e-7;

/// Draws mono samples of `rate` Hz, `HEIGHT` pixels high and at least one wide.
fn draw(samples: &[f32], rate: u32) -> RgbImage {
    let columns = mel_columns(samples, rate);
    let loudest = columns
        .iter()
        .flatten()
        .fold(QUIETEST_PEAK, |a, &b| a.max(b));
    RgbImage::from_fn(columns.len() as u32, HEIGHT as u32, |x, y| {
        let power = columns[x as usize][HEIGHT - 1 - y as usize];
        let db = 10.0 * (power / loudest).max(f32::MIN_POSITIVE).log10();
        Rgb(magma(1.0 + db / RANGE_DB))
    })
}

/// Writes the spectrogram of mono samples of `rate` Hz as a PNG file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_png(path: &Path, samples: &[f32], rate: u32) -> Result<()> {
    let mut png = Cursor::new(Vec::new());
    draw(samples, rate)
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|error| Error::Write {
            path: path.into(),
            source: io::Error::other(error),
        })?;
    write_output(path, png.get_ref())
}

/// Powers `[width][HEIGHT]`, from low to high frequency.
fn mel_columns(samples: &[f32], rate: u32) -> Vec<Vec<f32>> {
    let window = window_len(rate);
    let hop = window / 4;
    let frames = samples.len().div_ceil(hop).max(1);
    let frames_per_column = frames.div_ceil(MAX_WIDTH);
    let rows = mel_rows(HEIGHT, 0.0, window, rate);
    let hann = hann(window);
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(window);
    let mut input = fft.make_input_vec();
    let mut spectrum = fft.make_output_vec();
    let mut columns = vec![vec![0.0; HEIGHT]; frames.div_ceil(frames_per_column)];
    for frame in 0..frames {
        // Windows are centred; the sound is padded with zeros.
        for (i, (input, weight)) in input.iter_mut().zip(&hann).enumerate() {
            let at = (frame * hop + i).checked_sub(window / 2);
            let sample = at.and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
            *input = f64::from(weight * sample);
        }
        if fft.process(&mut input, &mut spectrum).is_err() {
            continue;
        }
        let column = &mut columns[frame / frames_per_column];
        for (sum, row) in column.iter_mut().zip(&rows) {
            let power = |&(bin, weight): &(usize, f32)| weight * spectrum[bin].norm_sqr() as f32;
            *sum += row.iter().map(power).sum::<f32>() / frames_per_column as f32;
        }
    }
    columns
}

/// About 46 ms, as a power of two.
fn window_len(rate: u32) -> usize {
    (rate as usize * 46 / 1000).next_power_of_two()
}

/// The Hann window of n samples, which sums to 1: a steady sine of amplitude 1 has a power of 1/4.
pub(super) fn hann(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| {
            let phase = std::f64::consts::TAU * i as f64 / n as f64;
            ((1.0 - phase.cos()) / n as f64) as f32
        })
        .collect()
}

/// The bins of each of `count` rows from `lowest` Hz up to half the rate, with weights that sum to 1. Low rows are narrower
/// than a bin and interpolate between two.
pub(super) fn mel_rows(
    count: usize,
    lowest: f64,
    window: usize,
    rate: u32,
) -> Vec<Vec<(usize, f32)>> {
    let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
    let hz = |mel: f64| 700.0 * (10_f64.powf(mel / 2595.0) - 1.0);
    let (bottom, top) = (mel(lowest), mel(f64::from(rate) / 2.0));
    let bin_at = |edge: f64| {
        hz(bottom + (top - bottom) * edge / count as f64) * window as f64 / f64::from(rate)
    };
    (0..count)
        .map(|row| {
            let (low, high) = (bin_at(row as f64), bin_at(row as f64 + 1.0));
            let middle = f64::midpoint(low, high);
            let reach = ((high - low) / 2.0).max(1.0);
            let last = window / 2;
            let from = ((middle - reach).floor().max(0.0) as usize).min(last);
            let to = ((middle + reach).ceil() as usize).min(last);
            let weight = |bin: usize| (1.0 - (bin as f64 - middle).abs() / reach).max(0.0);
            let sum: f64 = (from..=to).map(weight).sum();
            (from..=to)
                .map(|bin| (bin, (weight(bin) / sum) as f32))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    const RATE: u32 = 16_000;

    fn tone(frequency: f32, n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| 0.5 * (TAU * frequency * i as f32 / RATE as f32).sin())
            .collect()
    }

    fn lightness(pixel: Rgb<u8>) -> f32 {
        let linear = pixel.0.map(|c| (f32::from(c) / 255.0).powf(2.2));
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    /// The brightest row of a column, counted from the bottom.
    fn brightest(picture: &RgbImage, x: u32) -> usize {
        let row = |y: &u32| lightness(*picture.get_pixel(x, *y));
        let y = (0..HEIGHT as u32)
            .max_by(|a, b| row(a).total_cmp(&row(b)))
            .unwrap();
        HEIGHT - 1 - y as usize
    }

    #[test]
    fn a_tone_is_a_line_at_its_mel_height() {
        let mel = |hz: f32| (1.0 + hz / 700.0).ln();
        for frequency in [200.0, 440.0, 1_000.0, 4_000.0, 7_000.0] {
            let picture = draw(&tone(frequency, 8_000), RATE);
            let expected = HEIGHT as f32 * mel(frequency) / mel(RATE as f32 / 2.0);
            let row = brightest(&picture, picture.width() / 2) as f32 + 0.5;
            assert!(
                (row - expected).abs() <= 2.0,
                "{frequency} Hz: row {row}, not {expected}"
            );
        }
    }

    #[test]
    fn time_runs_to_the_right() {
        let mut samples = tone(300.0, 16_000);
        samples.extend(tone(3_000.0, 16_000));
        let picture = draw(&samples, RATE);
        let quarter = picture.width() / 4;
        assert!(brightest(&picture, quarter) + 20 < brightest(&picture, 3 * quarter));
    }

    #[test]
    fn any_length_gives_a_picture() {
        for n in [0, 1, 17, 500, 2_000_000] {
            let picture = draw(&vec![0.1; n], RATE);
            assert!(
                picture.width() >= 1 && picture.width() <= MAX_WIDTH as u32,
                "{n}"
            );
            assert_eq!(picture.height(), HEIGHT as u32);
        }
    }

    #[test]
    fn silence_is_black_and_a_short_click_is_not() {
        let silent = draw(&[0.0; 3_000], RATE);
        assert!(silent.pixels().all(|&pixel| pixel == Rgb(magma(0.0))));
        let click = draw(&[0.0, 1.0, 0.0], RATE);
        assert!(click.pixels().any(|&pixel| lightness(pixel) > 0.5));
    }

    #[test]
    fn the_file_is_the_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tone.png");
        let samples = tone(440.0, 5_000);
        write_png(&path, &samples, RATE).unwrap();
        assert_eq!(
            image::open(&path).unwrap().into_rgb8(),
            draw(&samples, RATE)
        );
        assert!(write_png(&folder.path().join("none/a.png"), &samples, RATE).is_err());
    }
}
