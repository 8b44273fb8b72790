/*! `ensuite generate MODEL`: make something new. */

use std::path::{Path, PathBuf};

use burn::prelude::*;

use crate::base::labels::{Label, describe};
use crate::checkpoint::Medium;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::arguments::{SamplingArgs, labels_of_item, parse_label};
use crate::cli::media;
use crate::cli::precision;
use crate::cli::precision::Precision;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::ops::device::{DeviceChoice, is_cpu};
use crate::sequence::{Item, Sampler, Stepper, Token};

/// Make something new
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model folder
    model: PathBuf,
    /// The file to write, or - for standard output; several get numbers [default: the model's name; standard output for text]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// How many to make
    #[arg(short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) number: u64,
    /// What to continue: a recording, or the beginning of a sentence
    #[arg(long, value_name = "FILE|TEXT")]
    pub(super) prompt: Option<PathBuf>,
    /// Choose a class, as in digit=7; what is not given is drawn
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// The weights' numbers [default: int8 where it foresees nearly as well]
    #[arg(long, value_enum)]
    pub(super) precision: Option<Precision>,
    /// Where to make it: cpu, or cuda or cuda:N for hundreds at once
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceChoice,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// How long, in seconds [default: 5]
    #[arg(long, allow_negative_numbers = true, help_heading = "Sound")]
    pub(super) seconds: Option<f64>,
    /// Put the prompt before what is made of it
    #[arg(long, requires = "prompt", help_heading = "Sound")]
    pub(super) with_prompt: bool,
    /// Show a picture being drawn, as a GIF
    #[arg(long, help_heading = "Pictures")]
    pub(super) gif: bool,
    /// How many times to enlarge each pixel [default: as is comfortable]
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Pictures")]
    pub(super) scale: Option<u32>,
    /// A file for each picture, instead of one sheet of all
    #[arg(long, help_heading = "Pictures", conflicts_with = "gif")]
    pub(super) separate: bool,
    /// The most tokens of a sentence [default: 200]
    #[arg(long, value_name = "N", help_heading = "Text")]
    pub(super) max_length: Option<usize>,
    /// Search the likeliest sentences with so many beams, instead of drawing some
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256), help_heading = "Text")]
    pub(super) beam: Option<u64>,
}

pub(super) fn run(args: &Args, ui: &Ui) -> Result<()> {
    args.sampling.sampling()?;
    let (folder, manifest) = ModelFolder::open(&args.model)?;
    args.refuse_foreign(&manifest.medium)?;
    manifest.classes.check(&args.classes)?;
    media::verbs(&manifest.medium).generate(args, &folder, &manifest, ui)
}

impl Args {
    fn refuse_foreign(&self, medium: &Medium) -> Result<()> {
        const SOUND: &[&str] = &["sound"];
        const PICTURES: &[&str] = &["pictures"];
        const TEXT: &[&str] = &["text"];
        media::refuse_foreign(
            medium,
            &[
                ("--seconds", self.seconds.is_some(), SOUND),
                ("--with-prompt", self.with_prompt, SOUND),
                ("--gif", self.gif, PICTURES),
                ("--scale", self.scale.is_some(), PICTURES),
                ("--separate", self.separate, PICTURES),
                ("--max-length", self.max_length.is_some(), TEXT),
                ("--beam", self.beam.is_some(), TEXT),
            ],
        )
    }

    /// All that is to be made from one seed: the seed, and each item with its labels in words.
    pub(super) fn items(
        &self,
        manifest: &ModelManifest,
        prompt: &[Token],
    ) -> Result<(u64, Vec<Item>, Vec<String>)> {
        let seed = self.sampling.seed();
        let mut items = Vec::with_capacity(self.number as usize);
        let mut names = Vec::with_capacity(self.number as usize);
        for item in 0..self.number {
            let labels = labels_of_item(&manifest.classes, &self.classes, seed, item);
            items.push(Item {
                sampler: Sampler::new(self.sampling.sampling()?, seed, item)?,
                condition: (!labels.is_empty())
                    .then(|| manifest.classes.vector(&labels))
                    .transpose()?,
                prompt: prompt.to_vec(),
            });
            names.push(describe(&labels));
        }
        Ok((seed, items, names))
    }

