/*! LSTM and GRU networks over tokens. */

mod batched_stepper;
mod presets;
mod stepper;
mod token_head;

pub(crate) use stepper::{RecurrentLayer, RecurrentWeights, RnnStepper};
pub(crate) use token_head::{TokenHead, TokenHeadWeights};

use std::sync::Arc;

use burn::module::Param;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::batched_stepper::BatchedStepper;
use crate::models::dropout::Dropout;
use crate::models::forecast::{ForecastHead, conditioning_width};
use crate::models::init::Init;
use crate::models::rnn::batched_stepper::BatchedRecurrent;
use crate::models::weights::{check_inputs, check_sizes};
use crate::models::{Interface, RecurrentCell, SequenceInput, SequenceModel, device_of, values};
use crate::ops::{GateInput, Recurrence, embedding, linear, recurrent};
use crate::sequence::Stepper;

/// The size of a recurrent network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// Width of the embedding.
    pub embedding: usize,
    /// Units of each layer.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Whether the embedding is also the output matrix (Press & Wolf 2017): the last hidden state is projected to the
    /// embedding's width and multiplied by the row of every token.
    #[serde(default)]
    pub tied: bool,
    /// The share of the units of the embedding and of each layer that are dropped in training, the same units over a
    /// whole sequence (Gal & Ghahramani 2016).
    #[serde(default)]
    pub dropout: f64,
    /// Tokens that one step of the layers reads. Where it is more than one, a head reads the tokens since the last step
    /// (the two tiers of SampleRNN, Mehri et al. 2017, §2.1): a frame of several tokens costs one recurrent step.
    #[serde(default = "one")]
    pub stride: usize,
}

fn one() -> usize {
    1
}

impl RecurrentConfig {
    /// Refuses invalid sizes.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("embedding", self.embedding, 8192),
            ("hidden", self.hidden, 8192),
            ("layers", self.layers, 32),
            ("stride", self.stride, 64),
        ];
        check_sizes("a recurrent network", &sizes)?;
        if self.tied && self.stride > 1 {
            return Err(Error::usage(
                "a recurrent network with a stride cannot have a tied embedding",
            )
            .with_hint("set tied = false, or stride = 1"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(
                Error::usage(format!("a dropout of {} is not possible", self.dropout))
                    .with_hint("it is a share from 0 to below 1"),
            );
        }
        Ok(())
    }
}

/// A stack of recurrent layers with G gates a unit, over any alphabet. A condition sets the initial state and is added at
/// every step.
#[derive(Module, Debug)]
pub struct Recurrent {
    /// `[entries, embedding]`, see [`SideInputs`](crate::sequence::SideInputs).
    embedding: Param<Tensor<2>>,
    layers: Vec<Layer>,
    /// Where it reads a prediction; its features then stand for the condition below.
    forecast: Option<ForecastHead>,
    /// `[condition, layers · hidden]`: the initial hidden state is tanh(condition · initial).
    initial: Option<Param<Tensor<2>>>,
    /// `[condition, layers · G · hidden]`: added to the pre-activations of every step.
    conditioning: Option<Param<Tensor<2>>>,
    /// Where one step of the layers reads several tokens.
    token_head: Option<TokenHead>,
    /// `[hidden, alphabet.size]`; `[hidden, embedding]` where the embedding is tied; `[embedding, alphabet.size]` behind a
    /// token head.
    logits: Param<Tensor<2>>,
    logits_bias: Param<Tensor<1>>,
    #[module(skip)]
    cell: RecurrentCell,
    #[module(skip)]
    config: RecurrentConfig,
    #[module(skip)]
    interface: Interface,
}

/// One layer; the columns of its matrices are the gates.
#[derive(Module, Debug)]
pub(crate) struct Layer {
    /// `[inputs, G · hidden]`.
    pub(crate) input: Param<Tensor<2>>,
    /// `[G · hidden]`.
    pub(crate) bias: Param<Tensor<1>>,
    /// `[hidden, G · hidden]`.
    pub(crate) recurrent: Param<Tensor<2>>,
    /// `[hidden]`, inside a GRU's reset gate.
    recurrent_bias: Option<Param<Tensor<1>>>,
}

