/*!
The model folder: everything a model is, in files other tools can open.

| file | what |
|---|---|
| `model.json` | what it is: network, medium, classes, recipe, split, how far it was trained |
| `weights.safetensors` | the averaged weights it makes with (the best so far by validation), in single or half precision |
| `training/state.safetensors` | raw weights, the optimizer's memory and the standing: what `--resume` needs |
| `log.jsonl` | one line a report |
| `tokenizer.json` | text: the tokenizer, in the Hugging Face format |
| `palette.png` | pictures: the colours |
| `prompt.wav` | sound: a little of a recording, to begin from when playing live |
| `samples/` | what it made at each report |
| `README.md` | a model card |

Every file but the log and the samples is written aside, synced and renamed into place, so that a kill at any moment leaves
the last complete one (a line of the log that was cut short is skipped); a new folder appears only when all it needs lies in it.
*/

mod medium;

pub use medium::Medium;

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::base::files::write_atomic;
use crate::base::split::Split;
use burn::prelude::*;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::base::labels::{Classes, LabelRule};
use crate::error::{Error, IoContext, Result};
use crate::models::Model;
use crate::models::wavenet::Calibration;
use crate::models::{Interface, Parameter, parameters, with_values};
use crate::train::Recipe;
use crate::train::{AdamW, OptimizerState, Report, TrainState, Training};

/// The version of the folder this program writes.
pub const FORMAT: u32 = 1;

const MANIFEST: &str = "model.json";
/// The name of the recording that a model of sound begins from when it plays live.
pub const PROMPT: &str = "prompt.wav";
/// The name of a model of text's tokenizer.
pub const TOKENIZER: &str = "tokenizer.json";
const WEIGHTS: &str = "weights.safetensors";
const STATE: &str = "training/state.safetensors";
const LOG: &str = "log.jsonl";

/// What a model is: the content of `model.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// That program and its version.
    pub program: String,
    /// What its tokens stand for.
    pub medium: Medium,
    /// Earlier tokens that enter beside the current one.
    pub lags: Vec<usize>,
    /// How the labels of a file are found.
    pub labels: LabelRule,
    /// What it can be conditioned on.
    pub classes: Classes,
    /// How it is made.
    pub recipe: Recipe,
    /// The data it was made from.
    pub split: Split,
    /// The step its weights are from.
    pub step: u64,
    /// Validation with these weights, in bits a token.
    pub validation_bits: Option<f64>,
    /// How to make with eight-bit weights, where the network can.
    pub int8: Option<Int8>,
    /// Whether the weights are kept in half precision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub half: bool,
}

/// Eight-bit weights: how activations are quantised, and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Int8 {
    /// The sizes of the activations on training data.
    pub calibration: Calibration,
    /// Bits a token on some of the held-out data with f32 weights.
    pub f32_bits: f64,
    /// The same with eight-bit weights.
    pub int8_bits: f64,
}

impl Int8 {
    /// More than this many bits a token are too dear.
    pub const COST: f64 = 0.01;

    /// True where eight-bit weights foresee nearly as well.
    pub fn is_good(&self) -> bool {
        self.int8_bits - self.f32_bits <= Self::COST
    }
}

impl ModelManifest {
    /// What a network for this model reads and foresees.
    pub fn interface(&self) -> Interface {
        Interface {
            alphabet: self.medium.alphabet(),
            lags: self.lags.clone(),
            condition: self.classes.width(),
        }
    }
}

/// A model folder on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFolder {
    path: PathBuf,
}

impl ModelFolder {
    /// Refuses a new model where something is already.
    ///
    /// # Errors
    /// [`Error::Exists`]; with `force`, only when what is there is no model folder.
    pub fn check_free(path: &Path, force: bool) -> Result<()> {
        if !path.exists() {
            return Ok(());
        }
        if !force {
            return Err(Error::Exists { path: path.into() });
        }
        let empty = path.is_dir() && fs::read_dir(path).reading(path)?.next().is_none();
        if empty || path.join(MANIFEST).is_file() {
            return Ok(());
        }
        Err(Error::input(
            path,
            "it is no model folder, and --force replaces only those",
        )
        .with_hint("choose another --out"))
    }

