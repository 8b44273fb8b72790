/*! LSTM and GRU networks over tokens. */

use std::sync::Arc;

use burn::module::Param;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use super::init::Init;
use super::{Interface, SequenceModel, sources, values};
use crate::engine::{self, RecurrentEngine, RecurrentLayer, RecurrentWeights};
use crate::error::{Error, Result};
use crate::ops::{Cell, GateInput, embedding, linear, recurrent};
use crate::sequence::Stepper;

/// The size of a recurrent network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// Width of the embedding.
    pub embedding: usize,
    /// Units of each layer.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
}

impl RecurrentConfig {
    /// Refuses sizes that make no network.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        for (name, value, most) in [
            ("embedding", self.embedding, 8192),
            ("hidden", self.hidden, 8192),
            ("layers", self.layers, 32),
        ] {
            if !(1..=most).contains(&value) {
                return Err(Error::usage(format!(
                    "a recurrent network with {name} = {value} is not possible"
                ))
                .with_hint(format!("{name} is a whole number from 1 to {most}")));
            }
        }
        Ok(())
    }
}

/// Which unit a recurrent network is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Long short-term memory: four gates i, f, g, o.
    Lstm,
    /// Gated recurrent unit: three gates r, z, n.
    Gru,
}

impl Unit {
    fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// A stack of recurrent layers over any alphabet. A condition enters the first state and every step.
#[derive(Module, Debug)]
pub struct Recurrent {
    /// `[(1 + lags) · inputs, embedding]`: one table for the current token, then one a lag.
    embedding: Param<Tensor<2>>,
    layers: Vec<Layer>,
    /// `[condition, layers · hidden]`: a sequence begins with tanh(condition · initial).
    initial: Option<Param<Tensor<2>>>,
    /// `[condition, layers · G · hidden]`: added to the gates at every step.
    conditioning: Option<Param<Tensor<2>>>,
    /// `[hidden, alphabet.size]`.
    logits: Param<Tensor<2>>,
    logits_bias: Param<Tensor<1>>,
    #[module(skip)]
    unit: Unit,
    #[module(skip)]
    config: RecurrentConfig,
    #[module(skip)]
    interface: Interface,
}

/// One layer; columns are the unit's gates.
#[derive(Module, Debug)]
struct Layer {
    /// `[inputs, G · hidden]`.
    input: Param<Tensor<2>>,
    /// `[G · hidden]`.
    bias: Param<Tensor<1>>,
    /// `[hidden, G · hidden]`.
    recurrent: Param<Tensor<2>>,
    /// `[hidden]`, inside a GRU's reset gate.
    recurrent_bias: Option<Param<Tensor<1>>>,
}

impl Recurrent {
    /// A new network with first weights drawn from `seed`.
    ///
    /// # Errors
    /// When the sizes make no network.
    pub fn new(
        unit: Unit,
        config: RecurrentConfig,
        interface: Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let RecurrentConfig {
            embedding,
            hidden,
            layers,
        } = config;
        let Interface {
            alphabet,
            lags,
            condition,
        } = &interface;
        let (condition, width) = (*condition, unit.gates() * hidden);
        let mut init = Init::new(seed, device);
        let table = init.embedding([(1 + lags.len()) * alphabet.inputs(), embedding]);
        let layer = |init: &mut Init, inputs| Layer {
            input: init.dense([inputs, width], hidden),
            // An LSTM begins by remembering (Gers et al. 2000): its forget gates, the second of four, are half open.
            bias: match unit {
                Unit::Lstm => {
                    init.constant([width], |column| f32::from(u8::from(column / hidden == 1)))
                }
                Unit::Gru => init.zeros([width]),
            },
            recurrent: init.dense([hidden, width], hidden),
            recurrent_bias: (unit == Unit::Gru).then(|| init.zeros([hidden])),
        };
        let stack = (0..layers)
            .map(|l| layer(&mut init, if l == 0 { embedding } else { hidden }))
            .collect();
        Ok(Self {
            embedding: table,
            layers: stack,
            initial: (condition > 0).then(|| init.dense([condition, layers * hidden], condition)),
            conditioning: (condition > 0)
                .then(|| init.dense([condition, layers * width], condition)),
            logits: init.dense([hidden, alphabet.size], hidden),
            logits_bias: init.zeros([alphabet.size]),
            unit,
            config,
            interface,
        })
    }