    /// The network where it is to work, and its stepper for any number of lanes.
    pub(super) fn maker<'a>(
        &self,
        folder: &ModelFolder,
        manifest: &'a ModelManifest,
    ) -> Result<Maker<'a>> {
        // A card makes only when it is asked for: few at once are faster on the CPU.
        let device = match &self.device {
            DeviceChoice::Auto => Device::flex(),
            asked => asked.resolve_one()?,
        };
        if !is_cpu(&device) && self.precision == Some(Precision::Int8) {
            return Err(
                Error::usage("a card makes in f32 only").with_hint("leave --precision away")
            );
        }
        Ok(Maker {
            net: folder.load(manifest, &device)?,
            on_card: !is_cpu(&device),
            manifest,
            precision: self.precision,
        })
    }

    /// The seed given, or a new one.
    pub(super) fn seed(&self) -> u64 {
        self.sampling.seed()
    }

    /// Refuses to look for more sentences than a search keeps.
    pub(super) fn refuse_more_than(&self, beams: u64) -> Result<()> {
        if self.number <= beams {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{beams} beams find {beams} sentences at most, not {}",
            self.number
        ))
        .with_hint("give --beam a higher number, or -n a lower one"))
    }

    /// Refuses flags of chance where `because` leaves nothing to it (but a seed, where `seeded`).
    pub(super) fn refuse_sampling(&self, because: &str, seeded: bool) -> Result<()> {
        if self.sampling.is_usual(seeded) {
            return Ok(());
        }
        let (what, flags) = if seeded {
            ("only a code is", "")
        } else {
            ("nothing is", " and --seed")
        };
        Err(Error::usage(format!(
            "{what} drawn with {because}, so that --temperature, --top-k, --top-p, --min-p{flags} mean nothing"
        ))
        .with_hint("leave them away"))
    }

    /// One path for each of `number` files, checked before any work is done.
    pub(super) fn outputs(&self, number: u64, extension: &str) -> Result<Vec<PathBuf>> {
        let base = match &self.output {
            Some(path) => path.clone(),
            None => {
                let full = self
                    .model
                    .canonicalize()
                    .unwrap_or_else(|_| self.model.clone());
                PathBuf::from(full.file_name().unwrap_or("made".as_ref())).with_extension(extension)
            }
        };
        if base == Path::new("-") {
            if number > 1 {
                return Err(Error::usage("several cannot go to standard output")
                    .with_hint("give a file name with -o"));
            }
            return Ok(vec![base]);
        }
        if base.is_dir() {
            return Err(Error::usage(format!("{} is a folder", base.display()))
                .with_hint(format!("give a file name, such as more.{extension}")));
        }
        if let Some(parent) = base.parent()
            && !parent.as_os_str().is_empty()
            && !parent.is_dir()
        {
            return Err(Error::input(parent, "there is no such folder to write to"));
        }
        if number == 1 {
            return Ok(vec![base]);
        }
        let digits = number.to_string().len();
        let stem = base
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let extension = base
            .extension()
            .map_or(extension.into(), |e| e.to_string_lossy().into_owned());
        Ok((1..=number)
            .map(|number| base.with_file_name(format!("{stem}-{number:0digits$}.{extension}")))
            .collect())
    }
}

/// A network that makes things.
pub(super) struct Maker<'a> {
    pub(super) net: Model,
    /// Whether it works on a card.
    pub(super) on_card: bool,
    manifest: &'a ModelManifest,
    precision: Option<Precision>,
}

impl Maker<'_> {
    /// Its stepper of so many lanes.
    pub(super) fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        if self.on_card {
            return self.net.require_sequence()?.batched_stepper(lanes);
        }
        precision::stepper(&self.net, self.manifest, self.precision, lanes)
    }

    /// How many items go side by side that need `each` lanes: up to `usual` lanes on the CPU, thousands on a card.
    pub(super) fn side_by_side(&self, items: usize, usual: usize, each: usize) -> usize {
        let most = if self.on_card { CARD_LANES } else { usual };
        items.clamp(1, (most / each).max(1))
    }
}

/// At most so many lanes go side by side on a card.
const CARD_LANES: usize = 4096;

pub(super) fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard output".into()
    } else {
        path.display().to_string()
    }
}
