/*! `ensuite train text`: a language model of sentences; `ensuite train sentence-vae`: a space of them. */

use std::path::{Path, PathBuf};

use crate::base::labels::{Classes, LabelRule};
use crate::base::split::Split;
use crate::checkpoint::Medium;
use crate::checkpoint::{ModelFolder, ModelManifest, TOKENIZER};
use crate::cli::lesson;
use crate::cli::lesson::Material;
use crate::cli::text::{TrainValSplit, codec, drawn_code, fingerprint, read};
use crate::cli::train::TrainArgs;
use crate::cli::ui::Ui;
use crate::error::{Error, IoContext, Result};
use crate::models::Model;
use crate::sequence::{Codec, Item, Sampler, Sampling, SequenceDataset, generate_many};
use crate::text::TextFormat;
use crate::text::{
    HeldOut, ReadSettings, Sentences, TextCodec, Tokenized, TokenizerKind, TokenizerSettings,
};
use crate::train::Recipe;

/// Sentences, one a line (.txt, .jsonl, also .gz; a file or a folder of them)
///
/// The tokenizer is learned from the same sentences. samples/ holds lines the model makes at each report.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A text file with one sentence a line, or a folder of such files
    text: PathBuf,
    #[command(flatten)]
    train: TrainArgs,
    /// How sentences are cut: bpe (pieces of words), characters, or words [default: bpe]
    #[arg(long, value_name = "KIND", help_heading = "Text")]
    tokenizer: Option<TokenizerKind>,
    /// Tokens of the tokenizer, at most [default: 4096 for bpe, 8192 for characters, 10000 for words]
    #[arg(long, value_name = "N", help_heading = "Text")]
    vocabulary: Option<usize>,
    /// The field of JSON lines that holds the sentence [default: text]
    #[arg(long, value_name = "NAME", help_heading = "Text")]
    field: Option<String>,
    /// What to hold out: one-in:N, last:N or file:PATH [default: one-in:20]
    #[arg(long, value_name = "WHAT", help_heading = "Text")]
    validation: Option<HeldOut>,
}

/// What is to be learned from sentences.
pub(in crate::cli) struct TextTask {
    /// The recipe by the names of a preset and a network.
    recipe: fn(&str, &str) -> Result<Recipe>,
    /// The usual preset.
    preset: &'static str,
    /// Whether sentences have to be whole: one that is longer than the window is left out.
    whole: bool,
}

/// What comes next in a sentence.
pub(in crate::cli) const LANGUAGE_MODEL: TextTask = TextTask {
    recipe: Recipe::text,
    preset: "small",
    whole: false,
};

/// A code for each sentence.
pub(in crate::cli) const SENTENCE_VAE: TextTask = TextTask {
    recipe: Recipe::sentence_vae,
    preset: "poem",
    whole: true,
};

/// Fewer sentences than this teach little beside themselves.
const FEW: usize = 1000;
/// Lines made at a report.
const LINES: usize = 12;
/// Their greatest length, in tokens.
const LONGEST: usize = 100;

pub(in crate::cli) fn run(args: &Args, kind: &TextTask, ui: &Ui) -> Result<()> {
    args.train.check(kind.recipe, kind.preset, "lstm")?;
    let resumed = args.train.resumed("text")?;
    if let Some((folder, manifest)) = &resumed
        && manifest.recipe.model.latent().is_some() != kind.whole
    {
        let (is, with) = if kind.whole {
            ("a language model", "ensuite train text")
        } else {
            ("a sentence VAE", "ensuite train sentence-vae")
        };
        return Err(Error::model(folder.path(), format!("it is {is}"))
            .with_hint(format!("go on with it by: {with}")));
    }
    let plan = Plan::new(args, resumed.as_ref())?;
    let recipe = match &resumed {
        Some((_, manifest)) => manifest.recipe.clone(),
        None => args.train.recipe(kind.recipe, kind.preset, "lstm")?,
    };
    let sentences = read(&args.text, &plan.field, ui)?;
    let settings = ReadSettings {
        field: plan.field.clone(),
        ..ReadSettings::default()
    };
    let (learned, held_out) = plan.held_out.split(sentences, &settings)?;
    if learned.len() < FEW {
        ui.warn(format!(
            "{} sentences are few: the model will hardly do more than repeat them",
            learned.len()
        ));
    }
    let codec = match &resumed {
        Some((folder, manifest)) => {
            let Medium::Text(text) = &manifest.medium else {
                unreachable!("resumed() asked for text");
            };
            codec(folder, text)?
        }
        None => TextCodec::train(&plan.tokenizer, learned.iter())?,
    };
    let split = plan.split(&learned, &held_out);
    lesson::check_same_data(resumed.as_ref(), &split, &args.text)?;
    let (folder, manifest) = match resumed {
        Some((folder, manifest)) => (Some(folder), manifest),
        None => (None, plan.describe(&codec, recipe, split)),
    };
    let mut both = TrainValSplit {
        learned: Tokenized::new(&codec, &learned)?,
        held_out: Tokenized::new(&codec, &held_out)?,
    };
    if kind.whole {
        let window = manifest.recipe.batches.window;
        let all = both.count();
        both.learned.keep_up_to(window);
        both.held_out.keep_up_to(window);
        let left_out = all - both.count();
        if left_out > 0 {
            ui.say(format!(
                "{left_out} sentences are longer than {window} tokens and left out"
            ));
        }
        if both.learned.count() == 0 {
            return Err(Error::input(
                &args.text,
                format!("no sentence has at most {window} tokens"),
            )
            .with_hint("give shorter sentences, or a larger batches.window in a --config file"));
        }
    }
    let material = TextMaterial {
        conditions: vec![Vec::new(); both.count()],
        words: words_of(&learned),
        both,
        codec,
    };
    lesson::learn(&args.train, folder, manifest, &material, &args.text, ui)
}

