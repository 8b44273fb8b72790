/*!
A sentence VAE (Bowman et al. 2016, "Generating sentences from a continuous space"). A bidirectional encoder maps a whole
sentence to a Gaussian over latent codes; the decoder is a language model with the latent code as its condition.
*/

mod codes;
mod presets;
mod refine;

pub(crate) use codes::{conditional_nll, encode};
pub(crate) use refine::{Refinement, refine};

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::activation;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::models::init::Init;
use crate::models::rnn::{Layer, Recurrent, RecurrentConfig};
use crate::models::vae::{GaussianTensors, Vae};
use crate::models::weights::check_sizes;
use crate::models::{Batch, Interface, Model, RecurrentCell, SequenceInput, SequenceModel};
use crate::ops::{GateInput, embedding, linear, recurrent};
use crate::sequence::Stepper;

/// The size of a sentence VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentenceVaeConfig {
    /// The decoder's cell.
    pub unit: RecurrentCell,
    /// Width of the embeddings: the encoder and the decoder have one each.
    pub embedding: usize,
    /// Units of the decoder.
    pub hidden: usize,
    /// Units of the encoder, in each direction.
    pub encoder: usize,
    /// Dimensions of the latent code.
    pub latent: usize,
    /// The share of the decoder's units that are dropped in training.
    #[serde(default)]
    pub dropout: f64,
}

impl SentenceVaeConfig {
    /// Refuses invalid sizes.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("encoder", self.encoder, 8192),
            ("latent", self.latent, 8192),
        ];
        check_sizes("a sentence VAE", &sizes)?;
        self.decoder().validate()
    }

    fn decoder(&self) -> RecurrentConfig {
        RecurrentConfig {
            embedding: self.embedding,
            hidden: self.hidden,
            layers: 1,
            tied: true,
            dropout: self.dropout,
            stride: 1,
        }
    }
}

/// Encoder and decoder. As a [`SequenceModel`] it is its decoder, conditioned on the latent code.
#[derive(Module, Debug)]
pub struct SentenceVae {
    encoder: Encoder,
    decoder: Recurrent,
    /// `[latent, embedding]`: projects a latent code into the space of the decoder's embedding, for
    /// the bag-of-words loss in training.
    bag: Param<Tensor<2>>,
    #[module(skip)]
    config: SentenceVaeConfig,
}

/// One GRU in each direction. Their last states and the means of all their states give the Gaussian: through the means
/// every word has a gradient from the first step on (Long et al. 2019, "Preventing posterior collapse in sequence VAEs
/// with pooling").
#[derive(Module, Debug)]
struct Encoder {
    /// `[inputs, embedding]`.
    embedding: Param<Tensor<2>>,
    forward: Layer,
    backward: Layer,
    /// `[4 · encoder, latent]`.
    mean: Param<Tensor<2>>,
    mean_bias: Param<Tensor<1>>,
    /// `[4 · encoder, latent]`.
    log_variance: Param<Tensor<2>>,
    log_variance_bias: Param<Tensor<1>>,
}

impl SentenceVae {
    /// A new network with weights drawn from `seed`. `interface` is that of the language model, without a condition.
    ///
    /// # Errors
    /// A usage error when a size is invalid.
    pub fn new(
        config: SentenceVaeConfig,
        interface: Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let mut init = Init::new(seed ^ ENCODER, device);
        let (width, code) = (config.encoder, config.latent);
        let direction =
            |init: &mut Init| Layer::new(RecurrentCell::Gru, config.embedding, width, init);
        let encoder = Encoder {
            embedding: init.embedding([interface.alphabet.inputs(), config.embedding]),
            forward: direction(&mut init),
            backward: direction(&mut init),
            mean: init.dense([4 * width, code], 4 * width),
            mean_bias: init.zeros([code]),
            log_variance: init.dense([4 * width, code], 4 * width),
            log_variance_bias: init.zeros([code]),
        };
        let interface = Interface {
            condition: config.latent,
            ..interface
        };
        let decoder = Recurrent::new(config.unit, config.decoder(), interface, seed, device)?;
        Ok(Self {
            encoder,
            decoder,
            bag: init.dense([code, config.embedding], code),
            config,
        })
    }

