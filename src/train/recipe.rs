/*!
A recipe: the model and how it is trained. Every default is here, in a named recipe (a preset); a config file and then flags
change it, and the result is saved with the model.
*/

use serde::{Deserialize, Serialize};

use crate::audio::frames::SLOTS;
use crate::error::{Error, Result};
use crate::models::{
    Batch, ClassifierConfig, ColorizerConfig, ColorizerSettings, ElboSettings, EnergyConfig,
    EnergySettings, GanConfig, ImageDecoder, ImageVaeConfig, Model, ModelSpec, Objective,
    RecurrentCell, RecurrentConfig, SentenceVaeConfig, SequenceConfig, Size, WaveNetConfig,
};
use crate::train::adversarial::JUDGED;
use crate::train::{
    AdversarialTask, BoxedTask, ClassificationTask, ColorizationTask, DataLoader, ElboTask,
    EnergyTask, LikelihoodTask, OptimizerSettings, TrainerSettings, WindowConfig,
};

/// Everything besides the data that the result of a run depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The model and its sizes.
    pub model: ModelSpec,
    /// The training loop.
    pub training: TrainerSettings,
    /// How sequences are cut into batches.
    pub batches: BatchSettings,
    /// The seed of the initial weights, of the order of batches and of everything random in training.
    pub seed: u64,
}

/// How sequences are cut into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Sequences side by side in an update; more where they are shorter than the window.
    pub rows: usize,
    /// The most tokens of a row that are scored; a row that starts inside a sequence also reads its context.
    pub window: usize,
}

impl BatchSettings {
    /// Rows that are whole pictures of so many pixels each.
    fn of_pictures(rows: usize, pixels: usize) -> Self {
        Self {
            rows,
            window: pixels.max(16),
        }
    }
}

/// The presets of sequence models: name and use.
pub const PRESETS: [(&str, &str); 4] = [
    (
        "tiny",
        "a first impression within a minute or two; low fidelity",
    ),
    (
        "small",
        "the default: trains and generates fast on two cores",
    ),
    ("medium", "twice the width: better after some hours"),
    ("large", "for long training, or a GPU"),
];

fn size_of(preset: &str) -> Result<Size> {
    Size::named(preset).ok_or_else(|| {
        let names = PRESETS.map(|(name, _)| name);
        Error::usage(format!("there is no preset '{preset}'"))
            .with_hint(format!("presets: {}", names.join(", ")))
    })
}

/// A sequence model with this network: the WaveNet or the recurrent network.
fn sequence(name: &str, wavenet: WaveNetConfig, recurrent: RecurrentConfig) -> Result<ModelSpec> {
    let network = match name {
        "wavenet" => SequenceConfig::WaveNet(wavenet),
        "lstm" => SequenceConfig::Lstm(recurrent),
        "gru" => SequenceConfig::Gru(recurrent),
        _ => {
            return Err(Error::usage(format!("there is no network '{name}'"))
                .with_hint("networks: wavenet, lstm, gru"));
        }
    };
    Ok(ModelSpec::Sequence { network })
}