    /// Writes a new, loadable model folder with an untrained or partly trained network, and the medium's own `files`.
    ///
    /// # Errors
    /// When something is there already (see [`check_free`](Self::check_free)) or writing fails.
    pub fn create(
        path: &Path,
        force: bool,
        manifest: &ModelManifest,
        training: &Training<Model>,
        files: &[(&str, Vec<u8>)],
    ) -> Result<Self> {
        Self::check_free(path, force)?;
        let aside = sibling(path, "new");
        remove(&aside)?;
        let folder = Self {
            path: aside.clone(),
        };
        for inner in ["training", "samples"] {
            let inner = aside.join(inner);
            fs::create_dir_all(&inner).writing(&inner)?;
        }
        for (name, bytes) in files {
            write_atomic(&aside.join(name), bytes)?;
        }
        folder.save_training(training)?;
        folder.save_model(manifest, &training.optimizer.averaged(&training.net))?;
        if path.exists() {
            let old = sibling(path, "old");
            remove(&old)?;
            fs::rename(path, &old).writing(path)?;
            fs::rename(&aside, path).writing(path)?;
            remove(&old)?;
        } else {
            fs::rename(&aside, path).writing(path)?;
        }
        Ok(Self { path: path.into() })
    }

    /// Opens a model folder and reads what it is.
    ///
    /// # Errors
    /// When it is no model folder, or its description is damaged, foreign or newer.
    pub fn open(path: &Path) -> Result<(Self, ModelManifest)> {
        if !path.is_dir() {
            return Err(Error::model(path, "there is no model folder here"));
        }
        let file = path.join(MANIFEST);
        if !file.is_file() {
            return Err(Error::model(
                &file,
                "it is missing, so that this is no model folder",
            ));
        }
        let text = fs::read_to_string(&file).reading(&file)?;
        let version: Version = serde_json::from_str(&text).map_err(|error| {
            Error::model(
                &file,
                format!("it is damaged or not written by ensuite ({error})"),
            )
        })?;
        if version.format > FORMAT {
            return Err(Error::model(
                &file,
                format!(
                    "it has format {}, and this program reads up to {FORMAT}",
                    version.format
                ),
            )
            .with_hint("use a newer ensuite"));
        }
        let manifest: ModelManifest =
            serde_json::from_str(&text).map_err(|error| Error::model(&file, error.to_string()))?;
        Ok((Self { path: path.into() }, manifest))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The network with the weights it makes with, on a plain device.
    ///
    /// # Errors
    /// When the weights are missing, damaged or of another network.
    pub fn load(&self, manifest: &ModelManifest, device: &Device) -> Result<Model> {
        let net = self.build(manifest, device)?;
        let file = self.path.join(WEIGHTS);
        let stored = Stored::read(&file)?;
        let mut values = Vec::new();
        for parameter in parameters(&net) {
            values.push(stored.tensor(&parameter.name, &parameter.shape)?);
        }
        stored.expect_only(values.len())?;
        Ok(with_values(net, values))
    }

    /// Everything needed to go on training, on a plain device.
    ///
    /// # Errors
    /// When the state is missing, damaged or of another network.
    pub fn load_training(
        &self,
        manifest: &ModelManifest,
        device: &Device,
    ) -> Result<Training<Model>> {
        let net = self.build(manifest, device)?;
        let file = self.path.join(STATE);
        if !file.is_file() {
            return Err(
                Error::model(&file, "it is missing, so that training cannot go on")
                    .with_hint("train a new model with another --out"),
            );
        }
        let stored = Stored::read(&file)?;
        let shapes = parameters(&net);
        let part = |part: &str| -> Result<Vec<Vec<f32>>> {
            shapes
                .iter()
                .map(|p| stored.tensor(&format!("{part}.{}", p.name), &p.shape))
                .collect()
        };
        let (momentum, variance, average) =
            (part("momentum")?, part("variance")?, part("average")?);
        let weights = part("weights")?;
        stored.expect_only(4 * shapes.len())?;
        let standing = stored
            .metadata
            .get("standing")
            .ok_or_else(|| Error::model(&file, "it says not how far training was"))?;
        let standing: Saved = serde_json::from_str(standing)
            .map_err(|error| Error::model(&file, error.to_string()))?;
        let optimizer = OptimizerState {
            steps: standing.optimizer_steps,
            momentum,
            variance,
            average,
        };
        Ok(Training {
            optimizer: AdamW::resume(optimizer, &net),
            net: with_values(net, weights),
            standing: standing.standing,
        })
    }

    /// Keeps a description with the averaged network it describes.
    ///
    /// # Errors
    /// When writing fails; the last complete model stays.
    pub fn save_model(&self, manifest: &ModelManifest, averaged: &Model) -> Result<()> {
        let all = parameters(averaged);
        let metadata = HashMap::from([("format".to_owned(), "ensuite".to_owned())]);
        let tensors = all.iter().map(|p| (p.name.clone(), p));
        let kind = if manifest.half {
            Dtype::F16
        } else {
            Dtype::F32
        };
        write_tensors(&self.path.join(WEIGHTS), tensors, metadata, kind)?;
        self.save_manifest(manifest)
    }

    /// Keeps a description of the weights that are there already.
    ///
    /// # Errors
    /// When writing fails; the last complete description stays.
    pub fn save_manifest(&self, manifest: &ModelManifest) -> Result<()> {
        let text = serde_json::to_string_pretty(manifest).expect("a manifest is JSON") + "\n";
        write_atomic(&self.path.join(MANIFEST), text.as_bytes())
    }

    /// Keeps what is needed to go on training.
    ///
    /// # Errors
    /// When writing fails; the last complete state stays.
    pub fn save_training(&self, training: &Training<Model>) -> Result<()> {
        let weights = parameters(&training.net);
        let optimizer = training.optimizer.state();
        let parts = [
            ("momentum", &optimizer.momentum),
            ("variance", &optimizer.variance),
            ("average", &optimizer.average),
        ];
        let mut all: Vec<(String, Parameter)> = Vec::with_capacity(4 * weights.len());
        for (part, values) in parts {
            all.extend(weights.iter().zip(values).map(|(p, values)| {
                (
                    format!("{part}.{}", p.name),
                    Parameter {
                        values: values.clone(),
                        ..p.clone()
                    },
                )
            }));
        }
        all.extend(
            weights
                .into_iter()
                .map(|p| (format!("weights.{}", p.name), p)),
        );
        let saved = Saved {
            standing: training.standing.clone(),
            optimizer_steps: optimizer.steps,
        };
        let saved = serde_json::to_string(&saved).expect("a standing is JSON");
        let metadata = HashMap::from([("standing".to_owned(), saved)]);
        write_tensors(
            &self.path.join(STATE),
            all.iter().map(|(name, p)| (name.clone(), p)),
            metadata,
            Dtype::F32,
        )
    }

    /// Adds a report to the log.
    ///
    /// # Errors
    /// When writing fails.
    pub fn log(&self, report: &Report) -> Result<()> {
        let file = self.path.join(LOG);
        let line = serde_json::to_string(report).expect("a report is JSON") + "\n";
        let mut log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .writing(&file)?;
        log.write_all(line.as_bytes()).writing(&file)
    }

    /// The reports so far, oldest first. Reports of steps after `step` (a run that was killed and went on) are left
    /// out; so is a last line that was cut short.
    ///
    /// # Errors
    /// When reading fails.
    pub fn reports(&self, step: u64) -> Result<Vec<Report>> {
        let file = self.path.join(LOG);
        if !file.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&file).reading(&file)?;
        let reports = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Report>(line).ok());
        Ok(reports.filter(|report| report.step <= step).collect())
    }

    /// Replaces the log by these reports: what a resumed run begins with.
    ///
    /// # Errors
    /// When writing fails.
    pub fn rewrite_log(&self, reports: &[Report]) -> Result<()> {
        let lines: String = reports
            .iter()
            .map(|report| serde_json::to_string(report).expect("a report is JSON") + "\n")
            .collect();
        write_atomic(&self.path.join(LOG), lines.as_bytes())
    }

    /// Where the samples of a report lie.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples")
    }

    /// Writes a text file of the folder, such as its card.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_text(&self, name: &str, text: &str) -> Result<()> {
        write_atomic(&self.path.join(name), text.as_bytes())
    }

    /// Bytes the files needed for making take.
    pub fn size(&self) -> u64 {
        [MANIFEST, WEIGHTS]
            .iter()
            .filter_map(|name| fs::metadata(self.path.join(name)).ok())
            .map(|data| data.len())
            .sum()
    }

    fn build(&self, manifest: &ModelManifest, device: &Device) -> Result<Model> {
        let network = &manifest.recipe.network;
        network
            .build(manifest.interface(), manifest.recipe.seed, device)
            .map_err(|error| Error::model(self.path.join(MANIFEST), error.to_string()))
    }
}

