/*!
A sentence VAE (Bowman et al. 2016, "Generating sentences from a continuous space"): an encoder that reads a whole sentence
both ways and says a Gaussian over codes, and a decoder that is the language model with the code as its condition.
*/

mod codes;
mod presets;
mod refine;

pub use codes::{conditional_nll, encode};
pub use refine::{Refinement, refine};

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::activation;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::init::Init;
use crate::models::rnn::{Layer, Recurrent, RecurrentConfig};
use crate::models::{Interface, RecurrentCell, SequenceModel};
use crate::ops::{GateInput, embedding, linear, recurrent};
use crate::sequence::Stepper;

/// The size of a sentence VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentenceVaeConfig {
    /// What the decoder is made of.
    pub unit: RecurrentCell,
    /// Width of the embeddings, the encoder's and the decoder's own.
    pub embedding: usize,
    /// Units of the decoder.
    pub hidden: usize,
    /// Units of the encoder, in each direction.
    pub encoder: usize,
    /// Dimensions of the code.
    pub latent: usize,
    /// The share of units that are dropped in training the decoder.
    #[serde(default)]
    pub dropout: f64,
}

impl SentenceVaeConfig {
    /// Refuses sizes that make no network.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [("encoder", self.encoder), ("latent", self.latent)] {
            if !(1..=8192).contains(&value) {
                return Err(Error::usage(format!(
                    "a sentence VAE with {name} = {value} is not possible"
                ))
                .with_hint(format!("{name} is a whole number from 1 to 8192")));
            }
        }
        self.decoder().validate()
    }

    fn decoder(&self) -> RecurrentConfig {
        RecurrentConfig {
            embedding: self.embedding,
            hidden: self.hidden,
            layers: 1,
            tied: true,
            dropout: self.dropout,
        }
    }
}

/// What the names of the decoder's parameters begin with.
pub const DECODER: &str = "decoder.";

/// Encoder and decoder. As a [`SequenceModel`] it is its decoder, and the code is the condition.
#[derive(Module, Debug)]
pub struct SentenceVae {
    encoder: Encoder,
    decoder: Recurrent,
    /// `[latent, embedding]`: the code as a point among the decoder's words; used in training only.
    bag: Param<Tensor<2>>,
    #[module(skip)]
    config: SentenceVaeConfig,
}

/// One GRU in each direction; their last states and the means of all their states say the Gaussian. Means let every word
/// be heard from the first step of training on (Long et al. 2019, "Preventing posterior collapse in sequence VAEs with
/// pooling").
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

/// What the encoder says of sentences: a Gaussian with independent dimensions for each.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// `[rows, latent]`.
    pub mean: Tensor<2>,
    /// ln σ², `[rows, latent]`.
    pub log_variance: Tensor<2>,
}

impl SentenceVae {
    /// A new network with first weights drawn from `seed`. `interface` is what the language model's would be.
    ///
    /// # Errors
    /// When the sizes make no network.
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

    /// Dimensions of the code.
    pub fn latent(&self) -> usize {
        self.config.latent
    }

    /// The language model that reads codes.
    pub fn decoder(&self) -> &Recurrent {
        &self.decoder
    }

    /// A network of the same sizes that knows nothing, drawn from `seed`, on a plain device.
    ///
    /// # Errors
    /// Never where this one could be made.
    pub fn anew(&self, seed: u64, device: &Device) -> Result<Self> {
        let interface = self.decoder.interface().clone();
        Self::new(self.config.clone(), interface, seed, device)
    }

    /// How surprising the words of sentences are to whoever knows their codes `[rows, latent]` but not their order, summed,
    /// in nats, `[1]` (Zhao et al. 2017, "Learning discourse-level diversity", §3.3). `targets` as for
    /// [`encode`](Self::encode).
    pub fn bag_of_words(&self, codes: Tensor<2>, targets: &[i32]) -> Tensor<1> {
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
            .matmul(self.decoder.tokens().transpose());
        (activation::log_softmax(logits, 1) * counts).sum().neg()
    }

