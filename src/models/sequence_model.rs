/*!
The networks, in their training form (burn modules). None knows which medium it reads: it is given an [`Interface`].

Each network has a making form in [`crate::kernels::step`] with the same weights and the same logits.
*/

use burn::prelude::*;

use crate::error::Result;
use crate::sequence::{Alphabet, Stepper};

/// What a network is asked to read and to foresee: the same for every architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The tokens.
    pub alphabet: Alphabet,
    /// Earlier tokens that enter beside the current one, as distances; `[width]` is the pixel above.
    pub lags: Vec<usize>,
    /// Length of the condition vector; 0 for none.
    pub condition: usize,
}

/// The training view of an autoregressive network.
pub trait SequenceModel: Module {
    /// What it reads and foresees.
    fn interface(&self) -> &Interface;

    /// Tokens `[batch, time]` to logits `[batch, time, alphabet.size]`; position t sees the tokens 0..=t only.
    /// `condition` is `[batch, condition]`; `None` stands for zeros.
    fn logits(&self, tokens: Tensor<2, Int>, condition: Option<Tensor<2>>) -> Tensor<3>;

    /// The logits as training sees them: with what `seed` drops, where the network drops anything.
    fn training_logits(
        &self,
        tokens: Tensor<2, Int>,
        condition: Option<Tensor<2>>,
        _seed: u64,
    ) -> Tensor<3> {
        self.logits(tokens, condition)
    }

    /// The same network one step at a time, with its weights as they are now.
    ///
    /// # Errors
    /// When the weights do not fit together, as after loading a damaged file.
    fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>>;

    /// The same as tensors where the network lies: for hundreds of lanes or more on a card.
    ///
    /// # Errors
    /// Without a lane.
    fn lanes(&self, count: usize) -> Result<Box<dyn Stepper>>;
}

/// The rows of the embedding tables that each position reads, `[batch · time]` for the current token and for each lag: what
/// lies before the beginning is `start`.
pub(crate) fn sources(tokens: Tensor<2, Int>, interface: &Interface) -> Vec<Tensor<1, Int>> {
    let [batch, time] = tokens.dims();
    let inputs = interface.alphabet.inputs();
    let mut sources = vec![tokens.clone().reshape([batch * time])];
    for (index, &lag) in interface.lags.iter().enumerate() {
        let missing = lag.min(time);
        let start = Tensor::full([batch, missing], interface.alphabet.start, &tokens.device());
        let earlier = if missing == time {
            start
        } else {
            Tensor::cat(vec![start, tokens.clone().narrow(1, 0, time - missing)], 1)
        };
        sources.push(earlier.reshape([batch * time]) + ((index + 1) * inputs) as i32);
    }
    sources
}

/// Where a network lies: the plain device of its parameters.
pub fn device_of<M: Module>(net: &M) -> Device {
    let device = net.devices().into_iter().next();
    device.unwrap_or_else(Device::flex).inner()
}

/// The row-major values of a tensor.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec::<f32>()
        .expect("networks are f32")
}

#[cfg(test)]
pub(crate) mod testing {
    //! A network as a subject of [`crate::sequence::conformance`].

    use burn::module::{ModuleMapper, Param};
    use burn::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    use crate::models::{Interface, Recurrent, RecurrentCell, RecurrentConfig, SequenceModel};
    use crate::sequence::conformance::Subject;
    use crate::sequence::{Alphabet, Stepper, Token};

    pub(crate) const ALPHABET: Alphabet = Alphabet {
        size: 11,
        start: 11,
        stop: None,
    };

    pub(crate) struct Both<N>(pub(crate) N);

    fn logits<N: SequenceModel>(
        net: &N,
        tokens: &[Token],
        condition: Option<&[f32]>,
    ) -> Vec<Vec<f32>> {
        let device = Device::flex();
        let numbers: Vec<i32> = tokens.iter().map(|&t| t as i32).collect();
        let tensor = Tensor::from_data(TensorData::new(numbers, [1, tokens.len()]), &device);
        let condition = condition
            .map(|c| Tensor::from_data(TensorData::new(c.to_vec(), [1, c.len()]), &device));
        let logits = super::values(net.logits(tensor, condition));
        let size = net.interface().alphabet.size;
        logits.chunks(size).map(<[f32]>::to_vec).collect()
    }

    impl<N: SequenceModel> Subject for Both<N> {
        fn alphabet(&self) -> Alphabet {
            self.0.interface().alphabet
        }

        fn condition(&self) -> usize {
            self.0.interface().condition
        }

        fn logits(&self, tokens: &[Token], condition: Option<&[f32]>) -> Vec<Vec<f32>> {
            logits(&self.0, tokens, condition)
        }

        fn stepper(&self, lanes: usize) -> Box<dyn Stepper> {
            self.0.stepper(lanes).expect("a whole network")
        }
    }

    /// A recurrent network that learns in a moment.
    pub(crate) fn small(unit: RecurrentCell) -> Recurrent {
        let config = RecurrentConfig {
            embedding: 5,
            hidden: 8,
            layers: 1,
            tied: false,
            dropout: 0.0,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            lags: vec![],
            condition: 0,
        };
        Recurrent::new(unit, config, interface, 3, &Device::flex()).expect("sizes of a network")
    }

    /// A network whose making form is the one for a card.
    pub(crate) struct InLanes<N>(pub(crate) N);

    impl<N: SequenceModel> Subject for InLanes<N> {
        fn alphabet(&self) -> Alphabet {
            self.0.interface().alphabet
        }

        fn condition(&self) -> usize {
            self.0.interface().condition
        }

        fn logits(&self, tokens: &[Token], condition: Option<&[f32]>) -> Vec<Vec<f32>> {
            logits(&self.0, tokens, condition)
        }

        fn stepper(&self, lanes: usize) -> Box<dyn Stepper> {
            self.0.lanes(lanes).expect("a whole network")
        }
    }

    /// Every parameter drawn anew, biases included, so that no part of a network can hide behind a zero.
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
}
