/*! Training on sentences: a language model or a sentence VAE. */

use std::path::{Path, PathBuf};

use serde_json::json;

use super::options::{Given, TrainOptions, given, refuse_changes};
use super::run::{TrainingData, begun, check_same_data, new_manifest, train_model};
use crate::app::import::read_sentences;
use crate::app::sentence_space::prior_code;
use crate::app::{Observer, OpenModel, short_count};
use crate::base::files::write_atomic;
use crate::base::labels::{Classes, LabelRule};
use crate::base::split::Split;
use crate::checkpoint::{Medium, ModelManifest, TOKENIZER};
use crate::error::{Error, IoContext, Result};
use crate::models::Model;
use crate::sequence::{
    Codec, ConditionSource, Item, Sampler, Sampling, SequenceDataset, SideInputs, generate_many,
};
use crate::text::{
    HeldOut, Sentences, TextCodec, TextFormat, TokenizerKind, TokenizerSettings, TrainValSplit,
    fingerprint,
};
use crate::train::Recipe;

/// What is trained on sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextTask {
    /// Predicts the next token.
    LanguageModel,
    /// Has a latent code for each sentence. A sentence that is longer than the window is left out.
    SentenceVae,
}

impl TextTask {
    fn recipe(self, preset: &str, network: &str) -> Result<Recipe> {
        match self {
            Self::LanguageModel => Recipe::text(preset, network),
            Self::SentenceVae => Recipe::sentence_vae(preset, network),
        }
    }

    fn default_preset(self) -> &'static str {
        match self {
            Self::LanguageModel => "small",
            Self::SentenceVae => "poem",
        }
    }

    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::LanguageModel => ("a language model", "ensuite train text"),
            Self::SentenceVae => ("a sentence VAE", "ensuite train sentence-vae"),
        }
    }
}

/// Sentences to train on, and how they are read.
#[derive(Debug, Clone, Default)]
pub struct TextTraining {
    /// A text file with one sentence a line, or a folder of such files.
    pub text: PathBuf,
    /// How sentences are cut into tokens; pieces of words where it is missing.
    pub tokenizer: Option<TokenizerKind>,
    /// The most tokens of the tokenizer.
    pub vocabulary: Option<usize>,
    /// The field of JSON lines that holds the sentence.
    pub field: Option<String>,
    /// What to hold out; one in twenty where it is missing.
    pub validation: Option<HeldOut>,
}

impl TextTraining {
    fn given(&self) -> Given {
        given(&[
            ("--tokenizer", json!(self.tokenizer)),
            ("--vocabulary", json!(self.vocabulary)),
            ("--field", json!(self.field)),
            ("--validation", json!(self.validation)),
        ])
    }
}

/// Below this number of sentences, a model will mostly repeat them.
const FEW: usize = 1000;
/// Lines generated at a report.
const LINES: usize = 12;
/// Their greatest length, in tokens.
const LONGEST: usize = 100;

/// Trains a language model or a sentence VAE.
///
/// # Errors
/// When an option is not possible, no sentence can be used, training diverges, or writing fails.
pub fn train_text(
    data: &TextTraining,
    task: TextTask,
    options: &TrainOptions,
    observer: &mut dyn Observer,
) -> Result<OpenModel> {
    let recipe_of = |preset: &str, network: &str| task.recipe(preset, network);
    options.check(recipe_of, task.default_preset(), "lstm")?;
    let given = options.given(data.given())?;
    let resumed = options.resumed("text")?;
    if let Some(model) = &resumed {
        let found = if model.has_latent_codes() {
            TextTask::SentenceVae
        } else {
            TextTask::LanguageModel
        };
        if found != task {
            let (what, command) = found.describe();
            return Err(Error::model(model.folder.path(), format!("it is {what}"))
                .with_hint(format!("resume it with: {command}")));
        }
        refuse_changes(model, &given)?;
    }
    let plan = Plan::new(data, resumed.as_ref())?;
    let recipe = match &resumed {
        Some(model) => model.manifest.recipe.clone(),
        None => options.recipe(recipe_of, task.default_preset(), "lstm")?,
    };
    let sentences = read_sentences(&data.text, &plan.field, observer)?;
    let (training, held_out) = plan.held_out.split(sentences, &plan.field)?;
    if training.len() < FEW {
        observer.warn(format!(
            "{} sentences are few: the model will mostly repeat them",
            training.len()
        ));
    }
    let codec = match &resumed {
        Some(model) => model.text()?.1,
        None => TextCodec::train(&plan.tokenizer, training.iter())?,
    };
    let split = plan.split(&training, &held_out);
    check_same_data(resumed.as_ref(), &split, &data.text)?;
    let (folder, manifest) = begun(resumed, given, || Ok(plan.manifest(&codec, recipe, split)))?;
    let mut sequences = TrainValSplit::new(&codec, &training, &held_out)?;
    if task == TextTask::SentenceVae {
        drop_long(
            &mut sequences,
            manifest.recipe.batches.window,
            data,
            observer,
        )?;
    }
    let training_data = TextTrainingData {
        conditions: vec![Vec::new(); sequences.count()],
        words: mean_words(&training),
        sequences,
        codec,
    };
    train_model(
        options,
        folder,
        manifest,
        &training_data,
        &data.text,
        observer,
    )
}

