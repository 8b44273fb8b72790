//! Names the spoken digit: a nearest-neighbour classifier on log-mel spectrograms, fitted on real recordings and applied
//! to generated clips. `scripts/check-digits` runs it.
//!
//! usage: digits RECORDINGS MADE
//!
//! File names in both folders start with the digit. Recordings are named DIGIT_SPEAKER_INDEX.wav; those of index 5 to 9
//! are held out to test the classifier itself.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::path::{Path, PathBuf};

use ensuite::internals::read_recording;
use realfft::RealFftPlanner;

/// Sample rate of the recordings and of the generated clips, in Hz.
const RATE: u32 = 8000;
const WINDOW: usize = 256;
const HOP: usize = 80;
const BANDS: usize = 32;
/// Number of frames to which every clip is resampled.
const FRAMES: usize = 32;
/// Energy threshold of speech: 30 dB below the loudest moment.
const QUIET: f32 = 1e-3;
/// Dynamic range in log energy: values below the loudest minus 52 dB are clamped.
const RANGE: f32 = 12.0;
/// Number of neighbours that vote.
const VOTES: usize = 5;

struct Clip {
    digit: usize,
    picture: Vec<f32>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut folders = std::env::args().skip(1).map(PathBuf::from);
    let (Some(recordings), Some(made)) = (folders.next(), folders.next()) else {
        return Err("usage: digits RECORDINGS MADE".into());
    };
    let mut known = Vec::new();
    let mut held_out = Vec::new();
    for path in wavs(&recordings)? {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let index: usize = name.rsplit('_').next().unwrap_or_default().parse()?;
        let side = if (5..=9).contains(&index) {
            &mut held_out
        } else {
            &mut known
        };
        side.push(read(&path)?);
    }
    let made = wavs(&made)?
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let (real, _) = share(&known, &held_out);
    let (ours, named) = share(&known, &made);
    println!(
        "held-out recordings named rightly: {:.1} % of {}",
        100.0 * real,
        held_out.len()
    );
    println!(
        "made clips named as asked:         {:.1} % of {}",
        100.0 * ours,
        made.len()
    );
    for (digit, named) in named.iter().enumerate() {
        let all = named.iter().sum::<usize>().max(1) as f64;
        let share = |digit: usize| 100.0 * named[digit] as f64 / all;
        let others = (0..10).filter(|&other| other != digit);
        let most = others
            .max_by_key(|&other| named[other])
            .expect("nine others");
        let mistaken = if named[most] > 0 {
            format!(", taken for {most}: {:.0} %", share(most))
        } else {
            String::new()
        };
        println!("{digit}: {:.0} %{mistaken}", share(digit));
    }
    if real < 0.9 {
        return Err(
            "the classifier itself names fewer than 90 % of real recordings: it cannot judge"
                .into(),
        );
    }
    if ours < 0.5 {
        return Err("fewer than half of the made clips are named as asked".into());
    }
    Ok(())
}

fn wavs(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "wav"));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Clip, Box<dyn std::error::Error>> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let digit = name
        .chars()
        .next()
        .and_then(|c| c.to_digit(10))
        .ok_or("a file does not begin with its digit")?;
    let recording = read_recording(path)?;
    assert_eq!(recording.rate, RATE, "{name}");
    Ok(Clip {
        digit: digit as usize,
        picture: picture(spoken(&recording.samples)),
    })
}

/// The samples from the first to the last moment above the threshold.
fn spoken(samples: &[f32]) -> &[f32] {
    let energies: Vec<f32> = samples
        .chunks_exact(HOP)
        .map(|moment| moment.iter().map(|s| s * s).sum())
        .collect();
    let loudest = energies.iter().copied().fold(0.0, f32::max);
    let loud = |energy: &f32| *energy > loudest * QUIET;
    let first = energies.iter().position(loud).unwrap_or(0);
    let last = energies.iter().rposition(loud).unwrap_or(0);
    &samples[first * HOP..((last + 1) * HOP).min(samples.len())]
}

/// Log-mel energies `[FRAMES, BANDS]`, clamped to `RANGE`. The mean is subtracted, so that loudness has no effect.
fn picture(samples: &[f32]) -> Vec<f32> {
    let frames: Vec<Vec<f32>> = (0..samples.len().max(1).div_ceil(HOP))
        .map(|frame| bands(samples, frame * HOP))
        .collect();
    let loudest = frames.iter().flatten().copied().fold(f32::MIN, f32::max);
    let heard = |energy: f32| energy.max(loudest - RANGE);
    let mut picture = Vec::with_capacity(FRAMES * BANDS);
    for frame in 0..FRAMES {
        let place = frame as f32 * (frames.len() - 1) as f32 / (FRAMES - 1) as f32;
        let (below, part) = (place as usize, place.fract());
        let above = (below + 1).min(frames.len() - 1);
        picture.extend(
            (0..BANDS)
                .map(|b| heard(frames[below][b]) * (1.0 - part) + heard(frames[above][b]) * part),
        );
    }
    let mean = picture.iter().sum::<f32>() / picture.len() as f32;
    for energy in &mut picture {
        *energy -= mean;
    }
    picture
}

/// Log mel energies of one window.
fn bands(samples: &[f32], start: usize) -> Vec<f32> {
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(WINDOW);
    let mut input: Vec<f64> = (0..WINDOW)
        .map(|i| {
            let hann = 0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / WINDOW as f64).cos();
            hann * f64::from(samples.get(start + i).copied().unwrap_or(0.0))
        })
        .collect();
    let mut spectrum = fft.make_output_vec();
    fft.process(&mut input, &mut spectrum)
        .expect("lengths as planned");
    let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
    let hz = |mel: f64| 700.0 * (10_f64.powf(mel / 2595.0) - 1.0);
    let (low, high) = (mel(80.0), mel(f64::from(RATE) / 2.0));
    let edge = |i: usize| {
        hz(low + (high - low) * i as f64 / (BANDS + 1) as f64) * WINDOW as f64 / f64::from(RATE)
    };
    (0..BANDS)
        .map(|band| {
            let (from, middle, to) = (edge(band), edge(band + 1), edge(band + 2));
            let energy: f64 = spectrum
                .iter()
                .enumerate()
                .map(|(bin, value)| {
                    let bin = bin as f64;
                    let weight = if bin < middle {
                        (bin - from) / (middle - from)
                    } else {
                        (to - bin) / (to - middle)
                    };
                    weight.max(0.0) * value.norm_sqr()
                })
                .sum();
            (energy + 1e-9).ln() as f32
        })
        .collect()
}

/// The share of clips whose nearest neighbours vote for the right digit, and how many clips of each digit have which name.
fn share(known: &[Clip], clips: &[Clip]) -> (f64, [[usize; 10]; 10]) {
    let mut names = [[0; 10]; 10];
    for clip in clips {
        let mut near: Vec<(f32, usize)> = known
            .iter()
            .map(|k| (distance(&k.picture, &clip.picture), k.digit))
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut votes = [0.0; 10];
        for (place, &(_, digit)) in near[..VOTES].iter().enumerate() {
            votes[digit] += 1.0 - 0.1 * place as f32;
        }
        let named = (0..10)
            .max_by(|&a, &b| votes[a].total_cmp(&votes[b]))
            .unwrap_or(0);
        names[clip.digit][named] += 1;
    }
    let right: usize = (0..10).map(|digit| names[digit][digit]).sum();
    (right as f64 / clips.len() as f64, names)
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum()
}
