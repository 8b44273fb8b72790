/*! The model folder on disk. */

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::Deserialize;

use crate::base::files::{hash_bytes, write_atomic};
use crate::checkpoint::{ModelManifest, tensors};
use crate::error::{Error, IoContext, Result};
use crate::models::{Model, parameters, with_values};
use crate::train::{Report, StateDict, Task, TrainState};

const MANIFEST: &str = "model.json";
/// The name of the recording that a sound model begins from when it plays live.
pub const PROMPT: &str = "prompt.wav";
/// The name of a text model's tokenizer.
pub const TOKENIZER: &str = "tokenizer.json";
const WEIGHTS: &str = "weights.safetensors";
/// New weights, until the manifest that has their hash is in place.
const NEXT_WEIGHTS: &str = "weights.next.safetensors";
const STATE: &str = "training/state.safetensors";
const LOG: &str = "log.jsonl";

/// A model folder on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFolder {
    path: PathBuf,
}

impl ModelFolder {
    /// Refuses a new model where something exists already.
    ///
    /// # Errors
    /// [`Error::Exists`]; with `force`, only when what exists is not a model folder.
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
        Err(
            Error::input(path, "not a model folder, and --force replaces only those")
                .with_hint("choose another --out"),
        )
    }

    /// Writes a new, loadable model folder with an untrained or partly trained model, and the medium's own `files`.
    ///
    /// # Errors
    /// When something exists already (see [`check_free`](Self::check_free)) or writing fails.
    pub fn create<B: Send>(
        path: &Path,
        force: bool,
        manifest: &mut ModelManifest,
        state: &TrainState,
        task: &dyn Task<Batch = B>,
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
        folder.save_training(state, &task.state())?;
        folder.save_model(manifest, &task.snapshot())?;
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

    /// Opens a model folder and reads its manifest.
    ///
    /// # Errors
    /// When it is not a model folder, or its manifest is damaged, foreign or newer.
    pub fn open(path: &Path) -> Result<(Self, ModelManifest)> {
        if !path.is_dir() {
            return Err(Error::model(path, "there is no model folder here")
                .with_hint("the models that come with the program: ensuite models list"));
        }
        let file = path.join(MANIFEST);
        if !file.is_file() {
            return Err(Error::model(
                &file,
                "it is missing, so that this is not a model folder",
            ));
        }
        let text = fs::read_to_string(&file).reading(&file)?;
        let manifest = ModelManifest::parse(&text, &file)?;
        Ok((Self { path: path.into() }, manifest))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model with its averaged weights, on a plain device.
    ///
    /// # Errors
    /// When the weights are missing, damaged, changed or those of another network.
    pub fn load(&self, manifest: &ModelManifest, device: &Device) -> Result<Model> {
        let model = manifest
            .build(device)
            .map_err(|error| Error::model(self.path.join(MANIFEST), error.to_string()))?;
        let file = self.path.join(WEIGHTS);
        let bytes = self.weights(manifest)?;
        let (tensors, _) = tensors::parse(&file, &bytes)?;
        let mut stored = StateDict {
            tensors,
            ..StateDict::default()
        };
        let mut values = Vec::new();
        for parameter in parameters(&model) {
            let taken = stored.take(&parameter.name, &parameter.shape);
            values.push(taken.map_err(|error| Error::model(&file, error.to_string()))?);
        }
        let rest = stored.expect_empty();
        rest.map_err(|error| Error::model(&file, error.to_string()))?;
        Ok(with_values(model, values))
    }

    /// The bytes of the weights that the manifest describes.
    fn weights(&self, manifest: &ModelManifest) -> Result<Vec<u8>> {
        let file = self.path.join(WEIGHTS);
        let wanted = manifest.weights_sha256.as_deref();
        let fits = |bytes: &[u8]| wanted.is_none_or(|wanted| hash_bytes(bytes) == wanted);
        if file.is_file() {
            let bytes = fs::read(&file).reading(&file)?;
            if fits(&bytes) {
                return Ok(bytes);
            }
        }
        // A save that was interrupted after the manifest was written.
        let next = self.path.join(NEXT_WEIGHTS);
        if wanted.is_some() && next.is_file() {
            let bytes = fs::read(&next).reading(&next)?;
            if fits(&bytes) {
                return Ok(bytes);
            }
        }
        if !file.is_file() {
            return Err(Error::model(&file, "it is missing"));
        }
        Err(Error::model(
            &file,
            "it is damaged or was changed: its SHA-256 is not the one in model.json",
        )
        .with_hint(
            "restore the file from a copy; if it was changed on purpose, remove weights_sha256 from model.json",
        ))
    }

    /// Continues a training: gives the task its saved state, and returns that of the trainer.
    ///
    /// # Errors
    /// When the state is missing, damaged or of another network.
    pub fn resume<B: Send>(&self, task: &mut dyn Task<Batch = B>) -> Result<TrainState> {
        let file = self.path.join(STATE);
        if !file.is_file() {
            return Err(
                Error::model(&file, "it is missing, so that training cannot continue")
                    .with_hint("train a new model with another --out"),
            );
        }
        let bytes = fs::read(&file).reading(&file)?;
        let (tensors, metadata) = tensors::parse(&file, &bytes)?;
        let damaged = |error: serde_json::Error| Error::model(&file, error.to_string());
        let (state, counters) = if let Some(state) = metadata.get("state") {
            let counters = metadata.get("counters").map_or("{}", String::as_str);
            let counters = serde_json::from_str(counters).map_err(damaged)?;
            (serde_json::from_str(state).map_err(damaged)?, counters)
        } else if let Some(old) = metadata.get("standing") {
            let old: StateOfFormat1 = serde_json::from_str(old).map_err(damaged)?;
            old.migrate().map_err(damaged)?
        } else {
            return Err(Error::model(&file, "the training step is missing"));
        };
        let loaded = task.load_state(StateDict { tensors, counters });
        loaded.map_err(|error| Error::model(&file, error.to_string()))?;
        Ok(state)
    }

    /// Saves averaged weights with their manifest, whose hash is set. Until the new manifest is in place, the last model
    /// stays complete.
    ///
    /// # Errors
    /// When writing fails; the last complete model stays.
    pub fn save_model(&self, manifest: &mut ModelManifest, averaged: &Model) -> Result<()> {
        let file = self.path.join(WEIGHTS);
        let metadata = HashMap::from([("format".to_owned(), "ensuite".to_owned())]);
        let all = parameters(averaged);
        let tensors = all
            .iter()
            .map(|p| (p.name.as_str(), p.shape.as_slice(), p.values.as_slice()));
        let bytes = tensors::serialize(&file, tensors, metadata, manifest.half)?;
        let next = self.path.join(NEXT_WEIGHTS);
        write_atomic(&next, &bytes)?;
        manifest.weights_sha256 = Some(hash_bytes(&bytes));
        self.save_manifest(manifest)?;
        fs::rename(&next, &file).writing(&file)
    }

    /// Saves the manifest of the weights that are there already.
    ///
    /// # Errors
    /// When writing fails; the last complete manifest stays.
    pub fn save_manifest(&self, manifest: &ModelManifest) -> Result<()> {
        let text = serde_json::to_string_pretty(manifest).expect("a manifest is JSON") + "\n";
        write_atomic(&self.path.join(MANIFEST), text.as_bytes())
    }

    /// Saves what an exact resume needs.
    ///
    /// # Errors
    /// When writing fails; the last complete state stays.
    pub fn save_training(&self, state: &TrainState, task: &StateDict) -> Result<()> {
        let file = self.path.join(STATE);
        let json = |text: serde_json::Result<String>| text.expect("a state is JSON");
        let metadata = HashMap::from([
            ("state".to_owned(), json(serde_json::to_string(state))),
            (
                "counters".to_owned(),
                json(serde_json::to_string(&task.counters)),
            ),
        ]);
        let tensors = task
            .tensors
            .iter()
            .map(|(name, t)| (name.as_str(), t.shape.as_slice(), t.values.as_slice()));
        let bytes = tensors::serialize(&file, tensors, metadata, false)?;
        write_atomic(&file, &bytes)
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

    /// The reports so far, oldest first, without those of steps after `step` (of a run that was killed) and without a last
    /// line that was cut short.
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

    /// Replaces the log by these reports, as a resumed run does.
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

    /// The folder of the samples.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples")
    }

    /// Writes a text file of the folder, such as its README.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_text(&self, name: &str, text: &str) -> Result<()> {
        write_atomic(&self.path.join(name), text.as_bytes())
    }

    /// The size in bytes of the files that generation needs.
    pub fn size(&self) -> u64 {
        [MANIFEST, WEIGHTS]
            .iter()
            .filter_map(|name| fs::metadata(self.path.join(name)).ok())
            .map(|data| data.len())
            .sum()
    }
}