    pub(crate) fn decoder(&self) -> &Recurrent {
        &self.decoder
    }

    /// The bag-of-words loss (Zhao et al. 2017, "Learning discourse-level diversity", §3.3): the NLL of the words of all
    /// sentences given their latent codes `[rows, latent]` and not their order, in nats, `[1]`. `targets` as for
    /// [`encode`](Self::encode).
    fn bag_of_words_loss(&self, codes: Tensor<2>, targets: &[i32]) -> Tensor<1> {
        let size = self.decoder.interface().alphabet.size;
        let [rows, _] = codes.dims();
        let mut counts = vec![0.0; rows * size];
        for (targets, counts) in targets
            .chunks(targets.len() / rows)
            .zip(counts.chunks_mut(size))
        {
            for target in targets.iter().filter_map(|&t| usize::try_from(t).ok()) {
                counts[target] += 1.0;
            }
        }
        let counts = Tensor::<2>::from_data(TensorData::new(counts, [rows, size]), &codes.device());
        let logits = codes
            .matmul(self.bag.val())
            .matmul(self.decoder.token_rows().transpose());
        (activation::log_softmax(logits, 1) * counts).sum().neg()
    }

    /// The posteriors of sentences. `targets` is `[rows, time]` as in a [`Batch`](crate::models::Batch): each row is a
    /// sentence with its `stop`, padded with negative numbers.
    pub(crate) fn encode(&self, targets: &[i32], [rows, time]: [usize; 2]) -> GaussianTensors {
        assert_eq!(targets.len(), rows * time, "targets");
        let start = self.decoder.interface().alphabet.start as i32;
        let mut reading = [Vec::new(), Vec::new()];
        let mut last = Vec::with_capacity(rows);
        let mut shares = Vec::with_capacity(rows * time);
        for (row, targets) in targets.chunks(time).enumerate() {
            let length = targets.iter().take_while(|&&target| target >= 0).count();
            let (sentence, padding) = (&targets[..length], time - length);
            reading[0].extend_from_slice(sentence);
            reading[1].extend(sentence.iter().rev());
            for tokens in &mut reading {
                tokens.extend(std::iter::repeat_n(start, padding));
            }
            last.push((row * time + length.max(1) - 1) as i32);
            shares.extend(std::iter::repeat_n(1.0 / length.max(1) as f32, length));
            shares.extend(std::iter::repeat_n(0.0, padding));
        }
        let encoder = &self.encoder;
        let device = encoder.embedding.val().device();
        let pooling = Pooling {
            last: Tensor::from_data(TensorData::new(last, [rows]), &device),
            shares: Tensor::from_data(TensorData::new(shares, [rows, time, 1]), &device),
        };
        let [forward, backward] = reading;
        let [last, mean] = encoder.read(&encoder.forward, forward, &pooling);
        let [first, mean_back] = encoder.read(&encoder.backward, backward, &pooling);
        let states = Tensor::cat(vec![last, first, mean, mean_back], 1);
        let project = |weight: &Param<Tensor<2>>, bias: &Param<Tensor<1>>| {
            linear(states.clone(), weight.val(), bias.val(), false)
        };
        GaussianTensors {
            mean: project(&encoder.mean, &encoder.mean_bias),
            log_variance: project(&encoder.log_variance, &encoder.log_variance_bias),
        }
    }
}

/// How the states of a batch are pooled to one vector a sentence.
struct Pooling {
    /// The last position of each sentence in `[rows · time]`.
    last: Tensor<1, Int>,
    /// 1 / length of the sentence for each word, 0 for padding, `[rows, time, 1]`.
    shares: Tensor<3>,
}

