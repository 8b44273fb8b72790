/*! Models as subjects of [`crate::sequence::conformance`]. */

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::error::Result;
use crate::models::stepper_conformance::side_inputs;
use crate::models::{
    Interface, Recurrent, RecurrentCell, RecurrentConfig, SequenceInput, SequenceModel, values,
};
use crate::sequence::conformance::Subject;
use crate::sequence::{Alphabet, SideInputs, Stepper, Token};

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
        let device = Device::flex();
        let numbers: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
        let tensor = Tensor::from_data(TensorData::new(numbers, [1, tokens.len()]), &device);
        let condition = condition
            .map(|c| Tensor::from_data(TensorData::new(c.to_vec(), [1, c.len()]), &device));
        let logits = values(self.net.logits(SequenceInput::new(tensor, condition)));
        let size = self.net.interface().alphabet.size;
        logits.chunks(size).map(<[f32]>::to_vec).collect()
    }

    fn stepper(&self, lanes: usize) -> Box<dyn Stepper> {
        (self.stepper)(&self.net, lanes).expect("valid weights")
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
            })
        }
    }
    net.map(&mut Scramble(ChaCha8Rng::seed_from_u64(3)))
}