    /// Encodes sentences: `targets` `[rows, time]` as a batch has them, each sentence from the first position of its
    /// row with its `stop`, and a negative number behind it.
    pub fn encode(&self, targets: &[i32], [rows, time]: [usize; 2]) -> Encoded {
        assert_eq!(targets.len(), rows * time, "targets");
        let start = self.decoder.interface().alphabet.start as i32;
        let mut reading = [Vec::new(), Vec::new()];
        let mut last = Vec::with_capacity(rows);
        let mut shares = Vec::with_capacity(rows * time);
        for (row, targets) in targets.chunks(time).enumerate() {
            let length = targets.iter().take_while(|&&target| target >= 0).count();
            let (sentence, behind) = (&targets[..length], time - length);
            reading[0].extend_from_slice(sentence);
            reading[1].extend(sentence.iter().rev());
            for tokens in &mut reading {
                tokens.extend(std::iter::repeat_n(start, behind));
            }
            last.push((row * time + length.max(1) - 1) as i32);
            shares.extend(std::iter::repeat_n(1.0 / length.max(1) as f32, length));
            shares.extend(std::iter::repeat_n(0.0, behind));
        }
        let encoder = &self.encoder;
        let device = encoder.embedding.val().device();
        let pooling = Pooling {
            last: Tensor::from_data(TensorData::new(last, [rows]), &device),
            shares: Tensor::from_data(TensorData::new(shares, [rows, time, 1]), &device),
        };
        let [there, back] = reading;
        let [last, mean] = encoder.read(&encoder.forward, there, &pooling);
        let [first, mean_back] = encoder.read(&encoder.backward, back, &pooling);
        let states = Tensor::cat(vec![last, first, mean, mean_back], 1);
        let say = |weight: &Param<Tensor<2>>, bias: &Param<Tensor<1>>| {
            linear(states.clone(), weight.val(), bias.val(), false)
        };
        Encoded {
            mean: say(&encoder.mean, &encoder.mean_bias),
            log_variance: say(&encoder.log_variance, &encoder.log_variance_bias),
        }
    }
}

/// Which states of a batch say something of its sentences.
struct Pooling {
    /// Where in `[rows · time]` each sentence ends.
    last: Tensor<1, Int>,
    /// One over the length of its sentence for each word, 0 behind it, `[rows, time, 1]`.
    shares: Tensor<3>,
}

impl Encoder {
    /// The state after the whole sentence and the mean of all states, `[rows, encoder]` each.
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

/// Keeps the encoder's first weights apart from the decoder's.
const ENCODER: u64 = 0x656E_636F_6465_7200;

impl SequenceModel for SentenceVae {
    fn interface(&self) -> &Interface {
        self.decoder.interface()
    }

    fn logits(&self, tokens: Tensor<2, Int>, condition: Option<Tensor<2>>) -> Tensor<3> {
        self.decoder.logits(tokens, condition)
    }

    fn training_logits(
        &self,
        tokens: Tensor<2, Int>,
        condition: Option<Tensor<2>>,
        seed: u64,
    ) -> Tensor<3> {
        self.decoder.training_logits(tokens, condition, seed)
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
    use crate::sequence::conformance;

    fn net(unit: RecurrentCell) -> SentenceVae {
        let config = SentenceVaeConfig {
            unit,
            embedding: 5,
            hidden: 9,
            encoder: 7,
            latent: 3,
            dropout: 0.0,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            lags: Vec::new(),
            condition: 0,
        };
        scrambled(SentenceVae::new(config, interface, 1, &Device::flex()).unwrap())
    }

    #[test]
    fn its_decoder_passes_every_law() {
        for unit in [RecurrentCell::Lstm, RecurrentCell::Gru] {
            conformance::check_all(&with_cpu_stepper(net(unit)));
        }
    }

    fn both(encoded: Encoded) -> (Vec<f32>, Vec<f32>) {
        (values(encoded.mean), values(encoded.log_variance))
    }

    #[test]
    fn a_code_depends_on_its_whole_sentence_and_on_nothing_else() {
        let net = net(RecurrentCell::Lstm);
        let alone = both(net.encode(&[4, 2, 7], [1, 3]));
        // Padding behind it and neighbours beside it change nothing.
        let (means, variances) = both(net.encode(&[1, 1, 1, 1, 1, 4, 2, 7, -1, -1], [2, 5]));
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&means[3..], &alone.0) && close(&variances[3..], &alone.1));
        for changed in [[5, 2, 7], [4, 3, 7], [4, 2, 8]] {
            assert!(!close(&both(net.encode(&changed, [1, 3])).0, &alone.0));
        }
    }
}
