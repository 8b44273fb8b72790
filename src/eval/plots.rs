/*! Plots: loss curves, the NLL of a recording over time, and how results spread. */

use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::error::{Error, Result};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 500;

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Points (x, y), x ascending.
    pub points: Vec<(f64, f64)>,
}

/// Draws lines to a PNG file. Nothing is drawn if the first line has fewer than two points.
///
/// # Errors
/// When the file cannot be written.
pub fn draw_lines(lines: &[Line<'_>], x_name: &str, y_name: &str, path: &Path) -> Result<()> {
    if lines.first().is_none_or(|line| line.points.len() < 2) {
        return Ok(());
    }
    write_png(path, |pixels| draw(lines, x_name, y_name, pixels))
}

/// Draws how some groups of results spread to a PNG file: a dot for each, a box from the first quartile to the third, and a line
/// at the median. The axis is logarithmic; groups without results are left empty.
///
/// # Errors
/// A usage error when there is no result or one is not above 0; when the file cannot be written.
pub fn draw_boxes(groups: &[(String, Vec<f64>)], name: &str, path: &Path) -> Result<()> {
    let mut all = groups.iter().flat_map(|(_, results)| results);
    if all.clone().next().is_none() || !all.all(|result| result.is_finite() && *result > 0.0) {
        return Err(Error::usage("boxes need results above 0"));
    }
    write_png(path, |pixels| boxes(groups, name, pixels))
}

/// Writes a PNG file of what `draw` draws.
fn write_png(path: &Path, draw: impl FnOnce(&mut [u8]) -> Drawn) -> Result<()> {
    register();
    let mut pixels = vec![0; (WIDTH * HEIGHT * 3) as usize];
    let failed = |reason: String| Error::Write {
        path: path.into(),
        source: std::io::Error::other(reason),
    };
    draw(&mut pixels).map_err(|error| failed(error.to_string()))?;
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

const COLORS: [RGBColor; 4] = [
    RGBColor(70, 120, 190),
    RGBColor(210, 90, 40),
    RGBColor(60, 150, 80),
    RGBColor(150, 100, 180),
];

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

fn boxes(groups: &[(String, Vec<f64>)], name: &str, pixels: &mut [u8]) -> Drawn {
    let all = || {
        groups
            .iter()
            .flat_map(|(_, results)| results.iter().copied())
    };
    let low = all().fold(f64::INFINITY, f64::min) / 1.3;
    let high = all().fold(0.0, f64::max) * 1.3;
    let area = BitMapBackend::with_buffer(pixels, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(-0.5..groups.len() as f64 - 0.5, (low..high).log_scale())?;
    chart
        .configure_mesh()
        .y_desc(name)
        .disable_x_mesh()
        .light_line_style(WHITE)
        .x_labels(2 * groups.len())
        .x_label_formatter(&|x| {
            let group = (x.fract().abs() < 1e-6).then(|| groups.get(x.round() as usize));
            group
                .flatten()
                .map_or(String::new(), |(name, _)| name.clone())
        })
        .draw()?;
    for (at, (_, results)) in groups.iter().enumerate() {
        let at = at as f64;
        let mut sorted = results.clone();
        sorted.sort_by(f64::total_cmp);
        if let [Some(first), Some(median), Some(third)] =
            [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share))
        {
            let corners = [(at - 0.3, first), (at + 0.3, third)];
            let line = [(at - 0.3, median), (at + 0.3, median)];
            let elements = [
                Rectangle::new(corners, COLORS[0].mix(0.3).filled()).into_dyn(),
                PathElement::new(line, COLORS[0].stroke_width(3)).into_dyn(),
            ];
            chart.draw_series(elements)?;
        }
        let dot = |&result: &f64| Circle::new((at, result), 3, COLORS[1].filled());
        chart.draw_series(results.iter().map(dot))?;
    }
    drop(chart);
    area.present()?;
    Ok(())
}

/// The number below which this share of ascending numbers lies, with a straight line between neighbours.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (place.floor(), place.ceil());
    let part = place - below;
    Some(sorted[below as usize] * (1.0 - part) + sorted[above as usize] * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_both_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve.png");
        let draw = |steps: &[f64], path: &Path| {
            let line = |name, start: f64| Line {
                name,
                points: steps.iter().map(|x| (*x, start - x * 0.01)).collect(),
            };
            let lines = [line("training", 8.0), line("validation", 8.1)];
            draw_lines(&lines, "step", "bits/sample", path)
        };
        draw(&[1.0], &path).unwrap();
        assert!(!path.exists(), "one point draws nothing");
        draw(&[1.0, 100.0, 200.0], &path).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert!(
            picture.pixels().any(|p| p.0 == [70, 120, 190])
                && picture.pixels().any(|p| p.0 == [210, 90, 40])
        );
        assert!(draw(&[1.0, 2.0], Path::new("/no/such/folder/curve.png")).is_err());
    }

    #[test]
    fn boxes_stand_from_quartile_to_quartile() {
        let sorted = [1.0, 2.0, 4.0, 8.0, 16.0];
        let found = [0.0, 0.25, 0.5, 0.625, 1.0].map(|share| quantile(&sorted, share).unwrap());
        assert_eq!(found, [1.0, 2.0, 4.0, 6.0, 16.0]);
        assert_eq!(quantile(&[], 0.5), None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boxes.png");
        let groups = [
            ("ns".to_owned(), sorted.to_vec()),
            ("none".to_owned(), Vec::new()),
        ];
        draw_boxes(&groups, "distance", &path).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert!(picture.pixels().any(|p| p.0 == [210, 90, 40]));
        let bad = [("ns".to_owned(), vec![0.0])];
        assert!(draw_boxes(&bad, "distance", &path).unwrap_err().is_usage());
    }
}