/// The metadata of a state as format 1 had it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateOfFormat1 {
    standing: serde_json::Value,
    optimizer_steps: u64,
}

impl StateOfFormat1 {
    /// The trainer's state and the task's counters.
    fn migrate(mut self) -> serde_json::Result<(TrainState, BTreeMap<String, u64>)> {
        let fields = self.standing.as_object_mut();
        let prepared = fields.and_then(|fields| fields.remove("prepared"));
        let reset = prepared == Some(serde_json::Value::Bool(true));
        let counters = BTreeMap::from([
            ("optimizer_steps".to_owned(), self.optimizer_steps),
            ("decoder_reset".to_owned(), u64::from(reset)),
        ]);
        Ok((serde_json::from_value(self.standing)?, counters))
    }
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
    use crate::base::labels::{Classes, LabelRule};
    use crate::base::split::Split;
    use crate::checkpoint::FORMAT;
    use crate::models::Batch;
    use crate::train::{BoxedTask, Budget, Recipe};

    fn manifest() -> ModelManifest {
        let text = "[network]\nlayers = 2\ncycle = 2\nresidual = 4\nskip = 4\nhead = 4";
        let recipe = Recipe::sound("tiny", "wavenet")
            .unwrap()
            .overridden(text.parse().unwrap())
            .unwrap();
        ModelManifest {
            format: FORMAT,
            program: "ensuite test".into(),
            medium: serde_json::from_value(serde_json::json!({
                "kind": "sound", "sample_rate": 8000, "codec": "mu-law-8",
                "even_loudness": true, "trim_silence": false, "trailing_silence": 0.0
            }))
            .unwrap(),
            lags: vec![],
            clocks: vec![],
            labels: LabelRule::None,
            classes: Classes::default(),
            recipe,
            split: Split {
                rule: "none".into(),
                training: 1,
                validation: vec![],
                hash: "0".into(),
            },
            options: BTreeMap::new(),
            step: 0,
            validation: None,
            int8: None,
            half: false,
            weights_sha256: None,
        }
    }