impl Layer {
    pub(crate) fn new(cell: RecurrentCell, inputs: usize, hidden: usize, init: &mut Init) -> Self {
        let width = cell.gates() * hidden;
        Self {
            input: init.dense([inputs, width], hidden),
            // The forget gates of an LSTM, the second of four, start with a bias of 1, to remember (Gers et al. 2000).
            bias: match cell {
                RecurrentCell::Lstm => {
                    init.constant([width], |column| f32::from(u8::from(column / hidden == 1)))
                }
                RecurrentCell::Gru => init.zeros([width]),
            },
            recurrent: init.dense([hidden, width], hidden),
            recurrent_bias: (cell == RecurrentCell::Gru).then(|| init.zeros([hidden])),
        }
    }

    /// Its recurrent part; only a GRU has a bias there.
    pub(crate) fn recurrence(&self) -> Recurrence {
        Recurrence {
            cell: match self.recurrent_bias {
                None => RecurrentCell::Lstm,
                Some(_) => RecurrentCell::Gru,
            },
            weight: self.recurrent.val(),
            bias: self.recurrent_bias.as_ref().map(Param::val),
        }
    }
}

impl Recurrent {
    /// A new network with weights drawn from `seed`.
    ///
    /// # Errors
    /// A usage error when a size is invalid.
    pub fn new(
        cell: RecurrentCell,
        config: RecurrentConfig,
        interface: Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        check_inputs(interface.alphabet, &interface.side_inputs)?;
        let RecurrentConfig {
            embedding,
            hidden,
            layers,
            tied,
            dropout: _,
            stride,
        } = config;
        let Interface {
            alphabet,
            side_inputs,
            condition: _,
        } = &interface;
        let width = cell.gates() * hidden;
        let mut init = Init::new(seed, device);
        let forecast = ForecastHead::new(&mut init, &interface);
        let condition = conditioning_width(&interface);
        let entries = side_inputs.entries(alphabet.inputs());
        let table = if tied {
            // Small, because these rows are also the output matrix: the initial logits must not be extreme.
            init.dense([entries, embedding], embedding)
        } else {
            init.embedding([entries, embedding])
        };
        let stack = (0..layers)
            .map(|l| {
                let inputs = if l == 0 { embedding } else { hidden };
                Layer::new(cell, inputs, hidden, &mut init)
            })
            .collect();
        let token_head =
            (stride > 1).then(|| TokenHead::new(&mut init, hidden, [entries, embedding]));
        let features = if stride > 1 { embedding } else { hidden };
        Ok(Self {
            embedding: table,
            layers: stack,
            forecast,
            initial: (condition > 0).then(|| init.dense([condition, layers * hidden], condition)),
            conditioning: (condition > 0)
                .then(|| init.dense([condition, layers * width], condition)),
            token_head,
            logits: init.dense(
                [features, if tied { embedding } else { alphabet.size }],
                features,
            ),
            logits_bias: init.zeros([alphabet.size]),
            cell,
            config,
            interface,
        })
    }

    /// Embedding times input matrix of the first layer, `[entries, G · hidden]`. The rows of the current token include the
    /// bias; the other rows do not.
    fn table(&self) -> Tensor<2> {
        let first = &self.layers[0];
        let folded = self.embedding.val().matmul(first.input.val());
        let [entries, width] = folded.dims();
        let inputs = self.interface.alphabet.inputs();
        let current = folded.clone().narrow(0, 0, inputs) + first.bias.val().unsqueeze();
        if entries == inputs {
            return current;
        }
        let lagged: Tensor<2> = folded.narrow(0, inputs, entries - inputs);
        Tensor::cat(vec![current, lagged], 0).reshape([entries, width])
    }

    /// The output matrix, `[hidden, alphabet.size]`.
    fn head(&self) -> Tensor<2> {
        if self.config.tied {
            self.logits.val().matmul(self.token_rows().transpose())
        } else {
            self.logits.val()
        }
    }

    /// The rows of the tokens that can be predicted, `[alphabet.size, embedding]`.
    pub(crate) fn token_rows(&self) -> Tensor<2> {
        self.embedding
            .val()
            .narrow(0, 0, self.interface.alphabet.size)
    }