/// Only the version, whatever else there is.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    standing: TrainState,
    optimizer_steps: u64,
}

/// A safetensors file read whole and checked by its library.
struct Stored {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: HashMap<String, String>,
}

impl Stored {
    fn read(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Err(Error::model(path, "it is missing"));
        }
        let bytes = fs::read(path).reading(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| Error::model(path, format!("it is truncated or damaged ({error})")))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let stored = Self {
            path: path.into(),
            bytes,
            metadata,
        };
        stored.open()?;
        Ok(stored)
    }

    fn open(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| {
            Error::model(&self.path, format!("it is truncated or damaged ({error})"))
        })
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensors = self.open()?;
        let tensor = tensors.tensor(name).map_err(|_| {
            Error::model(
                &self.path,
                format!("it has no tensor '{name}', so that it is another network's"),
            )
        })?;
        let known = matches!(tensor.dtype(), Dtype::F32 | Dtype::F16);
        if tensor.shape() != shape || !known {
            return Err(Error::model(
                &self.path,
                format!(
                    "its tensor '{name}' is {:?} {:?} where model.json asks for {shape:?} in single or half precision",
                    tensor.dtype(),
                    tensor.shape()
                ),
            ));
        }
        let values: Vec<f32> = if tensor.dtype() == Dtype::F16 {
            let (pairs, _) = tensor.data().as_chunks();
            pairs
                .iter()
                .map(|b| f16::from_le_bytes(*b).to_f32())
                .collect()
        } else {
            let (fours, _) = tensor.data().as_chunks();
            fours.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::model(
                &self.path,
                format!("its tensor '{name}' holds values that are no numbers"),
            ));
        }
        Ok(values)
    }

    fn expect_only(&self, count: usize) -> Result<()> {
        let found = self.open()?.len();
        if found == count {
            return Ok(());
        }
        Err(Error::model(
            &self.path,
            format!("it has {found} tensors where the network of model.json has {count}"),
        ))
    }
}

