/*! Line plots: loss curves, and the NLL of a recording over time. */

use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::error::{Error, Result};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 500;

/// One report of a training run.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// The training step.
    pub step: u64,
    /// Training loss in bits per token.
    pub train: f64,
    /// Validation loss in bits per token.
    pub validation: Option<f64>,
}

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Points (x, y), x ascending.
    pub points: Vec<(f64, f64)>,
}

/// Draws the loss curves of a run to a PNG file. Fewer than two points draw nothing.
///
/// # Errors
/// When the file cannot be written.
pub fn draw_curve(points: &[Point], unit: &str, path: &Path) -> Result<()> {
    let training = points.iter().map(|p| (p.step as f64, p.train)).collect();
    let held_out: Vec<_> = points
        .iter()
        .filter_map(|p| Some((p.step as f64, p.validation?)))
        .collect();
    let mut lines = vec![Line {
        name: "training",
        points: training,
    }];
    if !held_out.is_empty() {
        lines.push(Line {
            name: "validation",
            points: held_out,
        });
    }
    draw_lines(&lines, "step", unit, path)
}

/// Draws lines to a PNG file. Nothing is drawn if the first line has fewer than two points.
///
/// # Errors
/// When the file cannot be written.
pub fn draw_lines(lines: &[Line<'_>], x_name: &str, y_name: &str, path: &Path) -> Result<()> {
    if lines.first().is_none_or(|line| line.points.len() < 2) {
        return Ok(());
    }
    register();
    let mut pixels = vec![0; (WIDTH * HEIGHT * 3) as usize];
    let failed = |reason: String| Error::Write {
        path: path.into(),
        source: std::io::Error::other(reason),
    };
    draw(lines, x_name, y_name, &mut pixels).map_err(|error| failed(error.to_string()))?;
    let picture = image::RgbImage::from_raw(WIDTH, HEIGHT, pixels).expect("three bytes a pixel");
    picture
        .save(path)
        .map_err(|error| failed(error.to_string()))
}

/// Registers an embedded font, so that plots do not depend on installed fonts.
fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error shows up when drawing.
        let _ = register_font(
            "sans-serif",
            FontStyle::Normal,
            epaint_default_fonts::UBUNTU_LIGHT,
        );
    });
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

const COLORS: [RGBColor; 2] = [RGBColor(70, 120, 190), RGBColor(210, 90, 40)];

fn draw(lines: &[Line<'_>], x_name: &str, y_name: &str, pixels: &mut [u8]) -> Drawn {
    let all = || lines.iter().flat_map(|line| &line.points);
    let low = all().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = all().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let high = high.max(low + 0.01);
    let end = all().map(|p| p.0).fold(0.0, f64::max);
    let margin = 0.05 * (high - low);
    let area = BitMapBackend::with_buffer(pixels, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0_f64..end, (low - margin)..(high + margin))?;
    chart
        .configure_mesh()
        .x_desc(x_name)
        .y_desc(y_name)
        .light_line_style(WHITE)
        .x_label_formatter(&|x| {
            if end >= 20.0 {
                format!("{x:.0}")
            } else {
                format!("{x:.2}")
            }
        })
        .draw()?;
    for (line, color) in lines.iter().zip(COLORS.iter().cycle()) {
        chart
            .draw_series(LineSeries::new(
                line.points.iter().copied(),
                color.stroke_width(2),
            ))?
            .label(line.name)
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
    fn it_draws_both_curves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve.png");
        let point = |step| Point {
            step,
            train: 8.0 - step as f64 * 0.01,
            validation: Some(8.1 - step as f64 * 0.01),
        };
        draw_curve(&[point(1)], "bits/sample", &path).unwrap();
        assert!(!path.exists(), "one point draws nothing");
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