/// Drops sentences that are longer than the window: a latent code stands for a whole sentence.
fn drop_long(
    sequences: &mut TrainValSplit,
    window: usize,
    data: &TextTraining,
    observer: &mut dyn Observer,
) -> Result<()> {
    let dropped = sequences.drop_longer_than(window);
    if dropped > 0 {
        observer.info(format!(
            "{dropped} sentences are longer than {window} tokens and left out"
        ));
    }
    if sequences.training_count() == 0 {
        return Err(Error::input(
            &data.text,
            format!("no sentence has at most {window} tokens"),
        )
        .with_hint("give shorter sentences, or a larger batches.window in a --config file"));
    }
    Ok(())
}

/// What is decided before any sentence is read.
struct Plan {
    field: String,
    held_out: HeldOut,
    tokenizer: TokenizerSettings,
}

impl Plan {
    fn new(data: &TextTraining, resumed: Option<&OpenModel>) -> Result<Self> {
        let kind = data.tokenizer.unwrap_or(TokenizerKind::Bpe);
        let mut tokenizer = TokenizerSettings::usual(kind);
        tokenizer.vocabulary = data.vocabulary.unwrap_or(tokenizer.vocabulary);
        if let Some(Medium::Text(text)) = resumed.map(|model| &model.manifest.medium) {
            return Ok(Self {
                field: text.field.clone(),
                held_out: text.held_out.clone(),
                tokenizer,
            });
        }
        Ok(Self {
            field: data.field.clone().unwrap_or_else(|| "text".into()),
            held_out: match data.validation.clone().unwrap_or_default() {
                // An absolute path is found from any folder.
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

    fn manifest(&self, codec: &TextCodec, recipe: Recipe, split: Split) -> ModelManifest {
        let text = TextFormat {
            tokenizer: codec.kind(),
            vocabulary: codec.vocabulary(),
            field: self.field.clone(),
            held_out: self.held_out.clone(),
        };
        new_manifest(
            Medium::Text(text),
            SideInputs::default(),
            LabelRule::None,
            Classes::default(),
            recipe,
            split,
        )
    }
}

/// Sentences as training data.
struct TextTrainingData {
    sequences: TrainValSplit,
    conditions: Vec<Vec<f32>>,
    codec: TextCodec,
    /// Mean words a sentence of the corpus.
    words: f64,
}

impl TrainingData for TextTrainingData {
    fn sequences(&self) -> &dyn SequenceDataset {
        &self.sequences
    }

    fn training(&self) -> usize {
        self.sequences.training_count()
    }

    fn conditions(&self) -> &dyn ConditionSource {
        &self.conditions
    }

    fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        Ok(vec![(TOKENIZER, self.codec.json()?.into_bytes())])
    }

    fn describe(&self, sequences: usize, tokens: u64) -> String {
        format!(
            "{sequences} sentences ({} tokens)",
            short_count(tokens as f64)
        )
    }

    fn sample(
        &self,
        model: &Model,
        manifest: &ModelManifest,
        base: &Path,
        step: u64,
    ) -> Result<String> {
        let seed = manifest.recipe.seed;
        let mut items = (0..LINES as u64)
            .map(|item| {
                let stream = step * 1000 + item;
                Ok(Item {
                    stream: None,
                    sampler: Sampler::new(Sampling::default(), seed, stream)?
                        .with_grammar(self.codec.grammar()),
                    condition: prior_code(model, seed, stream),
                    prompt: Vec::new(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut tokens = vec![Vec::new(); LINES];
        generate_many(
            &mut *model.require_sequence()?.stepper(LINES)?,
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
        write_atomic(&path, (lines.join("\n") + "\n").as_bytes())?;
        let words = mean_words(&Sentences::from_lines(lines.iter().map(String::as_str)));
        let shown: String = lines[0].chars().take(80).collect();
        Ok(format!(
            "{words:.1} words a line, {:.1} in the dataset; \"{shown}\"",
            self.words
        ))
    }
}

/// Mean words a sentence.
fn mean_words(sentences: &Sentences) -> f64 {
    let words: usize = sentences
        .iter()
        .map(|sentence| sentence.split_whitespace().count())
        .sum();
    words as f64 / sentences.len().max(1) as f64
}