/// What is decided before any sentence is read.
struct Plan {
    field: String,
    held_out: HeldOut,
    tokenizer: TokenizerSettings,
}

impl Plan {
    fn new(args: &Args, resumed: Option<&(ModelFolder, ModelManifest)>) -> Result<Self> {
        let kind = args.tokenizer.unwrap_or(TokenizerKind::Bpe);
        let mut tokenizer = TokenizerSettings::usual(kind);
        tokenizer.vocabulary = args.vocabulary.unwrap_or(tokenizer.vocabulary);
        if let Some((_, manifest)) = resumed {
            lesson::refuse_changes(&[
                ("--tokenizer", args.tokenizer.is_some()),
                ("--vocabulary", args.vocabulary.is_some()),
                ("--field", args.field.is_some()),
                ("--validation", args.validation.is_some()),
            ])?;
            if let Medium::Text(text) = &manifest.medium {
                return Ok(Self {
                    field: text.field.clone(),
                    held_out: text.held_out.clone(),
                    tokenizer,
                });
            }
        }
        Ok(Self {
            field: args.field.clone().unwrap_or_else(|| "text".into()),
            held_out: match args.validation.clone().unwrap_or_default() {
                // Found again from any folder.
                HeldOut::File(path) => HeldOut::File(path.canonicalize().reading(&path)?),
                other => other,
            },
            tokenizer,
        })
    }

    fn split(&self, learned: &Sentences, held_out: &Sentences) -> Split {
        Split {
            rule: self.held_out.to_string(),
            training: learned.len(),
            validation: Vec::new(),
            hash: fingerprint(learned, held_out),
        }
    }

    fn describe(&self, codec: &TextCodec, recipe: Recipe, split: Split) -> ModelManifest {
        let text = TextFormat {
            tokenizer: codec.kind(),
            vocabulary: codec.vocabulary(),
            field: self.field.clone(),
            held_out: self.held_out.clone(),
        };
        lesson::describe(
            Medium::Text(text),
            Vec::new(),
            LabelRule::None,
            Classes::default(),
            recipe,
            split,
        )
    }
}

/// Sentences to learn from.
struct TextMaterial {
    both: TrainValSplit,
    conditions: Vec<Vec<f32>>,
    codec: TextCodec,
    /// Mean words a sentence of the corpus.
    words: f64,
}

impl Material for TextMaterial {
    fn sequences(&self) -> &dyn SequenceDataset {
        &self.both
    }

    fn training(&self) -> usize {
        self.both.learned.count()
    }

    fn conditions(&self) -> &[Vec<f32>] {
        &self.conditions
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        Ok(vec![(TOKENIZER, self.codec.json()?.into_bytes())])
    }

    fn amount(&self, sequences: usize, tokens: u64) -> String {
        format!(
            "{sequences} sentences ({} tokens)",
            crate::cli::ui::count(tokens as f64)
        )
    }

    fn sample(
        &self,
        net: &Model,
        manifest: &ModelManifest,
        base: &Path,
        step: u64,
    ) -> Result<String> {
        let seed = manifest.recipe.seed;
        let mut items = (0..LINES as u64)
            .map(|item| {
                let stream = step * 1000 + item;
                Ok(Item {
                    sampler: Sampler::new(Sampling::default(), seed, stream)?,
                    condition: drawn_code(net, seed, stream),
                    prompt: Vec::new(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut tokens = vec![Vec::new(); LINES];
        generate_many(
            &mut *net.require_sequence()?.stepper(LINES)?,
            &mut items,
            LONGEST,
            &mut |item, token| {
                tokens[item].push(token);
                Ok(())
            },
        )?;
        let lines = tokens
            .iter()
            .map(|tokens| self.codec.decode(tokens))
            .collect::<Result<Vec<_>>>()?;
        let path = base.with_extension("txt");
        std::fs::write(&path, lines.join("\n") + "\n").writing(&path)?;
        let words = words_of(&Sentences::from_lines(lines.iter().map(String::as_str)));
        let shown: String = lines[0].chars().take(80).collect();
        Ok(format!(
            "{words:.1} words a line beside {:.1}; \"{shown}\"",
            self.words
        ))
    }
}

/// Mean words a sentence.
fn words_of(sentences: &Sentences) -> f64 {
    let words: usize = sentences
        .iter()
        .map(|sentence| sentence.split_whitespace().count())
        .sum();
    words as f64 / sentences.len().max(1) as f64
}