    /// The logits of hidden states `[rows, hidden]`, or of the features of the token head.
    fn output(&self, states: Tensor<2>) -> Tensor<2> {
        let bias = self.logits_bias.val();
        if self.token_head.is_some() {
            return linear(states, self.logits.val(), bias, true);
        }
        if !self.config.tied {
            return linear(states, self.logits.val(), bias, false);
        }
        let device = states.device();
        let zeros = Tensor::zeros([self.config.embedding], &device);
        let projected = linear(states, self.logits.val(), zeros, false);
        linear(projected, self.token_rows().transpose(), bias, false)
    }

    /// The input of the first layer's gates. The product of embedding and input matrix is faster where the embedding has
    /// fewer rows than there are tokens; dropout needs the rows of the embedding.
    fn first_input(
        &self,
        sources: Vec<Tensor<1, Int>>,
        shape: [usize; 2],
        dropout: Option<&mut Dropout>,
    ) -> GateInput {
        let [entries, _] = self.embedding.val().dims();
        if dropout.is_some() || entries > shape[0] * shape[1] {
            let first = &self.layers[0];
            let mut rows = embedding(self.embedding.val(), sources);
            if let Some(dropout) = dropout {
                rows = dropout.apply(rows, shape);
            }
            let input = linear(rows, first.input.val(), first.bias.val(), false);
            return GateInput::Rows(input);
        }
        match <[_; 1]>::try_from(sources) {
            Ok([tokens]) => GateInput::Table(self.table(), tokens),
            Err(sources) => GateInput::Rows(embedding(self.table(), sources)),
        }
    }

