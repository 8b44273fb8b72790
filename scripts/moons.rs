//! Draws moons of 28x28 pixels from new to full and back, at several sizes and places, as black and white PNG files:
//! the pictures of `scripts/moon-walk`.
//!
//! usage: moons FOLDER [MOONS]     (default: 2000)

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::path::PathBuf;

use image::{GrayImage, Luma};

const SIDE: u32 = 28;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: moons FOLDER [MOONS]")?);
    let moons: u32 = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    std::fs::create_dir_all(&folder)?;
    // Steps of the golden ratio and its powers cover phase, place and size evenly.
    let even = |number: u32, step: f64| (f64::from(number) * step).fract();
    for number in 0..moons {
        let phase = 2.0 * even(number, 0.618_034) - 1.0;
        let radius = 7.0 + 3.0 * even(number, 0.754_878);
        let place = [0.569_840, 0.819_173].map(|step| 14.0 + 4.0 * (even(number, step) - 0.5));
        moon(phase, radius, place).save(folder.join(format!("moon-{number:04}.png")))?;
    }
    // The two of the lecture: full and half.
    moon(0.0, 9.0, [14.0; 2]).save(folder.with_extension("full.png"))?;
    moon(0.5, 9.0, [14.0; 2]).save(folder.with_extension("half.png"))?;
    Ok(())
}

/// A moon of this phase: 0 is full, ±1 is new, the lit side on the left or on the right.
fn moon(phase: f64, radius: f64, [x, y]: [f64; 2]) -> GrayImage {
    GrayImage::from_fn(SIDE, SIDE, |column, row| {
        let across = f64::from(column) + 0.5 - x;
        let up = f64::from(row) + 0.5 - y;
        let half = (radius * radius - up * up).max(0.0).sqrt();
        // The border of the light is half an ellipse.
        let border = (1.0 - 2.0 * phase.abs()) * half;
        let lit = across.abs() < half && across * phase.signum() < border;
        Luma([if lit { 255 } else { 0 }])
    })
}
