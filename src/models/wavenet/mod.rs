/*! WaveNet (van den Oord et al. 2016): gated dilated causal convolutions over tokens. */

mod batched_stepper;
mod calibration;
mod presets;
mod stepper;
mod stepper_int8;

pub use calibration::Calibration;
pub(crate) use stepper::{WaveNetStepper, WaveNetWeights};
pub(crate) use stepper_int8::WaveNetInt8Stepper;

use std::sync::Arc;

use burn::module::Param;
use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::batched_stepper::BatchedStepper;
use crate::models::forecast::{ForecastHead, conditioning_width};
use crate::models::init::Init;
use crate::models::wavenet::batched_stepper::BatchedWaveNet;
use crate::models::weights::{check_inputs, check_sizes};
use crate::models::{Interface, SequenceInput, SequenceModel, device_of, values};
use crate::ops::{ResidualStack, embedding, linear, residual_stack};
use crate::sequence::{Conditions, Stepper, Token};

/// The largest dilation.
const MAX_DILATION: usize = 1 << 16;

/// The size of a WaveNet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveNetConfig {
    /// Gated convolution layers.
    pub layers: usize,
    /// Layers until the dilation starts again at 1; it doubles from layer to layer. Without effect beside `dilations`.
    pub cycle: usize,
    /// The dilations of the first layers, repeated over the others; empty to double them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dilations: Vec<usize>,
    /// Channels of the residual stream.
    pub residual: usize,
    /// Channels of the sum of skip connections.
    pub skip: usize,
    /// Width of the hidden layer between the sum of skips and the logits.
    pub head: usize,
}

impl WaveNetConfig {
    /// The dilation of each layer.
    pub fn dilations(&self) -> Vec<usize> {
        let dilation = |layer: usize| match self.dilations.as_slice() {
            [] => 1 << (layer % self.cycle),
            listed => listed[layer % listed.len()],
        };
        (0..self.layers).map(dilation).collect()
    }

    /// The number of tokens, the current one included, that the logits of one position depend on.
    pub fn receptive_field(&self) -> usize {
        1 + self.dilations().iter().sum::<usize>()
    }

    /// Refuses invalid sizes.
    ///
    /// # Errors
    /// A usage error naming the size, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("layers", self.layers, 200),
            ("cycle", self.cycle, 16),
            ("residual", self.residual, 4096),
            ("skip", self.skip, 4096),
            ("head", self.head, 4096),
        ];
        check_sizes("a WaveNet", &sizes)?;
        match self
            .dilations
            .iter()
            .find(|d| !(1..=MAX_DILATION).contains(*d))
        {
            Some(dilation) => Err(
                Error::usage(format!("a dilation of {dilation} cannot work"))
                    .with_hint(format!("it is from 1 to {MAX_DILATION}")),
            ),
            None => Ok(()),
        }
    }
}

/// A WaveNet over any alphabet. Every layer is padded with zeros before the first token.
#[derive(Module, Debug)]
pub struct WaveNet {
    /// `[entries, residual]`, see [`SideInputs`](crate::sequence::SideInputs).
    embedding: Param<Tensor<2>>,
    /// See [`ResidualStack`].
    conv: Param<Tensor<3>>,
    conv_bias: Param<Tensor<2>>,
    /// Where it reads a prediction.
    forecast: Option<ForecastHead>,
    /// `[condition, layers · 2 · residual]` (paper §2.5), of the condition or of its features.
    conditioning: Option<Param<Tensor<2>>>,
    out: Param<Tensor<3>>,
    out_bias: Param<Tensor<2>>,
    /// `[skip, head]`.
    head: Param<Tensor<2>>,
    head_bias: Param<Tensor<1>>,
    /// `[head, alphabet.size]`.
    logits: Param<Tensor<2>>,
    logits_bias: Param<Tensor<1>>,
    #[module(skip)]
    config: WaveNetConfig,
    #[module(skip)]
    interface: Interface,
}

impl WaveNet {
    /// A new network with weights drawn from `seed`.
    ///
    /// # Errors
    /// A usage error when a size is invalid.
    pub fn new(
        config: WaveNetConfig,
        interface: Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        check_inputs(interface.alphabet, &interface.side_inputs)?;
        let WaveNetConfig {
            layers,
            residual: r,
            skip: s,
            head,
            ..
        } = config;
        let Interface {
            alphabet,
            side_inputs,
            condition,
        } = &interface;
        let mut init = Init::new(seed, device);
        let width = conditioning_width(&interface);
        Ok(Self {
            forecast: ForecastHead::new(&mut init, &interface),
            embedding: init.embedding([side_inputs.entries(alphabet.inputs()), r]),
            conv: init.dense([layers, 2 * r, 2 * r], 2 * r),
            conv_bias: init.zeros([layers, 2 * r]),
            conditioning: (*condition > 0).then(|| init.dense([width, layers * 2 * r], width)),
            out: init.dense([layers, r, r + s], r),
            out_bias: init.zeros([layers, r + s]),
            head: init.dense([s, head], s),
            head_bias: init.zeros([head]),
            logits: init.dense([head, alphabet.size], head),
            logits_bias: init.zeros([alphabet.size]),
            config,
            interface,
        })
    }

