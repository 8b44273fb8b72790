/*! `ensuite generate` on text: sentences on standard output, the first one as it is made. */

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::base::files::write_atomic;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::generate::Args;
use crate::cli::text::{codec, drawn_code, warn_of_unknown};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::{Error, IoContext, Result};
use crate::sequence::{BeamSettings, Codec, Query, Stepper, Token, beam_search, generate_many};
use crate::text::TextFormat;
use crate::text::{MAX_SENTENCE, TextCodec, TextStream};

/// At most so many go side by side.
const LANES: usize = 64;

pub(super) fn run(
    args: &Args,
    text: &TextFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let longest = args.max_length.unwrap_or(200);
    if longest == 0 {
        return Err(Error::usage("--max-length 0 makes nothing").with_hint("give 1 or more"));
    }
    let codec = codec(folder, text)?;
    let prompt = prompt(args, &codec, ui)?;
    let tokens = codec.encode(&prompt)?;
    let maker = args.maker(folder, manifest)?;
    let net = &maker.net;
    if let Some(beams) = args.beam {
        let mut codes = Vec::new();
        if net.latent().is_some() {
            args.refuse_sampling("--beam", true)?;
            let seed = args.seed();
            codes.extend((0..args.number).filter_map(|item| drawn_code(net, seed, item)));
            ui.say(format!("seed {seed}"));
        } else {
            args.refuse_sampling("--beam", false)?;
            args.refuse_more_than(beams)?;
        }
        let settings = BeamSettings {
            beams: beams as usize,
            max_length: longest,
            // A code says how long its sentence is: nothing has to be made up for.
            length_penalty: if codes.is_empty() {
                BeamSettings::default().length_penalty
            } else {
                0.0
            },
        };
        let side_by_side = maker.side_by_side(codes.len(), LANES, settings.beams);
        let lanes = side_by_side * settings.beams;
        let mut stepper = maker.stepper(lanes)?;
        return search(args, &mut *stepper, &codec, &tokens, &settings, &codes);
    }
    let (seed, mut items, _) = args.items(manifest, &tokens)?;
    for (item, stream) in items.iter_mut().zip(0..) {
        item.condition = drawn_code(net, seed, stream);
    }
    let mut stepper = maker.stepper(maker.side_by_side(items.len(), LANES, 1))?;
    let begun = Instant::now();
    let made = if items.len() == 1 {
        let mut stream = Stream::new(&codec, &prompt, args.output.as_deref())?;
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
        write_lines(args.output.as_deref(), &codec, &tokens, &all)?;
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
    warn_of_unknown(codec, prompt, ui);
    Ok(prompt.to_owned())
}

/// The likeliest sentences: the best ones of one search, or the best one of each code.
fn search(
    args: &Args,
    stepper: &mut dyn Stepper,
    codec: &TextCodec,
    prompt: &[Token],
    settings: &BeamSettings,
    codes: &[Vec<f32>],
) -> Result<()> {
    let query = |condition| Query { condition, prompt };
    let found = if codes.is_empty() {
        beam_search(stepper, &[query(None)], settings)?.remove(0)
    } else {
        let queries: Vec<Query> = codes.iter().map(|code| query(Some(code))).collect();
        let found = beam_search(stepper, &queries, settings)?;
        found
            .into_iter()
            .filter_map(|lines| lines.into_iter().next())
            .collect()
    };
    let best: Vec<Vec<Token>> = found
        .into_iter()
        .take(args.number as usize)
        .map(|hypothesis| hypothesis.tokens)
        .collect();
    write_lines(args.output.as_deref(), codec, prompt, &best)
}

/// One line for each continuation, the prompt before it.
fn write_lines(
    path: Option<&Path>,
    codec: &TextCodec,
    prompt: &[Token],
    continuations: &[Vec<Token>],
) -> Result<()> {
    let mut text = String::new();
    for continuation in continuations {
        text += &codec.decode(&[prompt, continuation].concat())?;
        text += "\n";
    }
    match file(path) {
        None => show(&text),
        Some(path) => write_atomic(path, text.as_bytes()),
    }
}

/// One sentence while it is made: at once on standard output, and to a file when it is whole.
struct Stream<'a> {
    stream: TextStream<'a>,
    path: Option<&'a Path>,
    text: String,
    made: usize,
}

impl<'a> Stream<'a> {
    fn new(codec: &'a TextCodec, prompt: &str, path: Option<&'a Path>) -> Result<Self> {
        let mut stream = Self {
            stream: codec.stream(),
            path: file(path),
            text: String::new(),
            made: 0,
        };
        // The prompt goes through it too, so that what follows knows whether a space is due.
        for token in codec.encode(&prompt.to_owned())? {
            stream.push(token)?;
        }
        stream.made = 0;
        Ok(stream)
    }

    fn push(&mut self, token: Token) -> Result<()> {
        self.made += 1;
        let piece = self.stream.push(token)?;
        self.say(&piece)
    }

    fn say(&mut self, piece: &str) -> Result<()> {
        if self.path.is_none() {
            return show(piece);
        }
        self.text += piece;
        Ok(())
    }

    fn end(self) -> Result<usize> {
        let rest = format!("{}\n", self.stream.finish());
        match self.path {
            None => show(&rest)?,
            Some(path) => write_atomic(path, (self.text + &rest).as_bytes())?,
        }
        Ok(self.made)
    }
}

/// The file to write; `None` for standard output.
fn file(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| *path != Path::new("-"))
}

fn show(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .writing(Path::new("standard output"))
}