impl Recipe {
    /// The preset `name` for sound, with this network.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn sound(name: &str, network: &str) -> Result<Self> {
        let size = size_of(name)?;
        let rows = |rows, window| BatchSettings { rows, window };
        // Recurrent layers work step by step: many short rows use the processor better.
        let batches = match network {
            "wavenet" => rows(2, 4096),
            _ => rows(32, 512),
        };
        let (wavenet, recurrent) = (
            WaveNetConfig::preset(size),
            RecurrentConfig::preset_for_samples(size),
        );
        let model = sequence(network, wavenet, recurrent)?;
        Ok(Self::new(model, batches, size.of([4e-3, 4e-3, 2e-3, 1e-3])))
    }

    /// The frame tier of a sound model: a GRU with one step a frame, and a head for its slots.
    pub fn frames() -> Self {
        let network = SequenceConfig::Gru(RecurrentConfig {
            embedding: 128,
            hidden: 256,
            layers: 1,
            tied: false,
            dropout: 0.25,
            stride: SLOTS,
        });
        let batches = BatchSettings {
            rows: 8,
            window: 512,
        };
        let mut recipe = Self::new(ModelSpec::Sequence { network }, batches, 3e-3);
        // It overfits soon: the best weights are looked for often.
        recipe.training.report_every = 100;
        recipe.training.warmup = 50;
        // What it cannot read of the past, it has to know from its condition and its state.
        recipe.training.word_dropout = 0.25;
        recipe
    }

    /// The preset `name` for pictures of this width and height, with this network.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn pictures(name: &str, network: &str, [width, height]: [usize; 2]) -> Result<Self> {
        let size = size_of(name)?;
        let pixels = width * height;
        let batches = BatchSettings::of_pictures(12_800_usize.div_ceil(pixels), pixels);
        let (wavenet, recurrent) = (
            WaveNetConfig::preset_for_pixels(size, width, height),
            RecurrentConfig::preset_for_pixels(size),
        );
        let model = sequence(network, wavenet, recurrent)?;
        Ok(Self::new(model, batches, size.of([4e-3, 4e-3, 2e-3, 1e-3])))
    }

    /// The preset `name` for text, with this network.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn text(name: &str, network: &str) -> Result<Self> {
        let size = size_of(name)?;
        // A row is mostly a whole sentence.
        let batches = BatchSettings {
            rows: 16,
            window: 128,
        };
        let (wavenet, recurrent) = (
            WaveNetConfig::preset(size),
            RecurrentConfig::preset_for_text(size),
        );
        let model = sequence(network, wavenet, recurrent)?;
        Ok(Self::new(model, batches, size.of([4e-3, 4e-3, 3e-3, 2e-3])))
    }

    /// The preset `name` for a sentence VAE, with a decoder of this recurrent cell.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn sentence_vae(name: &str, unit: &str) -> Result<Self> {
        let unit = match unit {
            "lstm" => RecurrentCell::Lstm,
            "gru" => RecurrentCell::Gru,
            _ => {
                return Err(
                    Error::usage(format!("a sentence VAE has no decoder '{unit}'"))
                        .with_hint("decoders: lstm, gru"),
                );
            }
        };
        let unknown = || {
            Error::usage(format!("there is no preset '{name}' for a sentence VAE"))
                .with_hint("presets: anchor, poem")
        };
        let network = SentenceVaeConfig::preset(name, unit).ok_or_else(unknown)?;
        let anchor = ElboSettings {
            autoencoder: 0.2,
            ramp: 0.3,
            reset_decoder: true,
            free_nats: 8.0,
            free_nats_fall: 0.0,
            word_dropout: 0.3,
            bag_of_words: 0.5,
            beta: 1.0,
            codes: 1,
        };
        let elbo = match name {
            "poem" => ElboSettings {
                reset_decoder: false,
                free_nats: 28.0,
                word_dropout: 0.2,
                ..anchor
            },
            _ => anchor,
        };
        let batches = BatchSettings {
            rows: 16,
            window: 96,
        };
        let mut recipe = Self::new(ModelSpec::SentenceVae { network, elbo }, batches, 3e-3);
        // While the KL weight rises, the ELBO of a later report may be worse.
        recipe.training.patience = 0;
        Ok(recipe)
    }

    /// The preset `name` for an image VAE of pictures of this width and height, with this decoder.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn image_vae(name: &str, decoder: ImageDecoder, sides: [usize; 2]) -> Result<Self> {
        let pixels = sides[0] * sides[1];
        let network = ImageVaeConfig::preset(size_of(name)?, decoder, sides);
        let elbo = ElboSettings {
            autoencoder: 0.0,
            ramp: 0.1,
            reset_decoder: false,
            // A decoder that reads the pixels before could do without a code.
            free_nats: if network.decoder.is_some() { 10.0 } else { 0.0 },
            free_nats_fall: 0.3,
            word_dropout: 0.0,
            bag_of_words: 0.0,
            beta: 1.0,
            codes: 1,
        };
        // A step of Muon costs the same for any batch; dense layers take little beside it.
        let (rows, learning_rates) = match decoder {
            ImageDecoder::Dense => (256, [6e-3, 6e-3, 4e-3, 2e-3]),
            _ => (64, [3e-3, 3e-3, 2e-3, 1e-3]),
        };
        let batches = BatchSettings::of_pictures(rows, pixels);
        let learning_rate = size_of(name)?.of(learning_rates);
        let model = ModelSpec::ImageVae { network, elbo };
        let mut recipe = Self::new(model, batches, learning_rate);
        if elbo.free_nats > 0.0 {
            // The bound falls most at the end, when no nats are free any longer.
            recipe.training.patience = 0;
        }
        Ok(recipe)
    }

    /// The preset `name` for a GAN of pictures of this width and height in these colours.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn gan(
        name: &str,
        objective: Objective,
        sides: [usize; 2],
        colors: Vec<[u8; 3]>,
    ) -> Result<Self> {
        let adversarial = objective.settings();
        let network = GanConfig::preset(size_of(name)?, sides, colors);
        let [rate, beta1, beta2] = objective.optimizer(sides[0] * sides[1]);
        let batches = BatchSettings::of_pictures(64, sides[0] * sides[1]);
        let mut recipe = Self::new(
            ModelSpec::Gan {
                network,
                adversarial,
            },
            batches,
            rate,
        );
        recipe.training.patience = 0;
        recipe.training.warmup = 0;
        recipe.training.first_report = 100;
        recipe.training.optimizer = OptimizerSettings {
            beta1,
            beta2,
            // Two networks that answer each other: neither is held back.
            clip_norm: 1e6,
            ..recipe.training.optimizer
        };
        Ok(recipe)
    }

    /// The preset `name` for a classifier of pictures of this width and height; colours and classes are still to come.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn classifier(name: &str, sides: [usize; 2]) -> Result<Self> {
        let network = ClassifierConfig::preset(size_of(name)?, sides);
        let batches = BatchSettings::of_pictures(64, sides[0] * sides[1]);
        let mut recipe = Self::new(ModelSpec::Classifier { network }, batches, 1e-3);
        recipe.training.optimizer.weight_decay = 0.05;
        Ok(recipe)
    }

    /// The preset `name` for an energy model of pictures of this width and height; their colours are still to come.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn energy(name: &str, sides: [usize; 2]) -> Result<Self> {
        let model = ModelSpec::Energy {
            network: EnergyConfig::preset(size_of(name)?, sides),
            adversarial: EnergySettings::default(),
        };
        let batches = BatchSettings::of_pictures(64, sides[0] * sides[1]);
        let mut recipe = Self::new(model, batches, 1e-4);
        recipe.training.patience = 0;
        recipe.training.first_report = 100;
        recipe.training.optimizer.beta1 = 0.0;
        Ok(recipe)
    }

    /// The preset `name` for a colorizer of pictures of this width and height; their colours are still to come.
    ///
    /// # Errors
    /// A usage error listing the names.
    pub fn colorizer(name: &str, sides: [usize; 2]) -> Result<Self> {
        let model = ModelSpec::Colorizer {
            network: ColorizerConfig::preset(size_of(name)?, sides),
            adversarial: ColorizerSettings::default(),
        };
        let batches = BatchSettings::of_pictures(16, sides[0] * sides[1]);
        let mut recipe = Self::new(model, batches, 2e-4);
        recipe.training.patience = 0;
        recipe.training.optimizer.beta1 = 0.5;
        // Two networks that answer each other: neither is held back.
        recipe.training.optimizer.clip_norm = 1e6;
        Ok(recipe)
    }

    /// The task that trains `model`, which is on a plain device and was built by this recipe. `held_out` is what it is
    /// evaluated on.
    ///
    /// # Errors
    /// When the model is of another family.
    pub fn task<'a>(
        &self,
        model: Model,
        held_out: Option<&'a DataLoader<'a>>,
    ) -> Result<BoxedTask<'a, Batch>> {
        let held_out = held_out.filter(|held_out| !held_out.is_empty());
        let (optimizer, seed) = (self.training.optimizer, self.seed);
        match (&self.model, model) {
            (ModelSpec::Sequence { .. }, model) => Ok(Box::new(
                LikelihoodTask::new(model, optimizer, seed, held_out)?
                    .with_word_dropout(self.training.word_dropout),
            )),
            (ModelSpec::SentenceVae { elbo, .. }, Model::SentenceVae(vae)) => Ok(Box::new(
                ElboTask::new(vae, *elbo, optimizer, seed, held_out),
            )),
            (ModelSpec::ImageVae { elbo, .. }, Model::ImageVae(vae)) => Ok(Box::new(
                ElboTask::new(vae, *elbo, optimizer, seed, held_out),
            )),
            (ModelSpec::Gan { adversarial, .. }, Model::Gan(gan)) => Ok(Box::new(
                AdversarialTask::new(gan, *adversarial, optimizer, seed, held_out),
            )),
            (ModelSpec::Classifier { .. }, Model::Classifier(net)) => Ok(Box::new(
                ClassificationTask::new(net, optimizer, seed, held_out),
            )),
            (ModelSpec::Energy { adversarial, .. }, Model::Energy(net)) => Ok(Box::new(
                EnergyTask::new(net, *adversarial, optimizer, seed, held_out),
            )),
            (ModelSpec::Colorizer { adversarial, .. }, Model::Colorizer(net)) => Ok(Box::new(
                ColorizationTask::new(net, *adversarial, optimizer, seed, held_out),
            )),
            (
                ModelSpec::SentenceVae { .. }
                | ModelSpec::ImageVae { .. }
                | ModelSpec::Gan { .. }
                | ModelSpec::Energy { .. }
                | ModelSpec::Classifier { .. }
                | ModelSpec::Colorizer { .. },
                _,
            ) => Err(Error::usage(
                "the model and its recipe are of different families",
            )),
        }
    }

    fn new(model: ModelSpec, batches: BatchSettings, learning_rate: f64) -> Self {
        // Measured in `benches/README.md`; recurrent layers and networks that answer each other keep AdamW.
        let muon = matches!(
            model,
            ModelSpec::ImageVae { .. }
                | ModelSpec::Sequence {
                    network: SequenceConfig::WaveNet(_)
                }
        );
        Self {
            model,
            training: TrainerSettings {
                learning_rate,
                warmup: 200,
                report_every: 500,
                first_report: 0,
                patience: 10,
                word_dropout: 0.0,
                optimizer: OptimizerSettings {
                    muon,
                    ..OptimizerSettings::default()
                },
            },
            batches,
            seed: 0,
        }
    }

    /// Changes what a TOML table names; unknown names are refused. Its sections `[network]`, `[elbo]` and `[adversarial]` are those of the
    /// model.
    ///
    /// # Errors
    /// A reason, when it has an unknown name or a value of the wrong kind.
    pub fn overridden(&self, mut changes: toml::Table) -> std::result::Result<Self, String> {
        let reason = |error: toml::de::Error| error.to_string();
        let mut table = toml::Table::try_from(self).expect("a recipe is a table");
        let mut model = toml::Table::new();
        for section in ["network", "elbo", "adversarial"] {
            if let Some(value) = changes.remove(section) {
                model.insert(section.into(), value);
            }
        }
        if !model.is_empty() {
            merge(
                &mut changes,
                toml::Table::from_iter([("model".into(), model.into())]),
            );
        }
        merge(&mut table, changes);
        table.try_into().map_err(reason)
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// A usage error naming the number and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.model.validate()?;
        let refuse = |what: String, hint: &str| Err(Error::usage(what).with_hint(hint));
        let rate = self.training.learning_rate;
        if !(rate.is_finite() && rate > 0.0 && rate <= 1.0) {
            return refuse(
                format!("a learning rate of {rate} cannot work"),
                "it is above 0 and at most 1; try 0.001",
            );
        }
        if !(1..=65_536).contains(&self.batches.rows) {
            return refuse(
                format!("a batch of {} rows cannot work", self.batches.rows),
                "it is from 1 to 65536",
            );
        }
        if let ModelSpec::Gan { adversarial, .. } = &self.model
            && (adversarial.batch_norm || adversarial.generator_batch_norm)
            && self.batches.rows < 2
        {
            return refuse(
                "batch normalisation of one picture cannot work".into(),
                "give --batch 2 or more",
            );
        }
        if !(16..=1 << 20).contains(&self.batches.window) {
            return refuse(
                format!("a window of {} tokens cannot work", self.batches.window),
                "it is from 16 to 1048576",
            );
        }
        let word_dropout = self.training.word_dropout;
        if !(0.0..1.0).contains(&word_dropout) {
            return refuse(
                format!("a word dropout of {word_dropout} cannot work"),
                "it is a share from 0 to below 1",
            );
        }
        if self.training.report_every == 0 {
            return refuse(
                "a report every 0 steps cannot work".into(),
                "it is 1 or more",
            );
        }
        let OptimizerSettings {
            beta1,
            beta2,
            epsilon,
            clip_norm,
            average_decay,
            weight_decay,
            muon: _,
        } = self.training.optimizer;
        let shares = [beta1, beta2, average_decay]
            .iter()
            .all(|b| (0.0..1.0).contains(b));
        if !(shares && epsilon > 0.0 && clip_norm > 0.0 && weight_decay >= 0.0) {
            return refuse(
                "the optimizer's settings cannot work".into(),
                "beta1, beta2 and average_decay are from 0 to below 1, epsilon and clip_norm above 0, weight_decay not below 0",
            );
        }
        Ok(())
    }

    /// Updates that share a batch, each of which sees an equal part: those of a discriminator before one of its generator.
    fn updates(&self) -> usize {
        match &self.model {
            ModelSpec::Gan { adversarial, .. } => adversarial.discriminator_steps.max(1),
            _ => 1,
        }
    }

    /// The most held-out tokens that a report validates on. A GAN compares features of many pictures, which is cheap; a token is
    /// a pixel.
    pub fn validated(&self) -> u64 {
        match &self.model {
            ModelSpec::Gan { network, .. } => (network.width * network.height * JUDGED[1]) as u64,
            _ => 400_000,
        }
    }

    /// How sequences are cut for an evaluation: as by [`cut`](Self::cut), but a recurrent network reads any sequence of up
    /// to 16,384 tokens whole.
    pub fn cut_to_measure(&self) -> WindowConfig {
        const WHOLE: usize = 1 << 14;
        let cut = self.cut();
        if self.model.receptive_field().is_some() {
            return cut;
        }
        let whole = WindowConfig {
            window: WHOLE.max(cut.window),
            context: (WHOLE / 4).max(cut.context),
            budget: cut.budget.max(WHOLE),
        };
        whole.aligned(self.model.stride())
    }

    /// How sequences are cut for this network.
    pub fn cut(&self) -> WindowConfig {
        // A recurrent network reads half a window before the first scored token.
        let context = self
            .model
            .receptive_field()
            .map_or(self.batches.window / 2, |field| field.saturating_sub(1));
        let cut = WindowConfig {
            window: context + self.batches.window,
            context,
            budget: self.batches.rows * self.updates() * self.batches.window,
        };
        cut.aligned(self.model.stride())
    }
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;

    use super::*;
    use crate::audio::frames::FrameFormat;
    use crate::models::Interface;
    use crate::sequence::{SideInputs, Token};
    use crate::train::StepContext;

    #[test]
    fn every_listed_recipe_exists_and_is_valid() {
        for (name, _) in PRESETS {
            for network in ["wavenet", "lstm", "gru"] {
                for recipe in [
                    Recipe::sound(name, network).unwrap(),
                    Recipe::pictures(name, network, [20, 20]).unwrap(),
                    Recipe::text(name, network).unwrap(),
                ] {
                    recipe.validate().unwrap();
                    assert_eq!(recipe.model.name(), network);
                }
            }
        }
        assert!(Recipe::sound("huge", "wavenet").unwrap_err().is_usage());
        assert!(
            Recipe::sound("small", "transformer")
                .unwrap_err()
                .is_usage()
        );
    }

    #[test]
    fn a_decoder_with_free_nats_never_ends_early() {
        for (decoder, early) in [(ImageDecoder::Conv, true), (ImageDecoder::WaveNet, false)] {
            let recipe = Recipe::image_vae("small", decoder, [12, 12]).unwrap();
            assert_eq!(recipe.training.patience > 0, early);
        }
    }

    #[test]
    fn a_config_changes_only_what_it_names() {
        let recipe = Recipe::sound("small", "wavenet").unwrap();
        let changed = recipe
            .overridden("[network]\nlayers = 8\n[training]\nlearning_rate = 0.5\n[training.optimizer]\nclip_norm = 2.0".parse().unwrap())
            .unwrap();
        let mut expected = recipe.clone();
        if let ModelSpec::Sequence {
            network: SequenceConfig::WaveNet(config),
        } = &mut expected.model
        {
            config.layers = 8;
        }
        expected.training.learning_rate = 0.5;
        expected.training.optimizer.clip_norm = 2.0;
        assert_eq!(changed, expected);
    }

    #[test]
    fn a_picture_recipe_has_the_dilations_of_its_width_and_a_config_changes_them() {
        let recipe = Recipe::pictures("small", "wavenet", [20, 10]).unwrap();
        let dilations = |recipe: &Recipe| match &recipe.model {
            ModelSpec::Sequence {
                network: SequenceConfig::WaveNet(config),
            } => config.dilations(),
            _ => unreachable!("a WaveNet"),
        };
        assert_eq!(
            dilations(&recipe)[..10],
            [1, 2, 4, 8, 16, 20, 40, 80, 160, 1]
        );
        let before: usize = dilations(&recipe).iter().sum();
        assert_eq!(recipe.cut().context, before);
        for (text, expected) in [
            ("[network]\ndilations = []", [1, 2, 4, 8, 16, 32, 64]),
            ("[network]\ndilations = [3, 5]", [3, 5, 3, 5, 3, 5, 3]),
        ] {
            assert_eq!(
                dilations(&recipe.overridden(text.parse().unwrap()).unwrap())[..7],
                expected
            );
        }
    }

    #[test]
    fn frames_are_never_cut_and_some_of_their_tokens_are_hidden_in_training() {
        let recipe = Recipe::frames();
        recipe.validate().unwrap();
        for cut in [recipe.cut(), recipe.cut_to_measure()] {
            assert_eq!([cut.window % SLOTS, cut.context % SLOTS], [0, 0], "{cut:?}");
        }
        let interface = Interface {
            alphabet: FrameFormat::alphabet(),
            side_inputs: SideInputs::default(),
            condition: 0,
        };
        let tokens: Vec<Token> = (0..50).map(|i| i * 7 % 600).collect();
        let batch = Batch::of(&[&tokens], &[&[]], interface.alphabet);
        let loss = |word_dropout: f64| {
            let mut recipe = recipe.clone();
            recipe.training.word_dropout = word_dropout;
            let net = recipe.model.build(interface.clone(), 1, &Device::flex());
            let mut task = recipe.task(net.unwrap(), None).unwrap();
            let at = StepContext {
                step: 0,
                batch: 0,
                planned: None,
                learning_rate: 1e-3,
            };
            task.step(batch.clone(), at).unwrap().shown()
        };
        assert_eq!(loss(0.0), loss(0.0));
        assert_ne!(loss(0.0), loss(recipe.training.word_dropout));
        let mut wrong = recipe.clone();
        wrong.training.word_dropout = 1.0;
        assert!(wrong.validate().unwrap_err().is_usage());
    }

    #[test]
    fn a_config_with_unknown_names_or_wrong_values_is_refused() {
        let recipe = Recipe::sound("small", "wavenet").unwrap();
        for text in [
            "[network]\nlayerz = 8",
            "colour = 1",
            "[elbo]\nramp = 0.5",
            "[training]\nwarmup = 'x'",
        ] {
            assert!(recipe.overridden(text.parse().unwrap()).is_err(), "{text}");
        }
        let mut wrong = recipe.clone();
        wrong.training.learning_rate = -1.0;
        assert!(wrong.validate().is_err());
        let mut wrong = recipe;
        wrong.batches.window = 0;
        assert!(wrong.validate().is_err());
    }
}