    fn run(&self, input: &SequenceInput, mut dropout: Option<Dropout>) -> Tensor<3> {
        let [batch, time] = input.tokens.dims();
        let hidden = self.config.hidden;
        let width = self.cell.gates() * hidden;
        let condition = match (&input.condition, &self.forecast) {
            (Some(condition), Some(forecast)) => Some(forecast.features(condition.clone())),
            (condition, _) => condition.clone(),
        };
        // The first condition of each sequence sets the initial state.
        let first = condition.clone().map(|condition| {
            let [rows, width] = condition.dims();
            condition
                .reshape([batch, rows / batch, width])
                .narrow(1, 0, 1)
                .reshape([batch, width])
        });
        let conditioned = |condition: Option<Tensor<2>>, weights: &Option<Param<Tensor<2>>>| {
            Some(condition?.matmul(weights.as_ref()?.val()))
        };
        let first_states = conditioned(first, &self.initial).map(Tensor::tanh);
        let conditions = conditioned(condition, &self.conditioning);
        let forecasts = &input.forecasts;
        let sources = input.rows(&self.interface);
        let stride = self.config.stride;
        let steps = time.div_ceil(stride);
        let read = match stride {
            1 => sources.clone(),
            _ => token_head::every(&sources, [batch, time], stride),
        };
        let mut input = self.first_input(read, [batch, steps], dropout.as_mut());
        let mut states = None;
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(below) = states.take() {
                input = GateInput::Rows(linear(below, layer.input.val(), layer.bias.val(), false));
            }
            let part = |all: &Option<Tensor<2>>, width: usize| {
                Some(all.as_ref()?.clone().narrow(1, index * width, width))
            };
            let recurrence = layer.recurrence();
            let device = recurrence.weight.device();
            let initial = part(&first_states, hidden)
                .unwrap_or_else(|| Tensor::zeros([batch, hidden], &device));
            let mut output = recurrent(
                &recurrence,
                input.clone(),
                part(&conditions, width),
                initial,
                steps,
            );
            if let Some(dropout) = &mut dropout {
                output = dropout.apply(output, [batch, steps]);
            }
            states = Some(output);
        }
        let mut features = states.expect("at least one layer");
        if let Some(head) = &self.token_head {
            features = head.features(features, sources, [batch, time], stride);
            if let Some(dropout) = &mut dropout {
                features = dropout.apply(features, [batch, time]);
            }
        }
        let mut logits = self.output(features);
        if let Some(forecast) = &self.forecast {
            logits = forecast.add_table(logits, forecasts);
        }
        logits.reshape([batch, time, self.interface.alphabet.size])
    }

    /// The weights as plain arrays.
    pub(crate) fn weights(&self) -> RecurrentWeights {
        let width = self.cell.gates() * self.config.hidden;
        let layers = self
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| RecurrentLayer {
                input: if index == 0 {
                    values(self.table())
                } else {
                    values(layer.input.val())
                },
                bias: if index == 0 {
                    vec![0.0; width]
                } else {
                    values(layer.bias.val())
                },
                recurrent: values(layer.recurrent.val()),
                recurrent_bias: layer
                    .recurrent_bias
                    .as_ref()
                    .map(|b| values(b.val()))
                    .unwrap_or_default(),
            });
        let optional = |param: &Option<Param<Tensor<2>>>| {
            param.as_ref().map(|p| values(p.val())).unwrap_or_default()
        };
        RecurrentWeights {
            cell: self.cell,
            alphabet: self.interface.alphabet,
            side_inputs: self.interface.side_inputs.clone(),
            hidden: self.config.hidden,
            condition: conditioning_width(&self.interface),
            forecast: self.forecast.as_ref().map(ForecastHead::weights),
            layers: layers.collect(),
            initial: optional(&self.initial),
            conditioning: optional(&self.conditioning),
            stride: self.config.stride,
            token_head: self.token_head.as_ref().map(TokenHead::weights),
            logits: values(self.head()),
            logits_bias: values(self.logits_bias.val()),
        }
    }

    /// The network with this many lanes, as tensors on its device.
    fn batched(&self, lanes: usize) -> BatchedRecurrent {
        let device = device_of(self);
        let net = self.valid();
        let layer = |(index, layer): (usize, &Layer)| batched_stepper::Layer {
            input: (index > 0).then(|| (layer.input.val(), layer.bias.val().unsqueeze())),
            recurrence: layer.recurrence(),
            state: [(); 2].map(|()| Tensor::zeros([lanes, net.config.hidden], &device)),
            first: None,
            conditions: None,
        };
        BatchedRecurrent {
            lanes,
            table: net.table(),
            layers: net.layers.iter().enumerate().map(layer).collect(),
            stride: net.config.stride,
            token_head: net.token_head.clone(),
            forecast: net.forecast.clone(),
            conditioning: net
                .initial
                .as_ref()
                .zip(net.conditioning.as_ref())
                .map(|(initial, conditioning)| [initial.val(), conditioning.val()]),
            head: net.head(),
            head_bias: net.logits_bias.val().unsqueeze(),
        }
    }
}

impl SequenceModel for Recurrent {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn logits(&self, input: SequenceInput) -> Tensor<3> {
        self.run(&input, None)
    }