fn write_tensors<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (String, &'a Parameter)>,
    metadata: HashMap<String, String>,
    kind: Dtype,
) -> Result<()> {
    let failed = |reason: String| Error::Write {
        path: path.into(),
        source: std::io::Error::other(reason),
    };
    let mut all: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, p) in tensors {
        let bytes = if kind == Dtype::F16 {
            let halves = p.values.iter().map(|&value| f16::from_f32(value));
            if halves.clone().any(|half| !half.is_finite()) {
                return Err(failed(format!(
                    "'{name}' holds numbers too large for half precision"
                )));
            }
            halves.flat_map(f16::to_le_bytes).collect()
        } else {
            p.values.iter().flat_map(|v| v.to_le_bytes()).collect()
        };
        all.push((name, p.shape.clone(), bytes));
    }
    let views = all.iter().map(|(name, shape, bytes)| {
        let view =
            TensorView::new(kind, shape.clone(), bytes).expect("as many bytes as its shape says");
        (name.clone(), view)
    });
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))?;
    write_atomic(path, &bytes)
}

/// `models/bells` with `new` becomes `models/.bells.new`.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    path.with_file_name(format!(".{name}.{suffix}"))
}

fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).writing(path)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Budget;

    fn small() -> (ModelManifest, Training<Model>) {
        let text = "[network]\nlayers = 2\ncycle = 2\nresidual = 4\nskip = 4\nhead = 4";
        let recipe = Recipe::sound("tiny", "wavenet")
            .unwrap()
            .overridden(text)
            .unwrap();
        let manifest = ModelManifest {
            format: FORMAT,
            program: "ensuite test".into(),
            medium: serde_json::from_value(serde_json::json!({
                "kind": "sound", "sample_rate": 8000, "codec": "mu-law-8",
                "even_loudness": true, "trim_silence": false, "trailing_silence": 0.0
            }))
            .unwrap(),
            lags: vec![],
            labels: LabelRule::None,
            classes: Classes::default(),
            recipe,
            split: Split {
                rule: "none".into(),
                training: 1,
                validation: vec![],
                hash: "0".into(),
            },
            step: 0,
            validation_bits: None,
            int8: None,
            half: false,
        };
        let net = manifest
            .recipe
            .network
            .build(manifest.interface(), 5, &Device::flex())
            .unwrap();
        let mut training = Training {
            optimizer: AdamW::new(&net),
            standing: TrainState::start(Budget::Steps(7)),
            net,
        };
        // Each part differs from the others, so that mixing them up shows.
        training.optimizer.change(|memory| {
            memory.steps = 3;
            memory.momentum[0][0] = 0.25;
            memory.variance[0][0] = 0.5;
            memory.average[0][0] = 0.75;
        });
        training.standing.step = 3;
        (manifest, training)
    }

    fn made() -> (tempfile::TempDir, PathBuf, ModelManifest, Training<Model>) {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("model");
        let (manifest, training) = small();
        ModelFolder::create(&path, false, &manifest, &training, &[]).unwrap();
        (parent, path, manifest, training)
    }

    #[test]
    fn save_and_load_change_nothing() {
        let (_parent, path, manifest, training) = made();
        let (folder, read) = ModelFolder::open(&path).unwrap();
        assert_eq!(read, manifest);
        let averaged = training.optimizer.averaged(&training.net);
        let loaded = folder.load(&read, &Device::flex()).unwrap();
        assert_eq!(parameters(&loaded), parameters(&averaged));
        let resumed = folder.load_training(&read, &Device::flex()).unwrap();
        assert_eq!(parameters(&resumed.net), parameters(&training.net));
        assert_eq!(resumed.optimizer.state(), training.optimizer.state());
        assert_eq!(resumed.standing, training.standing);
    }

    #[test]
    fn half_precision_takes_half_the_room_and_is_exact_to_eleven_bits() {
        let (_parent, path, mut manifest, training) = made();
        let (folder, _) = ModelFolder::open(&path).unwrap();
        let size = || fs::metadata(path.join(WEIGHTS)).unwrap().len();
        let (averaged, whole) = (training.optimizer.averaged(&training.net), size());
        manifest.half = true;
        folder.save_model(&manifest, &averaged).unwrap();
        let count: usize = parameters(&averaged).iter().map(|p| p.values.len()).sum();
        // The header says where tensors lie, in digits.
        assert!((whole - size()).abs_diff(2 * count as u64) < 100);
        let loaded = folder.load(&manifest, &Device::flex()).unwrap();
        for (half, whole) in parameters(&loaded).iter().zip(parameters(&averaged)) {
            for (half, whole) in half.values.iter().zip(&whole.values) {
                assert!((half - whole).abs() <= whole.abs() / 2048.0 + 1e-7);
            }
        }
    }

    /// A file's damage, and a word that the error must say.
    fn broken(name: &str, damage: impl Fn(Vec<u8>) -> Option<Vec<u8>>, word: &str) {
        let (_parent, path, ..) = made();
        let file = path.join(name);
        match damage(fs::read(&file).unwrap()) {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let outcome = ModelFolder::open(&path).and_then(|(folder, manifest)| {
            folder.load(&manifest, &Device::flex())?;
            folder.load_training(&manifest, &Device::flex()).map(drop)
        });
        let error = outcome.expect_err(word).to_string();
        assert!(
            error.contains(name) && error.contains(word),
            "{name}: '{error}' does not say '{word}'"
        );
    }

    #[test]
    fn damaged_foreign_and_newer_files_are_named() {
        let replace = |from: &'static str, to: &'static str| {
            move |bytes: Vec<u8>| {
                Some(
                    String::from_utf8(bytes)
                        .unwrap()
                        .replacen(from, to, 1)
                        .into_bytes(),
                )
            }
        };
        for name in [MANIFEST, WEIGHTS, STATE] {
            broken(name, |_| None, "missing");
            broken(
                name,
                |bytes| Some(bytes[..bytes.len() / 2].to_vec()),
                "damaged",
            );
            broken(name, |_| Some(b"not ours".to_vec()), "damaged");
            broken(name, |_| Some(Vec::new()), "damaged");
        }
        broken(MANIFEST, replace("\"format\": 1", "\"format\": 99"), "99");
        broken(
            MANIFEST,
            replace("\"step\": 0", "\"step\": 0, \"colour\": 1"),
            "colour",
        );
        broken(
            MANIFEST,
            replace("\"residual\": 4", "\"residual\": 4, \"depth\": 1"),
            "depth",
        );
        broken(
            MANIFEST,
            replace("\"layers\": 2", "\"layers\": 0"),
            "layers",
        );
        broken(
            WEIGHTS,
            |_| {
                let mut other = small().1;
                other
                    .optimizer
                    .change(|memory| memory.average[0][0] = f32::NAN);
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("m");
                ModelFolder::create(&path, false, &small().0, &other, &[]).unwrap();
                Some(fs::read(path.join(WEIGHTS)).unwrap())
            },
            "no numbers",
        );
    }

    #[test]
    fn weights_of_another_size_are_refused() {
        let (_parent, path, ..) = made();
        let file = path.join(MANIFEST);
        let text = fs::read_to_string(&file)
            .unwrap()
            .replace("\"skip\": 4", "\"skip\": 5");
        fs::write(&file, text).unwrap();
        let (folder, manifest) = ModelFolder::open(&path).unwrap();
        let error = folder
            .load(&manifest, &Device::flex())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(WEIGHTS) && error.contains("'out'"),
            "{error}"
        );
    }

    #[test]
    fn an_existing_folder_is_replaced_only_by_force_and_only_if_it_is_a_model() {
        let (parent, path, manifest, training) = made();
        let again =
            |path: &Path, force| ModelFolder::create(path, force, &manifest, &training, &[]);
        assert!(matches!(again(&path, false), Err(Error::Exists { .. })));
        fs::write(path.join("samples/old.wav"), b"x").unwrap();
        again(&path, true).unwrap();
        assert!(!path.join("samples/old.wav").exists());
        let precious = parent.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("diary.txt"), b"x").unwrap();
        assert!(again(&precious, true).is_err() && precious.join("diary.txt").exists());
    }

    #[test]
    fn what_a_kill_leaves_behind_does_not_hurt() {
        let (_parent, path, manifest, training) = made();
        // Killed while writing aside: half a file under its temporary name.
        fs::write(path.join(".weights.safetensors.tmp"), b"half").unwrap();
        fs::write(path.join("training/.state.safetensors.tmp"), b"half").unwrap();
        fs::write(path.join(LOG), b"{\"step\": 1, \"tot").unwrap();
        let (folder, read) = ModelFolder::open(&path).unwrap();
        folder.load(&read, &Device::flex()).unwrap();
        assert_eq!(folder.reports(100).unwrap(), []);
        folder.save_training(&training).unwrap();
        folder
            .save_model(&manifest, &training.optimizer.averaged(&training.net))
            .unwrap();
        folder.load_training(&read, &Device::flex()).unwrap();
    }

    #[test]
    fn a_failed_write_leaves_the_last_complete_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        write_atomic(&file, b"whole").unwrap();
        // The temporary name is taken by a folder, so that writing fails half-way.
        fs::create_dir(folder.path().join(".a.tmp")).unwrap();
        assert!(write_atomic(&file, b"new").is_err());
        assert_eq!(fs::read(&file).unwrap(), b"whole");
    }
}
