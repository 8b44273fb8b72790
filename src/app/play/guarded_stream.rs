/*! Endless samples: the generator, the codec and the guard against degeneration. */

use crate::audio::Deemphasis;
use crate::error::Result;
use crate::sequence::{Degeneration, Guard, LiveGenerator, Token};

/// Seconds of the crossfade from the old continuation to the new one.
const CROSSFADE: f64 = 0.02;

/// Endless samples.
///
/// When the guard finds degeneration, the stepper is reset and reads the model's prompt. The prompt is played, so that
/// reading it takes no longer than generating, and the continuation follows it without a seam; the old continuation fades
/// out over its beginning.
pub(crate) struct GuardedStream {
    generator: LiveGenerator,
    filter: Deemphasis,
    guard: Option<Guard>,
    prompt: Vec<Token>,
    /// How much of the prompt has been read; all of it, except after a restart.
    read: usize,
    /// The rest of the old continuation, and how much of it has been played.
    fading: Vec<f32>,
    faded: usize,
    crossfade: usize,
}

impl GuardedStream {
    /// Without a prompt it restarts from `start`.
    pub(crate) fn new(
        generator: LiveGenerator,
        filter: Deemphasis,
        guard: Option<Guard>,
        prompt: Vec<Token>,
        rate: u32,
    ) -> Self {
        Self {
            generator,
            filter,
            guard,
            read: prompt.len(),
            prompt,
            fading: Vec::new(),
            faded: 0,
            crossfade: (CROSSFADE * f64::from(rate)).ceil() as usize,
        }
    }

    /// The generator, to change its settings.
    pub(crate) fn generator(&mut self) -> &mut LiveGenerator {
        &mut self.generator
    }

    /// The next sample, and the degeneration that ends with it.
    ///
    /// # Errors
    /// When the model's prompt is not of its alphabet.
    pub(crate) fn sample(&mut self) -> Result<(f32, Option<Degeneration>)> {
        let fresh = self.fresh()?;
        let sample = match self.fading.get(self.faded) {
            Some(&old) => {
                self.faded += 1;
                let share = self.faded as f32 / (self.fading.len() + 1) as f32;
                old + share * (fresh - old)
            }
            None => fresh,
        };
        let degeneration = self.guard.as_mut().and_then(|guard| guard.watch(sample));
        if degeneration.is_some() {
            self.start_again();
        }
        Ok((sample, degeneration))
    }

    /// From the prompt while it is being read, else generated.
    fn fresh(&mut self) -> Result<f32> {
        let token = match self.prompt.get(self.read) {
            Some(&token) => {
                self.generator.read(token)?;
                self.read += 1;
                token
            }
            None => self.generator.step(),
        };
        Ok(self.filter.token(token))
    }

    fn start_again(&mut self) {
        self.fading.clear();
        for _ in 0..self.crossfade {
            let token = self.generator.step();
            self.fading.push(self.filter.token(token));
        }
        self.filter.restart();
        self.faded = 0;
        self.read = 0;
        self.generator.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Emphasis, MuLaw};
    use crate::sequence::{Alphabet, Codec, Sampler, Sampling, Stepper};

    const RATE: u32 = 8_000;

    /// Says what it was last fed again and again; before anything was, half of full scale.
    struct Parrot {
        logits: Vec<f32>,
        fed: Vec<Token>,
    }

    fn parrot() -> Parrot {
        Parrot {
            logits: vec![0.0; 256],
            fed: Vec::new(),
        }
    }

    impl Stepper for Parrot {
        fn alphabet(&self) -> Alphabet {
            MuLaw.alphabet()
        }
        fn lanes(&self) -> usize {
            1
        }
        fn reset(&mut self, _: usize, _: Option<&[f32]>) {
            self.fed.clear();
        }
        fn recondition(&mut self, _: usize, _: Option<&[f32]>) {}
        fn step(&mut self, tokens: &[Token]) -> &[f32] {
            self.fed.push(tokens[0]);
            let said = if tokens[0] < 256 {
                tokens[0]
            } else {
                MuLaw::encode_sample(0.5)
            };
            self.logits.fill(0.0);
            self.logits[said as usize] = 1.0;
            &self.logits
        }
        fn gather(&mut self, _: &[usize]) {}
    }

    fn voice(prompt: &[f32], guarded: bool) -> GuardedStream {
        let sampler = Sampler::new(Sampling::greedy(), 0, 0).unwrap();
        let generator = LiveGenerator::new(Box::new(parrot()), sampler, None);
        let guard = guarded.then(|| Guard::new(f64::from(RATE), prompt));
        GuardedStream::new(
            generator,
            Emphasis::NONE.inverse(RATE),
            guard,
            MuLaw.encode(&prompt.to_vec()).unwrap(),
            RATE,
        )
    }

    fn prompt() -> Vec<f32> {
        (0..2_000).map(|i| 0.4 * (i as f32 * 0.1).sin()).collect()
    }

    /// Samples, and where trouble was told.
    fn listen(voice: &mut GuardedStream, count: usize) -> (Vec<f32>, Vec<usize>) {
        let mut troubles = Vec::new();
        let samples = (0..count)
            .map(|i| {
                let (sample, degeneration) = voice.sample().unwrap();
                if degeneration.is_some() {
                    troubles.push(i);
                }
                sample
            })
            .collect();
        (samples, troubles)
    }

    #[test]
    fn without_a_guard_it_is_the_generator() {
        let (samples, troubles) = listen(&mut voice(&prompt(), false), 100_000);
        assert!(troubles.is_empty());
        let half = MuLaw::decode_token(MuLaw::encode_sample(0.5));
        assert!(samples.iter().all(|&s| s == half));
    }

    #[test]
    fn trouble_is_told_and_led_out_of_by_the_prompt_without_a_click() {
        let (samples, troubles) = listen(&mut voice(&prompt(), true), 80_000);
        let at = troubles[0];
        let heard: Vec<f32> = prompt()
            .iter()
            .map(|&s| MuLaw::decode_token(MuLaw::encode_sample(s)))
            .collect();
        let crossfade = (CROSSFADE * f64::from(RATE)) as usize;
        assert_eq!(
            samples[at + 1 + crossfade..][..heard.len() - crossfade],
            heard[crossfade..]
        );
        let steepest = samples
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(steepest < 0.06, "a jump of {steepest}");
        // The parrot goes on with the prompt's last word: it has read the prompt.
        assert_eq!(samples[at + 1 + heard.len()], heard[heard.len() - 1]);
        assert!(troubles.len() > 1, "it is watched no more");
    }

    #[test]
    fn without_a_prompt_it_starts_from_nothing() {
        let (samples, troubles) = listen(&mut voice(&[], true), 40_000);
        assert!(!troubles.is_empty());
        assert_eq!(samples[39_999], samples[0]);
    }
}
