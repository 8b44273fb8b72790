/*! `ensuite generate` on text: sentences on standard output, the first one as it is made. */

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use burn::prelude::*;

use super::codec;
use crate::checkpoint::{Description, ModelFolder};
use crate::cli::generate::Args;
use crate::cli::media::refuse_foreign;
use crate::cli::precision;
use crate::cli::ui::{self, Ui};
use crate::error::{Error, IoContext, Result};
use crate::medium::Text;
use crate::network::Network;
use crate::sequence::{BeamSettings, Codec, Query, Stepper, Token, beam_search, generate_many};
use crate::text::{MAX_SENTENCE, TextCodec, TextStream};

/// At most so many go side by side.
const LANES: usize = 64;

pub(super) fn run(
    args: &Args,
    text: &Text,
    folder: &ModelFolder,
    description: &Description,
    ui: &Ui,
) -> Result<()> {
    refuse_foreign(
        &description.medium,
        &[
            ("--seconds", args.seconds.is_some()),
            ("--with-prompt", args.with_prompt),
            ("--gif", args.gif),
            ("--scale", args.scale.is_some()),
            ("--separate", args.separate),
        ],
    )?;
    let longest = args.max_length.unwrap_or(200);
    if longest == 0 {
        return Err(Error::usage("--max-length 0 makes nothing").with_hint("give 1 or more"));
    }
    let codec = codec(folder, text)?;
    let prompt = prompt(args, &codec, ui)?;
    let tokens = codec.encode(&prompt)?;
    let mut out = open(args.output.as_deref())?;
    let net = folder.load(description, &Device::flex())?;
    if let Some(beams) = args.beam {
        return search(
            args,
            &net,
            description,
            &codec,
            &prompt,
            beams,
            longest,
            &mut out,
        );
    }
    let (seed, mut items, _) = args.items(description, &tokens)?;
    let lanes = items.len().min(LANES);
    let mut stepper = precision::stepper(&net, description, args.precision, lanes)?;
    let begun = Instant::now();
    let made = if items.len() == 1 {
        let mut stream = Stream::new(&codec, &prompt, &mut out)?;
        generate_many(&mut *stepper, &mut items, longest, &mut |_, token| {
            stream.push(token)
        })?;
        stream.end()?
    } else {
        let mut all = vec![Vec::new(); items.len()];
        generate_many(&mut *stepper, &mut items, longest, &mut |item, token| {
            all[item].push(token);
            Ok(())
        })?;
        for continuation in &all {
            let whole = [tokens.as_slice(), continuation].concat();
            write(&mut out, &(codec.decode(&whole)? + "\n"))?;
        }
        all.iter().map(Vec::len).sum()
    };
    let speed = made as f64 / begun.elapsed().as_secs_f64();
    ui.say(format!(
        "{made} tokens, {} tokens/s; seed {seed}",
        ui::count(speed)
    ));
    Ok(())
}

/// The prompt as it was typed, after what is wrong with it is said.
fn prompt(args: &Args, codec: &TextCodec, ui: &Ui) -> Result<String> {
    let Some(prompt) = &args.prompt else {
        return Ok(String::new());
    };
    let Some(prompt) = prompt.to_str() else {
        return Err(Error::usage("the prompt is not valid UTF-8"));
    };
    if prompt.len() > MAX_SENTENCE {
        return Err(
            Error::usage(format!("a prompt of {} bytes is too long", prompt.len()))
                .with_hint(format!("it may have {MAX_SENTENCE}")),
        );
    }
    let unknown = codec.unknown_words(prompt);
    if !unknown.is_empty() {
        ui.warn(format!(
            "the model does not know {}; it reads <unk> instead",
            unknown.join(", ")
        ));
    }
    Ok(prompt.to_owned())
}

/// The likeliest sentences, best first, each with its log probability where several are asked for.
#[allow(clippy::too_many_arguments)]
fn search(
    args: &Args,
    net: &Network,
    description: &Description,
    codec: &TextCodec,
    prompt: &str,
    beams: u64,
    longest: usize,
    out: &mut Box<dyn Write>,
) -> Result<()> {
    let settings = BeamSettings {
        beams: beams as usize,
        max_length: longest,
        ..BeamSettings::default()
    };
    let tokens = codec.encode(&prompt.to_owned())?;
    let mut stepper: Box<dyn Stepper> =
        precision::stepper(net, description, args.precision, settings.beams)?;
    let query = Query {
        condition: None,
        prompt: &tokens,
    };
    let found = beam_search(&mut *stepper, &[query], &settings)?;
    for hypothesis in found[0].iter().take(args.number as usize) {
        let whole = [tokens.as_slice(), &hypothesis.tokens].concat();
        write(out, &(codec.decode(&whole)? + "\n"))?;
    }
    Ok(())
}

/// One sentence while it is made.
struct Stream<'a> {
    stream: TextStream<'a>,
    out: &'a mut Box<dyn Write>,
    made: usize,
}

impl<'a> Stream<'a> {
    fn new(codec: &'a TextCodec, prompt: &str, out: &'a mut Box<dyn Write>) -> Result<Self> {
        let mut stream = codec.stream();
        // The prompt is read first, so that what follows knows whether a space is due.
        let mut shown = String::new();
        for token in codec.encode(&prompt.to_owned())? {
            shown += &stream.push(token)?;
        }
        write(out, &shown)?;
        Ok(Self {
            stream,
            out,
            made: 0,
        })
    }

    fn push(&mut self, token: Token) -> Result<()> {
        self.made += 1;
        write(self.out, &self.stream.push(token)?)
    }

    fn end(self) -> Result<usize> {
        let rest = self.stream.finish();
        write(self.out, &format!("{rest}\n"))?;
        Ok(self.made)
    }
}

fn open(path: Option<&Path>) -> Result<Box<dyn Write>> {
    match path {
        None => Ok(Box::new(std::io::stdout())),
        Some(path) if path == Path::new("-") => Ok(Box::new(std::io::stdout())),
        Some(path) => Ok(Box::new(BufWriter::new(File::create(path).writing(path)?))),
    }
}

fn write(out: &mut Box<dyn Write>, text: &str) -> Result<()> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .writing(Path::new("the output"))
}