    /// The weights as plain arrays.
    pub(crate) fn weights(&self) -> WaveNetWeights {
        WaveNetWeights {
            alphabet: self.interface.alphabet,
            side_inputs: self.interface.side_inputs.clone(),
            residual: self.config.residual,
            skip: self.config.skip,
            hidden: self.config.head,
            condition: conditioning_width(&self.interface),
            forecast: self.forecast.as_ref().map(ForecastHead::weights),
            dilations: self.config.dilations(),
            embedding: values(self.embedding.val()),
            conv: values(self.conv.val()),
            conv_bias: values(self.conv_bias.val()),
            conditioning: self
                .conditioning
                .as_ref()
                .map(|c| values(c.val()))
                .unwrap_or_default(),
            out: values(self.out.val()),
            out_bias: values(self.out_bias.val()),
            head: values(self.head.val()),
            head_bias: values(self.head_bias.val()),
            logits: values(self.logits.val()),
            logits_bias: values(self.logits_bias.val()),
        }
    }

    /// The network with this many lanes, as tensors on its device.
    fn batched(&self, lanes: usize) -> BatchedWaveNet {
        let device = device_of(self);
        let net = self.valid();
        let of_layer = |all: &Tensor<3>, index: usize| -> Tensor<2> {
            all.clone().narrow(0, index, 1).squeeze_dim(0)
        };
        let silence = Tensor::zeros([lanes, net.config.residual], &device);
        let layer = |(index, dilation): (usize, usize)| batched_stepper::Layer {
            conv: of_layer(&net.conv.val(), index),
            conv_bias: net.conv_bias.val().narrow(0, index, 1),
            out: of_layer(&net.out.val(), index),
            out_bias: net.out_bias.val().narrow(0, index, 1),
            past: std::iter::repeat_n(silence.clone(), dilation).collect(),
            conditions: None,
        };
        let dilations = net.config.dilations().into_iter();
        BatchedWaveNet {
            lanes,
            residual: net.config.residual,
            embedding: net.embedding.val(),
            layers: dilations.enumerate().map(layer).collect(),
            forecast: net.forecast.clone(),
            conditioning: net.conditioning.as_ref().map(burn::module::Param::val),
            head: [net.head.val(), net.head_bias.val().unsqueeze()],
            logits: [net.logits.val(), net.logits_bias.val().unsqueeze()],
        }
    }
}

