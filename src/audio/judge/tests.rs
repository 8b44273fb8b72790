//! Noise, silence, tones, copies and recordings get different remarks, the right ones.

use std::f32::consts::TAU;

use super::{SoundComparison, SoundProfile, compare};
use crate::base::rng::testing::Lcg;

const RATE: u32 = 8_000;
const SECONDS: usize = 3;
const SAMPLES: usize = SECONDS * RATE as usize;

/// Notes of a scale, each a plucked string (Karplus and Strong 1983).
fn melody(seed: u64) -> Vec<f32> {
    const SCALE: [f32; 6] = [147.0, 165.0, 196.0, 220.0, 262.0, 294.0];
    let mut random = Lcg(seed + 1);
    let mut samples = Vec::new();
    while samples.len() < SAMPLES {
        let note = random.tokens(2, SCALE.len());
        let period = (RATE as f32 / SCALE[note[0] as usize]) as usize;
        let mut string = random.values(period, 0.4);
        for at in 0..RATE as usize * (2 + note[1] as usize) / 10 {
            let (now, next) = (string[at % period], string[(at + 1) % period]);
            string[at % period] = 0.498 * (now + next);
            samples.push(now);
        }
    }
    samples.truncate(SAMPLES);
    samples
}

fn profile(sounds: impl IntoIterator<Item = Vec<f32>>) -> SoundProfile {
    let mut profile = SoundProfile::new(RATE);
    sounds.into_iter().for_each(|sound| profile.add(&sound));
    profile
}

/// Eight sounds beside melodies.
fn compared(sound: impl Fn(u64) -> Vec<f32>) -> SoundComparison {
    compare(
        &profile((0..8).map(sound)),
        &profile((100..116).map(melody)),
        &profile((200..280).map(melody)),
    )
}

fn sine(hertz: f32) -> Vec<f32> {
    (0..SAMPLES)
        .map(|i| 0.2 * (TAU * hertz * i as f32 / RATE as f32).sin())
        .collect()
}

#[test]
fn each_kind_of_sound_gets_its_remark() {
    let noise = |seed| Lcg(seed).values(SAMPLES, 0.2);
    // Between two hops, and quieter.
    let copy = |seed| {
        melody(200 + seed)[1_073..]
            .iter()
            .map(|s| 0.6 * s)
            .collect()
    };
    let scaled = |factor: f32| compared(|seed| melody(seed).iter().map(|s| factor * s).collect());
    let kinds: [(&str, SoundComparison); 8] = [
        ("noisy: 0 %", compared(noise)),
        ("silent: 100 %", compared(|_| vec![1e-5; SAMPLES])),
        ("clipped: ", scaled(20.0)),
        ("quieter than", scaled(0.2)),
        ("a tone, but not", compared(|_| sine(196.0))),
        ("whistles: 100 %", compared(|_| sine(2_600.0))),
        ("copies: 100 %", compared(copy)),
        ("close to the recordings", compared(melody)),
    ];
    for (expected, found) in kinds {
        let remark = found.remark();
        assert!(
            remark.starts_with(expected),
            "{expected}: {remark}\n{found:?}"
        );
        assert!(found.summary().starts_with(&remark));
    }
}

#[test]
fn recordings_are_as_close_to_held_out_ones_as_the_floor() {
    let found = compared(melody);
    let floor = found.frechet_floor.unwrap();
    assert!(found.frechet < 2.0 * floor && floor < 12.0, "{found:?}");
    assert!(found.tonal > 0.6 && (found.tonal - found.tonal_real).abs() < 0.2);
    assert!(found.spectrum_db < 3.0 && found.foreign < 0.05, "{found:?}");
    assert_eq!(found.copies, Some(0.0));
    let noise = compared(|seed| Lcg(seed).values(SAMPLES, 0.2));
    assert!(noise.frechet > 10.0 * floor, "{noise:?}");
}

#[test]
fn the_figures_of_any_sounds_are_finite() {
    let odd = [
        vec![],
        vec![0.3],
        vec![0.7; 5_000],
        vec![f32::NAN; 2_000],
        vec![f32::INFINITY, -1.0, 1e30],
        sine(440.0),
    ];
    let profiles = || odd.iter().map(|sound| profile([sound.clone()]));
    for made in profiles() {
        for held_out in profiles() {
            for training in profiles() {
                let found = compare(&made, &held_out, &training);
                let json = serde_json::to_value(&found).unwrap();
                for (name, figure) in json.as_object().unwrap() {
                    let floor = name.ends_with("_floor") || name == "copies";
                    let missing = floor && training.is_empty();
                    assert!(figure.is_number() || missing, "{name}: {figure}");
                }
                assert!(!found.summary().is_empty());
            }
        }
    }
}
