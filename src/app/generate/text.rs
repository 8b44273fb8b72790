/*! Generating sentences: by sampling, the first one piece by piece, or by a search for the likeliest. */

use std::path::Path;
use std::time::Instant;

use super::maker::Maker;
use super::options::GenerateOptions;
use crate::app::sampling::items;
use crate::app::sentence_space::{prior_code, warn_of_unknown};
use crate::app::{Event, Observer, OpenModel};
use crate::base::files::write_output;
use crate::error::{Error, Result};
use crate::sequence::{BeamSettings, Codec, Item, Query, Token, beam_search, generate_many};
use crate::text::{MAX_SENTENCE, TextCodec};

/// The most lanes side by side.
const LANES: usize = 64;

/// What is decided before any token is made.
struct Job<'a> {
    maker: Maker<'a>,
    codec: TextCodec,
    tokens: Vec<Token>,
    /// The most tokens of a sentence.
    longest: usize,
    seed: u64,
}

impl<'a> Job<'a> {
    fn new(
        model: &'a OpenModel,
        options: &GenerateOptions,
        observer: &mut dyn Observer,
    ) -> Result<Self> {
        let longest = options.max_length.unwrap_or(200);
        if longest == 0 {
            return Err(
                Error::usage("--max-length 0 generates nothing").with_hint("give 1 or more")
            );
        }
        let (_, codec) = model.text()?;
        let tokens = codec.encode(&prompt(options, &codec, observer)?)?;
        Ok(Self {
            maker: Maker::new(model, &options.device, options.precision)?,
            codec,
            tokens,
            longest,
            seed: options.seed_or_fresh(),
        })
    }

    /// The items to sample; a latent code is drawn for each where the model has codes.
    fn items(&self, model: &OpenModel, options: &GenerateOptions) -> Result<Vec<Item>> {
        let (mut items, _) = items(
            model,
            options.number,
            &options.classes,
            options.sampling,
            self.seed,
            &self.tokens,
        )?;
        for (item, stream) in items.iter_mut().zip(0..) {
            item.condition = prior_code(&self.maker.model, self.seed, stream);
            item.sampler = item.sampler.clone().with_grammar(self.codec.grammar());
        }
        Ok(items)
    }

    fn sample(
        &self,
        items: &mut [Item],
        visit: &mut dyn FnMut(usize, Token) -> Result<()>,
    ) -> Result<()> {
        let lanes = self.maker.side_by_side(items.len(), LANES, 1);
        let mut stepper = self.maker.stepper(lanes)?;
        generate_many(&mut *stepper, items, self.longest, visit)
    }