    fn untrained(manifest: &ModelManifest) -> BoxedTask<'static, Batch> {
        let recipe = &manifest.recipe;
        let model = recipe.model.build(manifest.interface(), 5, &Device::flex());
        recipe.task(model.unwrap(), None).unwrap()
    }

    /// A task whose tensors of weights, moments and averages all differ.
    fn trained(manifest: &ModelManifest) -> BoxedTask<'static, Batch> {
        let mut task = untrained(manifest);
        let mut state = task.state();
        for (number, tensor) in state.tensors.values_mut().enumerate() {
            tensor.values[0] = 0.25 * number as f32;
        }
        state.counters.insert("optimizer_steps".into(), 3);
        task.load_state(state).unwrap();
        task
    }

    fn progress() -> TrainState {
        TrainState {
            step: 3,
            ..TrainState::start(Budget::Steps(7))
        }
    }

    struct Made {
        parent: tempfile::TempDir,
        path: PathBuf,
        folder: ModelFolder,
        manifest: ModelManifest,
        task: BoxedTask<'static, Batch>,
    }

    fn made() -> Made {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("model");
        let mut manifest = manifest();
        let task = trained(&manifest);
        let folder =
            ModelFolder::create(&path, false, &mut manifest, &progress(), &*task, &[]).unwrap();
        Made {
            parent,
            path,
            folder,
            manifest,
            task,
        }
    }

    fn load(made: &Made) -> Result<Model> {
        let (folder, manifest) = ModelFolder::open(&made.path)?;
        folder.load(&manifest, &Device::flex())
    }

    #[test]
    fn save_and_load_change_nothing() {
        let made = made();
        let (folder, read) = ModelFolder::open(&made.path).unwrap();
        assert_eq!(read, made.manifest);
        let loaded = folder.load(&read, &Device::flex()).unwrap();
        assert_eq!(parameters(&loaded), parameters(&made.task.snapshot()));
        let mut resumed = untrained(&read);
        assert_eq!(folder.resume(&mut *resumed).unwrap(), progress());
        assert_eq!(resumed.state(), made.task.state());
    }

    #[test]
    fn half_precision_takes_half_the_room_and_is_exact_to_eleven_bits() {
        let mut made = made();
        let size = || fs::metadata(made.path.join(WEIGHTS)).unwrap().len();
        let (averaged, whole) = (made.task.snapshot(), size());
        made.manifest.half = true;
        made.folder
            .save_model(&mut made.manifest, &averaged)
            .unwrap();
        let count: usize = parameters(&averaged).iter().map(|p| p.values.len()).sum();
        // The header has the offsets of tensors in digits.
        assert!((whole - size()).abs_diff(2 * count as u64) < 100);
        let loaded = load(&made).unwrap();
        for (half, whole) in parameters(&loaded).iter().zip(parameters(&averaged)) {
            for (half, whole) in half.values.iter().zip(&whole.values) {
                assert!((half - whole).abs() <= whole.abs() / 2048.0 + 1e-7);
            }
        }
    }

    #[test]
    fn weights_that_are_not_those_of_the_manifest_are_refused() {
        let made = made();
        let file = made.path.join(WEIGHTS);
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, &bytes).unwrap();
        let error = load(&made).unwrap_err();
        assert!(error.to_string().contains(WEIGHTS) && error.to_string().contains("SHA-256"));
        assert!(error.hint().unwrap().contains("weights_sha256"));
        // Without a hash, as in format 1, nothing is checked.
        let mut manifest = made.manifest.clone();
        manifest.weights_sha256 = None;
        made.folder.save_manifest(&manifest).unwrap();
        load(&made).unwrap();
    }

    /// A model of format 1, with its state as that program wrote it.
    #[test]
    fn a_folder_of_format_1_is_read_and_resumed() {
        let made = made();
        let mut old = serde_json::to_value(&made.manifest).unwrap();
        let fields = old.as_object_mut().unwrap();
        fields.remove("weights_sha256");
        fields.remove("validation");
        fields.insert("format".into(), 1.into());
        fields.insert("validation_bits".into(), 2.5.into());
        let recipe = fields["recipe"].as_object_mut().unwrap();
        let network = recipe.remove("model").unwrap()["network"].clone();
        recipe.insert("network".into(), network);
        fs::write(made.path.join(MANIFEST), old.to_string()).unwrap();
        let file = made.path.join(STATE);
        let state = made.task.state();
        let standing = serde_json::json!({
            "standing": {
                "step": 3, "total": 7, "planned": 7, "prepared": true, "seconds": 1.5,
                "tokens": 11, "batches": 3, "best": [2.5, 2], "stale": 1
            },
            "optimizer_steps": 3
        });
        let metadata = HashMap::from([("standing".to_owned(), standing.to_string())]);
        let tensors = state
            .tensors
            .iter()
            .map(|(name, t)| (name.as_str(), t.shape.as_slice(), t.values.as_slice()));
        let bytes = tensors::serialize(&file, tensors, metadata, false).unwrap();
        fs::write(&file, bytes).unwrap();

        let (folder, read) = ModelFolder::open(&made.path).unwrap();
        assert_eq!(read.recipe, made.manifest.recipe);
        let validation = read.validation.as_ref().unwrap();
        assert_eq!((validation.name.as_str(), validation.value), ("nll", 2.5));
        let loaded = folder.load(&read, &Device::flex()).unwrap();
        assert_eq!(parameters(&loaded), parameters(&made.task.snapshot()));
        let mut resumed = untrained(&read);
        let progress = folder.resume(&mut *resumed).unwrap();
        assert_eq!(resumed.state(), state);
        assert_eq!((progress.step, progress.scored, progress.stale), (3, 11, 1));
        assert_eq!(progress.best, Some((2.5, 2)));
    }

    /// Damages a file; the error has to contain its name and a word.
    fn broken(name: &str, damage: impl Fn(Vec<u8>) -> Option<Vec<u8>>, word: &str) {
        let made = made();
        let file = made.path.join(name);
        match damage(fs::read(&file).unwrap()) {
            Some(bytes) => fs::write(&file, bytes).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let outcome = load(&made).and_then(|_| {
            made.folder
                .resume(&mut *untrained(&made.manifest))
                .map(drop)
        });
        let error = outcome.expect_err(word).to_string();
        assert!(
            error.contains(name) && error.contains(word),
            "{name}: '{error}' does not contain '{word}'"
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
        broken(MANIFEST, replace("\"format\": 2", "\"format\": 99"), "99");
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
    }

    #[test]
    fn values_that_are_not_finite_are_refused() {
        let made = made();
        let mut state = made.task.state();
        let tensor = state.tensors.values_mut().next().unwrap();
        tensor.values[0] = f32::NAN;
        made.folder.save_training(&progress(), &state).unwrap();
        let resumed = made.folder.resume(&mut *untrained(&made.manifest));
        let error = resumed.unwrap_err().to_string();
        assert!(error.contains(STATE) && error.contains("NaN"), "{error}");
    }

    #[test]
    fn weights_of_another_size_are_refused() {
        let made = made();
        let file = made.path.join(MANIFEST);
        let text = fs::read_to_string(&file)
            .unwrap()
            .replace("\"skip\": 4", "\"skip\": 5");
        fs::write(&file, text).unwrap();
        let error = load(&made).unwrap_err().to_string();
        assert!(
            error.contains(WEIGHTS) && error.contains("'out'"),
            "{error}"
        );
    }

    #[test]
    fn an_existing_folder_is_replaced_only_by_force_and_only_if_it_is_a_model() {
        let made = made();
        let again = |path: &Path, force| {
            let mut manifest = made.manifest.clone();
            ModelFolder::create(path, force, &mut manifest, &progress(), &*made.task, &[])
        };
        assert!(matches!(
            again(&made.path, false),
            Err(Error::Exists { .. })
        ));
        fs::write(made.path.join("samples/old.wav"), b"x").unwrap();
        again(&made.path, true).unwrap();
        assert!(!made.path.join("samples/old.wav").exists());
        let precious = made.parent.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("diary.txt"), b"x").unwrap();
        assert!(again(&precious, true).is_err() && precious.join("diary.txt").exists());
    }

    #[test]
    fn a_kill_between_the_files_of_a_save_leaves_a_complete_model() {
        let mut made = made();
        let before = made.task.snapshot();
        let old = ["weights.safetensors", MANIFEST].map(|name| fs::read(made.path.join(name)));
        let [old_weights, old_manifest] = old.map(std::result::Result::unwrap);
        let after = untrained(&made.manifest).snapshot();
        made.folder.save_model(&mut made.manifest, &after).unwrap();
        assert!(!made.path.join(NEXT_WEIGHTS).exists());
        // Killed before the weights are renamed: the new manifest has new weights.
        let new_weights = fs::read(made.path.join(WEIGHTS)).unwrap();
        fs::write(made.path.join(NEXT_WEIGHTS), new_weights).unwrap();
        fs::write(made.path.join(WEIGHTS), old_weights).unwrap();
        assert_eq!(parameters(&load(&made).unwrap()), parameters(&after));
        // Killed before the manifest is renamed: the old one has old weights.
        fs::write(made.path.join(MANIFEST), old_manifest).unwrap();
        assert_eq!(parameters(&load(&made).unwrap()), parameters(&before));
        // The next save works.
        made.folder.save_model(&mut made.manifest, &after).unwrap();
        assert_eq!(parameters(&load(&made).unwrap()), parameters(&after));
    }

    #[test]
    fn shipped_models_have_this_format_and_the_weights_of_their_hash() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        for model in fs::read_dir(models).unwrap() {
            let path = model.unwrap().path();
            // Beside the folders lies their catalogue.
            if !path.is_dir() {
                continue;
            }
            let text = fs::read_to_string(path.join(MANIFEST)).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["format"], FORMAT);
            let (folder, manifest) = ModelFolder::open(&path).unwrap();
            assert!(manifest.weights_sha256.is_some() && manifest.validation.is_some());
            folder.load(&manifest, &Device::flex()).unwrap();
            assert!(!folder.reports(u64::MAX).unwrap().is_empty());
        }
    }

    #[test]
    fn a_line_of_the_log_that_was_cut_short_is_skipped() {
        let made = made();
        fs::write(made.path.join(LOG), b"{\"step\": 1, \"tot").unwrap();
        assert_eq!(made.folder.reports(100).unwrap(), []);
    }
}
