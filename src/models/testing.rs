/*! Models as subjects of [`crate::sequence::conformance`]. */

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::base::rng::testing::Lcg;
use crate::error::Result;
use crate::models::stepper_conformance::side_inputs;
use crate::models::{
    Batch, Interface, Recurrent, RecurrentCell, RecurrentConfig, SequenceModel, input, values,
};
use crate::sequence::conformance::Subject;
use crate::sequence::{Alphabet, Conditions, Prediction, SideInputs, Stepper, Token};

pub(crate) const ALPHABET: Alphabet = Alphabet {
    size: 11,
    start: 11,
    stop: None,
};

/// A model and one of its steppers.
pub(crate) struct ModelSubject<N> {
    pub(crate) net: N,
    stepper: fn(&N, usize) -> Result<Box<dyn Stepper>>,
}

/// The model with its CPU stepper.
pub(crate) fn with_cpu_stepper<N: SequenceModel>(net: N) -> ModelSubject<N> {
    ModelSubject {
        net,
        stepper: N::stepper,
    }
}

/// The model with its stepper for a GPU.
pub(crate) fn with_batched_stepper<N: SequenceModel>(net: N) -> ModelSubject<N> {
    ModelSubject {
        net,
        stepper: N::batched_stepper,
    }
}

impl<N: SequenceModel> Subject for ModelSubject<N> {
    fn alphabet(&self) -> Alphabet {
        self.net.interface().alphabet
    }

    fn condition(&self) -> usize {
        self.net.interface().condition
    }

    fn logits(&self, tokens: &[Token], condition: Option<&[f32]>) -> Vec<Vec<f32>> {
        self.logits_of_row(tokens, condition)
    }

    fn stepper(&self, lanes: usize) -> Box<dyn Stepper> {
        (self.stepper)(&self.net, lanes).expect("valid weights")
    }
}

impl<N: SequenceModel> ModelSubject<N> {
    /// The logits of one row whose conditions `[hops, condition]` share its positions equally.
    fn logits_of_row(&self, tokens: &[Token], conditions: Option<&[f32]>) -> Vec<Vec<f32>> {
        let batch = Batch {
            rows: 1,
            time: tokens.len(),
            tokens: tokens.to_vec(),
            targets: Vec::new(),
            offsets: Vec::new(),
            condition: conditions.map(<[f32]>::to_vec),
        };
        let logits = self
            .net
            .logits(input(self.net.interface(), &batch, &Device::flex()));
        let size = self.net.interface().alphabet.size;
        values(logits).chunks(size).map(<[f32]>::to_vec).collect()
    }

    /// Law: conditions that change within a sequence do the same in training and step by step.
    pub(crate) fn keeps_the_law_of_held_conditions(&self) {
        const HOP: usize = 8;
        let (alphabet, width) = (self.alphabet(), self.condition());
        let mut random = Lcg(4);
        let tokens = [
            vec![alphabet.start],
            random.tokens(5 * HOP - 1, alphabet.size),
        ]
        .concat();
        let conditions: Vec<f32> = random.values(5 * width, 0.9);
        let whole = self.logits_of_row(&tokens, Some(&conditions));
        let mut stepper = self.stepper(2);
        let held = Conditions::held(&conditions, width, Some(HOP));
        for (position, &token) in tokens.iter().enumerate() {
            match held.at(position) {
                Some(condition) if position == 0 => stepper.reset(1, Some(condition)),
                Some(condition) => stepper.recondition(1, Some(condition)),
                None => {}
            }
            let logits = &stepper.step(&[0, token])[alphabet.size..];
            for (a, b) in logits.iter().zip(&whole[position]) {
                assert!(
                    (a - b).abs() < 1e-3 * b.abs().max(1.0),
                    "position {position}: {a} beside {b}"
                );
            }
        }
    }
}

/// A prediction over [`ALPHABET`] that reads a short past.
pub(crate) fn with_prediction() -> SideInputs {
    SideInputs {
        prediction: Some(Prediction {
            values: (0..ALPHABET.size).map(|i| i as f32 * 0.2 - 1.0).collect(),
            order: 3,
            longest: 9,
            window: 12,
            refine: 3,
            levels: 4,
        }),
        ..with_clocks(vec![2])
    }
}

/// These lags and, if there are any, two clocks.
pub(crate) fn with_clocks(lags: Vec<usize>) -> SideInputs {
    let clocks: &[_] = if lags.is_empty() {
        &[]
    } else {
        &[(1, 4), (4, 3)]
    };
    side_inputs(&lags, clocks)
}

/// A recurrent model that trains within a second.
pub(crate) fn small(cell: RecurrentCell) -> Recurrent {
    let config = RecurrentConfig {
        embedding: 5,
        hidden: 8,
        layers: 1,
        tied: false,
        dropout: 0.0,
        stride: 1,
    };
    let interface = Interface {
        alphabet: ALPHABET,
        side_inputs: SideInputs::default(),
        condition: 0,
    };
    Recurrent::new(cell, config, interface, 3, &Device::flex()).expect("valid sizes")
}

/// The model with random values in every parameter, biases included, so that no part can hide behind a zero.
pub(crate) fn scrambled<N: Module>(net: N) -> N {
    struct Scramble(ChaCha8Rng);
    impl ModuleMapper for Scramble {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| {
                let dims = tensor.dims();
                let numbers: Vec<f32> = (0..dims.iter().product())
                    .map(|_| (self.0.next_u32() >> 8) as f32 / 8_388_608.0 - 1.0)
                    .collect();
                Tensor::from_data(TensorData::new(numbers, dims), &tensor.device())
                    .set_require_grad(tensor.is_require_grad())
            })
        }
    }
    net.map(&mut Scramble(ChaCha8Rng::seed_from_u64(3)))
}