    /// The likeliest sentences: the best of one search, or the best for each latent code drawn.
    fn search(
        &self,
        options: &GenerateOptions,
        beams: u64,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<Token>>> {
        let mut codes = Vec::new();
        if self.maker.model.latent().is_some() {
            options.refuse_sampling(true)?;
            let code = |item| prior_code(&self.maker.model, self.seed, item);
            codes.extend((0..options.number).filter_map(code));
            observer.info(format!("seed {}", self.seed));
        } else {
            options.refuse_sampling(false)?;
            options.refuse_more_than(beams)?;
        }
        let settings = BeamSettings {
            beams: beams as usize,
            max_length: self.longest,
            // A latent code determines the length of its sentence: short ones need no penalty.
            length_penalty: if codes.is_empty() {
                BeamSettings::default().length_penalty
            } else {
                0.0
            },
        };
        let side_by_side = self.maker.side_by_side(codes.len(), LANES, settings.beams);
        let mut stepper = self.maker.stepper(side_by_side * settings.beams)?;
        let query = |condition| Query {
            condition,
            prompt: &self.tokens,
        };
        let grammar = self.codec.grammar();
        let mut search =
            |queries: &[Query]| beam_search(&mut *stepper, queries, &settings, grammar.as_deref());
        let found = if codes.is_empty() {
            search(&[query(None)])?.remove(0)
        } else {
            let queries: Vec<Query> = codes.iter().map(|code| query(Some(code))).collect();
            search(&queries)?
                .into_iter()
                .filter_map(|lines| lines.into_iter().next())
                .collect()
        };
        Ok(found
            .into_iter()
            .take(options.number as usize)
            .map(|hypothesis| hypothesis.tokens)
            .collect())
    }

    /// Lines of text, the prompt before each continuation.
    fn lines(&self, continuations: &[Vec<Token>]) -> Result<Vec<String>> {
        continuations
            .iter()
            .map(|tokens| self.codec.decode(&[&self.tokens[..], tokens].concat()))
            .collect()
    }
}

/// Generates in memory.
pub(super) fn generate(
    model: &OpenModel,
    options: &GenerateOptions,
    observer: &mut dyn Observer,
) -> Result<Vec<String>> {
    let job = Job::new(model, options, observer)?;
    let made = match options.beam {
        Some(beams) => job.search(options, beams, observer)?,
        None => sample_all(&job, model, options)?,
    };
    job.lines(&made)
}

/// Generates to a file, or to the observer: a single sampled sentence piece by piece.
pub(super) fn write(
    model: &OpenModel,
    options: &GenerateOptions,
    output: Option<&Path>,
    observer: &mut dyn Observer,
) -> Result<()> {
    let job = Job::new(model, options, observer)?;
    let output = output.filter(|path| *path != Path::new("-"));
    let begun = Instant::now();
    let (lines, made) = match options.beam {
        Some(beams) => (job.lines(&job.search(options, beams, observer)?)?, None),
        None if options.number == 1 && output.is_none() => {
            let made = stream(&job, model, options, observer)?;
            (Vec::new(), Some(made))
        }
        None => {
            let made = sample_all(&job, model, options)?;
            (job.lines(&made)?, Some(made.iter().map(Vec::len).sum()))
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    let text: String = lines.iter().map(|line| line.clone() + "\n").collect();
    match output {
        Some(path) => write_output(path, text.as_bytes())?,
        None => observer.event(Event::Text(&text)),
    }
    if let Some(made) = made {
        observer.event(Event::Generated {
            tokens: made,
            seconds,
            seed: job.seed,
        });
    }
    Ok(())
}

fn sample_all(job: &Job, model: &OpenModel, options: &GenerateOptions) -> Result<Vec<Vec<Token>>> {
    let mut items = job.items(model, options)?;
    let mut all = vec![Vec::new(); items.len()];
    job.sample(&mut items, &mut |item, token| {
        all[item].push(token);
        Ok(())
    })?;
    Ok(all)
}

/// Sends one sentence piece by piece; gives how many tokens were made.
fn stream(
    job: &Job,
    model: &OpenModel,
    options: &GenerateOptions,
    observer: &mut dyn Observer,
) -> Result<usize> {
    let mut stream = job.codec.stream();
    // The prompt passes through the stream too, so that what follows knows whether a space is due.
    for &token in &job.tokens {
        let piece = stream.push(token)?;
        observer.event(Event::Text(&piece));
    }
    let mut made = 0;
    job.sample(&mut job.items(model, options)?, &mut |_, token| {
        made += 1;
        let piece = stream.push(token)?;
        observer.event(Event::Text(&piece));
        Ok(())
    })?;
    observer.event(Event::Text(&format!("{}\n", stream.finish())));
    Ok(made)
}

/// The prompt as it was typed, after a warning about unknown words.
fn prompt(
    options: &GenerateOptions,
    codec: &TextCodec,
    observer: &mut dyn Observer,
) -> Result<String> {
    let Some(prompt) = &options.prompt else {
        return Ok(String::new());
    };
    let Some(prompt) = prompt.to_str() else {
        return Err(Error::usage("the prompt is not valid UTF-8"));
    };
    if prompt.len() > MAX_SENTENCE {
        return Err(
            Error::usage(format!("a prompt of {} bytes is too long", prompt.len()))
                .with_hint(format!("a prompt has at most {MAX_SENTENCE} bytes")),
        );
    }
    warn_of_unknown(codec, prompt, observer);
    Ok(prompt.to_owned())
}
