/*! The picture of a run: training and validation over steps. */

use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::error::{Error, Result};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 500;

/// One report on the curve.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Bits a token in training.
    pub train: f64,
    /// Bits a token in validation.
    pub validation: Option<f64>,
}

/// Draws the curve as a PNG. Nothing is drawn from fewer than two points.
///
/// # Errors
/// When the file cannot be written.
pub fn draw_curve(points: &[Point], unit: &str, path: &Path) -> Result<()> {
    if points.len() < 2 {
        return Ok(());
    }
    register();
    let mut pixels = vec![0; (WIDTH * HEIGHT * 3) as usize];
    let failed = |reason: String| Error::Write {
        path: path.into(),
        source: std::io::Error::other(reason),
    };
    draw(points, unit, &mut pixels).map_err(|error| failed(error.to_string()))?;
    let picture = image::RgbImage::from_raw(WIDTH, HEIGHT, pixels).expect("three bytes a pixel");
    picture
        .save(path)
        .map_err(|error| failed(error.to_string()))
}

/// The program brings its own font, so that it draws the same where none is installed.
fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A font that does not load shows up as an error when drawing.
        let _ = register_font(
            "sans-serif",
            FontStyle::Normal,
            epaint_default_fonts::UBUNTU_LIGHT,
        );
    });
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(points: &[Point], unit: &str, pixels: &mut [u8]) -> Drawn {
    let all = || {
        points
            .iter()
            .flat_map(|p| [Some(p.train), p.validation])
            .flatten()
    };
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max).max(low + 0.01);
    let margin = 0.05 * (high - low);
    let area = BitMapBackend::with_buffer(pixels, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(
            0_f64..points[points.len() - 1].step as f64,
            (low - margin)..(high + margin),
        )?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc(unit)
        .light_line_style(WHITE)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()?;
    let training = points.iter().map(|p| (p.step as f64, p.train));
    let color = RGBColor(70, 120, 190);
    chart
        .draw_series(LineSeries::new(training, color.stroke_width(2)))?
        .label("training")
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    let held_out: Vec<_> = points
        .iter()
        .filter_map(|p| Some((p.step as f64, p.validation?)))
        .collect();
    if !held_out.is_empty() {
        let color = RGBColor(210, 90, 40);
        chart
            .draw_series(LineSeries::new(held_out, color.stroke_width(2)))?
            .label("validation")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    drop(chart);
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_a_picture_with_both_curves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve.png");
        let point = |step| Point {
            step,
            train: 8.0 - step as f64 * 0.01,
            validation: Some(8.1 - step as f64 * 0.01),
        };
        draw_curve(&[point(1)], "bits/sample", &path).unwrap();
        assert!(!path.exists(), "one point is no curve");
        draw_curve(&[point(1), point(100), point(200)], "bits/sample", &path).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert!(
            picture.pixels().any(|p| p.0 == [70, 120, 190])
                && picture.pixels().any(|p| p.0 == [210, 90, 40])
        );
        assert!(
            draw_curve(
                &[point(1), point(2)],
                "bits",
                Path::new("/no/such/folder/curve.png")
            )
            .is_err()
        );
    }
}