    fn training_logits(&self, input: SequenceInput, seed: u64) -> Tensor<3> {
        let dropout = (self.config.dropout > 0.0).then(|| Dropout::new(self.config.dropout, seed));
        self.run(&input, dropout)
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(RnnStepper::new(Arc::new(self.weights()), lanes)?))
    }

    fn batched_stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        let (net, device) = (self.batched(lanes), device_of(self));
        Ok(Box::new(BatchedStepper::new(
            net,
            &self.interface,
            self.forecast.as_ref().map(ForecastHead::weights),
            lanes,
            device,
        )?))
    }

    fn multiply_adds_per_step(&self) -> usize {
        let RecurrentConfig {
            embedding,
            hidden,
            layers,
            stride,
            ..
        } = self.config;
        // The first layer's input is looked up in a table and costs none.
        let matrices = (2 * layers - 1) * self.cell.gates() * hidden * hidden;
        let size = self.interface.alphabet.size;
        match stride {
            1 => matrices + hidden * size,
            _ => (matrices + hidden * embedding) / stride + embedding * size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::{
        ALPHABET, scrambled, with_batched_stepper, with_clocks, with_cpu_stepper, with_prediction,
    };
    use crate::sequence::conformance;

    fn net(cell: RecurrentCell, layers: usize, lags: Vec<usize>, condition: usize) -> Recurrent {
        let config = RecurrentConfig {
            embedding: 5,
            hidden: 9,
            layers,
            tied: lags.is_empty(),
            dropout: 0.3,
            stride: 1,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: with_clocks(lags),
            condition,
        };
        scrambled(Recurrent::new(cell, config, interface, 1, &Device::flex()).unwrap())
    }

    #[test]
    fn lstm_and_gru_pass_every_law() {
        for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
            conformance::check_all(&with_cpu_stepper(net(cell, 1, vec![], 0)));
            conformance::check_all(&with_cpu_stepper(net(cell, 1, vec![], 3)));
            conformance::check_all(&with_cpu_stepper(net(cell, 2, vec![5, 12], 3)));
            conformance::check_all(&with_batched_stepper(net(cell, 1, vec![], 0)));
            conformance::check_all(&with_batched_stepper(net(cell, 2, vec![5, 12], 3)));
        }
    }

    #[test]
    fn without_side_inputs_they_keep_the_law_of_held_conditions() {
        for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
            let Recurrent {
                config, interface, ..
            } = net(cell, 1, vec![], 3);
            let interface = Interface {
                side_inputs: crate::sequence::SideInputs::default(),
                ..interface
            };
            let net = Recurrent::new(cell, config, interface, 1, &Device::flex()).unwrap();
            with_cpu_stepper(scrambled(net)).keeps_the_law_of_held_conditions();
        }
    }

    #[test]
    fn with_a_step_every_few_tokens_they_pass_every_law() {
        for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
            for (layers, lags, condition) in [(1, vec![1, 2, 3], 0), (2, vec![1, 5], 3)] {
                let net = || {
                    let before = net(cell, layers, lags.clone(), condition);
                    let config = RecurrentConfig {
                        stride: 4,
                        ..before.config
                    };
                    let interface = before.interface;
                    scrambled(Recurrent::new(cell, config, interface, 1, &Device::flex()).unwrap())
                };
                conformance::check_all(&with_cpu_stepper(net()));
                conformance::check_all(&with_batched_stepper(net()));
                if condition > 0 {
                    with_cpu_stepper(net()).keeps_the_law_of_held_conditions();
                    with_batched_stepper(net()).keeps_the_law_of_held_conditions();
                }
            }
        }
    }

    #[test]
    fn with_a_prediction_they_pass_every_law() {
        for cell in [RecurrentCell::Lstm, RecurrentCell::Gru] {
            let net = || {
                let config = net(cell, 2, vec![1], 0).config;
                let interface = Interface {
                    alphabet: ALPHABET,
                    side_inputs: with_prediction(),
                    condition: 11,
                };
                scrambled(Recurrent::new(cell, config, interface, 1, &Device::flex()).unwrap())
            };
            conformance::check_all(&with_cpu_stepper(net()));
            conformance::check_all(&with_batched_stepper(net()));
            with_cpu_stepper(net()).keeps_the_law_of_held_conditions();
            with_batched_stepper(net()).keeps_the_law_of_held_conditions();
        }
    }

    #[test]
    fn dropout_depends_on_the_seed_alone_and_a_rate_of_0_drops_nothing() {
        let net = net(RecurrentCell::Lstm, 2, vec![], 3);
        let device = Device::flex();
        let tokens = Tensor::<2, Int>::from_data([[11, 1, 2, 3], [11, 4, 4, 0]], &device);
        let input = SequenceInput::new(tokens, None);
        let logits = |seed| values(net.training_logits(input.clone(), seed));
        assert_eq!(logits(5), logits(5));
        assert_ne!(logits(5), logits(6));
        let mut kept = net.clone();
        kept.config.dropout = 0.0;
        assert_eq!(
            values(kept.training_logits(input.clone(), 5)),
            values(kept.logits(input.clone()))
        );
    }

    #[test]
    fn impossible_sizes_are_usage_errors() {
        let config = RecurrentConfig {
            embedding: 5,
            hidden: 0,
            layers: 1,
            tied: false,
            dropout: 0.0,
            stride: 1,
        };
        assert!(config.validate().unwrap_err().is_usage());
        let tied = RecurrentConfig {
            hidden: 5,
            tied: true,
            stride: 2,
            ..config
        };
        assert!(tied.validate().unwrap_err().is_usage());
    }
}