    /// The first layer's table: embedding and input matrix folded into one, `[entries, G · hidden]`. The bias goes into
    /// the current token's rows only, so that lags do not add it again.
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

    /// The weights as plain arrays.
    pub fn weights(&self) -> RecurrentWeights {
        let width = self.unit.gates() * self.config.hidden;
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
            cell: match self.unit {
                Unit::Lstm => engine::Cell::Lstm,
                Unit::Gru => engine::Cell::Gru,
            },
            alphabet: self.interface.alphabet,
            lags: self.interface.lags.clone(),
            hidden: self.config.hidden,
            condition: self.interface.condition,
            layers: layers.collect(),
            initial: optional(&self.initial),
            conditioning: optional(&self.conditioning),
            logits: values(self.logits.val()),
            logits_bias: values(self.logits_bias.val()),
        }
    }
}

impl SequenceModel for Recurrent {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn logits(&self, tokens: Tensor<2, Int>, condition: Option<Tensor<2>>) -> Tensor<3> {
        let [batch, time] = tokens.dims();
        let hidden = self.config.hidden;
        let width = self.unit.gates() * hidden;
        let condition = condition.as_ref();
        let steering = |weights: &Option<Param<Tensor<2>>>| {
            Some(condition?.clone().matmul(weights.as_ref()?.val()))
        };
        let first_states = steering(&self.initial).map(Tensor::tanh);
        let conditions = steering(&self.conditioning);
        let sources = sources(tokens, &self.interface);
        let mut input = match <[_; 1]>::try_from(sources) {
            Ok([tokens]) => GateInput::Table(self.table(), tokens),
            Err(sources) => GateInput::Rows(embedding(self.table(), sources)),
        };
        let mut states = None;
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(below) = states.take() {
                input = GateInput::Rows(linear(below, layer.input.val(), layer.bias.val(), false));
            }
            let cell = match &layer.recurrent_bias {
                None => Cell::Lstm,
                Some(bias) => Cell::Gru { bias: bias.val() },
            };
            let part = |all: &Option<Tensor<2>>, width: usize| {
                Some(all.as_ref()?.clone().narrow(1, index * width, width))
            };
            let device = layer.recurrent.val().device();
            let initial = part(&first_states, hidden)
                .unwrap_or_else(|| Tensor::zeros([batch, hidden], &device));
            let output = recurrent(
                &cell,
                input.clone(),
                part(&conditions, width),
                layer.recurrent.val(),
                initial,
                time,
            );
            states = Some(output);
        }
        let states = states.expect("at least one layer");
        let logits = linear(states, self.logits.val(), self.logits_bias.val(), false);
        logits.reshape([batch, time, self.interface.alphabet.size])
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(RecurrentEngine::new(
            Arc::new(self.weights()),
            lanes,
        )?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::testing::{ALPHABET, Both, scrambled};
    use crate::sequence::laws;

    fn net(unit: Unit, layers: usize, lags: Vec<usize>, condition: usize) -> Recurrent {
        let config = RecurrentConfig {
            embedding: 5,
            hidden: 9,
            layers,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            lags,
            condition,
        };
        scrambled(Recurrent::new(unit, config, interface, 1, &Device::flex()).unwrap())
    }

    #[test]
    fn lstm_and_gru_pass_every_law() {
        for unit in [Unit::Lstm, Unit::Gru] {
            laws::check_all(&Both(net(unit, 1, vec![], 0)));
            laws::check_all(&Both(net(unit, 1, vec![], 3)));
            laws::check_all(&Both(net(unit, 2, vec![5, 12], 3)));
        }
    }

    #[test]
    fn impossible_sizes_are_usage_errors() {
        let config = RecurrentConfig {
            embedding: 5,
            hidden: 0,
            layers: 1,
        };
        assert!(config.validate().unwrap_err().is_usage());
    }
}
