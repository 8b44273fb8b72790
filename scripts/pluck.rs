//! Writes the dataset of `scripts/demo`: short melodies of plucked strings (Karplus & Strong 1983) as WAV files.
//!
//! usage: pluck FOLDER [MELODIES]     (default: 40, which last 2.7 minutes)

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::collections::VecDeque;
use std::path::PathBuf;

const RATE: u32 = 8000;
const NOTES: usize = 12;
/// A pentatonic scale, in Hz.
const SCALE: [f32; 8] = [196.0, 220.0, 261.6, 293.7, 329.6, 392.0, 440.0, 523.3];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: pluck FOLDER [MELODIES]")?);
    let melodies: usize = arguments.next().map_or(Ok(40), |text| text.parse())?;
    std::fs::create_dir_all(&folder)?;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut chance = Chance(2026);
    for melody in 0..melodies {
        let path = folder.join(format!("melody-{melody:02}.wav"));
        let mut writer = hound::WavWriter::create(path, spec)?;
        let mut note = chance.below(SCALE.len());
        for _ in 0..NOTES {
            let length = [RATE / 4, RATE / 4, RATE / 2][chance.below(3)];
            for sample in pluck(SCALE[note], length as usize, &mut chance) {
                writer.write_sample((sample * 20_000.0) as i16)?;
            }
            // Move up to two steps up or down the scale.
            note = (note + chance.below(5)).clamp(2, SCALE.len() + 1) - 2;
        }
        writer.finalize()?;
    }
    Ok(())
}

/// Karplus-Strong: a noise burst in a delay line, low-pass filtered in each period.
fn pluck(frequency: f32, length: usize, chance: &mut Chance) -> Vec<f32> {
    let period = (RATE as f32 / frequency).round() as usize;
    let mut string: VecDeque<f32> = (0..period).map(|_| chance.uniform()).collect();
    (0..length)
        .map(|_| {
            let first = string.pop_front().unwrap_or(0.0);
            let second = string.front().copied().unwrap_or(0.0);
            string.push_back(0.5 * 0.996 * (first + second));
            first
        })
        .collect()
}

/// A linear congruential generator, so that the dataset is the same on every machine.
struct Chance(u32);

impl Chance {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    /// A uniform number in -1..1.
    fn uniform(&mut self) -> f32 {
        self.next() as f32 / 8_388_608.0 - 1.0
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }
}