impl SequenceModel for WaveNet {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn logits(&self, input: SequenceInput) -> Tensor<3> {
        let [batch, time] = input.tokens.dims();
        let stack = ResidualStack {
            conv: self.conv.val(),
            conv_bias: self.conv_bias.val(),
            out: self.out.val(),
            out_bias: self.out_bias.val(),
        };
        let conditions = match (&input.condition, &self.conditioning) {
            (Some(condition), Some(conditioning)) => {
                let features = match &self.forecast {
                    Some(forecast) => forecast.features(condition.clone()),
                    None => condition.clone(),
                };
                Some(features.matmul(conditioning.val()))
            }
            _ => None,
        };
        let skip = residual_stack(
            embedding(self.embedding.val(), input.rows(&self.interface)),
            &stack,
            conditions,
            &self.config.dilations(),
            time,
        );
        let hidden = linear(skip, self.head.val(), self.head_bias.val(), true);
        let mut logits = linear(hidden, self.logits.val(), self.logits_bias.val(), true);
        if let Some(forecast) = &self.forecast {
            logits = forecast.add_table(logits, &input.forecasts);
        }
        logits.reshape([batch, time, self.interface.alphabet.size])
    }

    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(WaveNetStepper::new(
            Arc::new(self.weights()),
            lanes,
        )?))
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
        let WaveNetConfig {
            layers,
            residual,
            skip,
            head,
            ..
        } = self.config;
        // The embedding is a table and costs none.
        let layer = 4 * residual * residual + residual * (residual + skip);
        layers * layer + head * (skip + self.interface.alphabet.size)
    }

    fn calibrate(&self, sequences: &[(&[Token], Conditions)]) -> Result<Option<Calibration>> {
        Calibration::collect(&Arc::new(self.weights()), sequences).map(Some)
    }

    fn int8_stepper(&self, calibration: &Calibration, lanes: usize) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(WaveNetInt8Stepper::new(
            Arc::new(self.weights()),
            calibration,
            lanes,
        )?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::{
        ALPHABET, scrambled, with_batched_stepper, with_clocks, with_cpu_stepper, with_prediction,
    };
    use crate::sequence::{SideInputs, conformance};

    fn net(layers: usize, lags: Vec<usize>, condition: usize) -> WaveNet {
        net_of(config(layers), lags, condition)
    }

    fn config(layers: usize) -> WaveNetConfig {
        WaveNetConfig {
            layers,
            cycle: 3,
            dilations: vec![],
            residual: 6,
            skip: 10,
            head: 9,
        }
    }

    fn net_of(config: WaveNetConfig, lags: Vec<usize>, condition: usize) -> WaveNet {
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: with_clocks(lags),
            condition,
        };
        scrambled(WaveNet::new(config, interface, 1, &Device::flex()).unwrap())
    }

    /// The dilations of a picture of width 5.
    fn listed(layers: usize) -> WaveNetConfig {
        WaveNetConfig {
            dilations: vec![1, 2, 4, 5, 10],
            ..config(layers)
        }
    }

    #[test]
    fn it_passes_every_law() {
        conformance::check_all(&with_cpu_stepper(net(7, vec![], 0)));
        conformance::check_all(&with_cpu_stepper(net(4, vec![5, 12], 3)));
        conformance::check_all(&with_cpu_stepper(net(1, vec![], 2)));
        conformance::check_all(&with_cpu_stepper(net_of(listed(6), vec![5], 2)));
        conformance::check_all(&with_batched_stepper(net_of(listed(6), vec![5], 2)));
        conformance::check_all(&with_batched_stepper(net(7, vec![], 0)));
        conformance::check_all(&with_batched_stepper(net(4, vec![5, 12], 3)));
    }

    #[test]
    fn with_a_prediction_it_passes_every_law() {
        let net = || {
            let config = net(4, vec![], 0).config;
            let interface = Interface {
                alphabet: ALPHABET,
                side_inputs: with_prediction(),
                condition: 11,
            };
            scrambled(WaveNet::new(config, interface, 1, &Device::flex()).unwrap())
        };
        conformance::check_all(&with_cpu_stepper(net()));
        conformance::check_all(&with_batched_stepper(net()));
        with_cpu_stepper(net()).keeps_the_law_of_held_conditions();
        with_batched_stepper(net()).keeps_the_law_of_held_conditions();
    }

    #[test]
    fn one_generator_equals_one_of_many() {
        let net = net(4, vec![], 0);
        conformance::generator_equals_generate_many(&|| net.stepper(1).unwrap(), &[]);
        conformance::generator_equals_generate_many(&|| net.stepper(1).unwrap(), &[1, 3, 0, 10]);
    }

    #[test]
    fn nothing_before_the_receptive_field_matters_and_all_of_it_does() {
        let net = with_cpu_stepper(net(6, vec![], 0));
        let field = net.net.config.receptive_field();
        assert_eq!(field, 15);
        let tokens: Vec<u32> = (0..30).map(|i| (i * 7 % 11) as u32).collect();
        let logits = |tokens: &[u32]| conformance::Subject::logits(&net, tokens, None)[29].clone();
        let before = logits(&tokens);
        let changed = |position: usize| {
            let mut other = tokens.clone();
            other[position] = (other[position] + 1) % 11;
            logits(&other)
        };
        assert_eq!(
            before,
            changed(29 - field),
            "a token before the receptive field changed something"
        );
        assert_ne!(
            before,
            changed(30 - field),
            "the first token of the receptive field changed nothing"
        );
    }

    #[test]
    fn the_seed_fixes_the_first_weights() {
        let make = |seed| {
            let config = WaveNetConfig {
                layers: 2,
                cycle: 2,
                dilations: vec![],
                residual: 4,
                skip: 4,
                head: 4,
            };
            let interface = Interface {
                alphabet: ALPHABET,
                side_inputs: SideInputs::default(),
                condition: 0,
            };
            crate::models::parameters(
                &WaveNet::new(config, interface, seed, &Device::flex()).unwrap(),
            )
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }

    #[test]
    fn impossible_sizes_are_usage_errors() {
        assert!(config(0).validate().unwrap_err().is_usage());
        for dilation in [0, 65_537] {
            let config = WaveNetConfig {
                dilations: vec![1, dilation],
                ..config(3)
            };
            assert!(config.validate().unwrap_err().is_usage());
        }
        assert!(listed(3).validate().is_ok());
    }

    #[test]
    fn listed_dilations_are_repeated_over_the_layers() {
        assert_eq!(config(4).dilations(), [1, 2, 4, 1]);
        assert_eq!(listed(7).dilations(), [1, 2, 4, 5, 10, 1, 2]);
        assert_eq!(listed(7).receptive_field(), 26);
    }

    #[test]
    fn a_config_without_a_list_is_read_and_written_as_before() {
        let old = r#"{"layers":4,"cycle":3,"residual":6,"skip":10,"head":9}"#;
        assert_eq!(
            serde_json::from_str::<WaveNetConfig>(old).unwrap(),
            config(4)
        );
        assert_eq!(serde_json::to_string(&config(4)).unwrap(), old);
        let text = serde_json::to_string(&listed(4)).unwrap();
        assert_eq!(
            serde_json::from_str::<WaveNetConfig>(&text).unwrap(),
            listed(4)
        );
    }
}