impl Encoder {
    /// The last state and the mean of all states, `[rows, encoder]` each.
    fn read(&self, direction: &Layer, tokens: Vec<i32>, pooling: &Pooling) -> [Tensor<2>; 2] {
        let device = pooling.last.device();
        let [rows, time, _] = pooling.shares.dims();
        let tokens = Tensor::<1, Int>::from_data(TensorData::new(tokens, [rows * time]), &device);
        let embedded = embedding(self.embedding.val(), vec![tokens]);
        let input = linear(embedded, direction.input.val(), direction.bias.val(), false);
        let recurrence = direction.recurrence();
        let [width, _] = recurrence.weight.dims();
        let states = recurrent(
            &recurrence,
            GateInput::Rows(input),
            None,
            Tensor::zeros([rows, width], &device),
            time,
        );
        let last = states.clone().select(0, pooling.last.clone());
        let shared = states.reshape([rows, time, width]) * pooling.shares.clone();
        [last, shared.sum_dim(1).reshape([rows, width])]
    }
}

/// Separates the encoder's stream of initial weights from the decoder's.
const ENCODER: u64 = 0x656E_636F_6465_7200;

impl Vae for SentenceVae {
    const ITEM: &'static str = "sentence";
    const REMEDY: &'static str = "raise elbo.word_dropout or elbo.autoencoder";

    fn latent(&self) -> usize {
        self.config.latent
    }

    fn posteriors(&self, batch: &Batch) -> GaussianTensors {
        self.encode(&batch.targets, [batch.rows, batch.time])
    }

    fn bag_of_words(&self, codes: &Tensor<2>, batch: &Batch) -> Option<Tensor<1>> {
        Some(self.bag_of_words_loss(codes.clone(), &batch.targets))
    }

    fn reinitialised(&self, seed: u64, device: &Device) -> Result<Self> {
        let interface = self.decoder.interface().clone();
        Self::new(self.config.clone(), interface, seed, device)
    }

    fn into_model(self) -> Model {
        Model::SentenceVae(self)
    }
}

impl SequenceModel for SentenceVae {
    fn interface(&self) -> &Interface {
        self.decoder.interface()
    }

    fn logits(&self, input: SequenceInput) -> Tensor<3> {
        self.decoder.logits(input)
    }

    fn training_logits(&self, input: SequenceInput, seed: u64) -> Tensor<3> {
        self.decoder.training_logits(input, seed)
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.decoder.stepper(lanes)
    }

    fn batched_stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        self.decoder.batched_stepper(lanes)
    }

    fn multiply_adds_per_step(&self) -> usize {
        self.decoder.multiply_adds_per_step()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::{ALPHABET, scrambled, with_cpu_stepper};
    use crate::models::values;
    use crate::sequence::{SideInputs, conformance};

    fn net(cell: RecurrentCell) -> SentenceVae {
        let config = SentenceVaeConfig {
            unit: cell,
            embedding: 5,
            hidden: 9,
            encoder: 7,
            latent: 3,
            dropout: 0.0,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: SideInputs::default(),
            condition: 0,
        };
        scrambled(SentenceVae::new(config, interface, 1, &Device::flex()).unwrap())
    }

    #[test]
    fn its_decoder_passes_every_law() {
        for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
            conformance::check_all(&with_cpu_stepper(net(cell)));
        }
    }

    fn mean_and_log_variance(encoded: GaussianTensors) -> (Vec<f32>, Vec<f32>) {
        (values(encoded.mean), values(encoded.log_variance))
    }

    #[test]
    fn a_posterior_depends_on_its_whole_sentence_and_on_nothing_else() {
        let net = net(RecurrentCell::Lstm);
        let alone = mean_and_log_variance(net.encode(&[4, 2, 7], [1, 3]));
        // Padding and other rows change nothing.
        let (means, variances) =
            mean_and_log_variance(net.encode(&[1, 1, 1, 1, 1, 4, 2, 7, -1, -1], [2, 5]));
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&means[3..], &alone.0) && close(&variances[3..], &alone.1));
        for changed in [[5, 2, 7], [4, 3, 7], [4, 2, 8]] {
            assert!(!close(
                &mean_and_log_variance(net.encode(&changed, [1, 3])).0,
                &alone.0
            ));
        }
    }
}
