/*!
AdamW on a GPU: all parameters as one tensor, so that a step is a few operations for any number of parameters, and only the
gradient's norm is copied to the CPU.
*/

use std::sync::Arc;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;

use crate::train::all_reduce::AllReduce;
use crate::train::muon;
use crate::train::optimizer_state::{OptimizerSettings, OptimizerState};

/// The optimizer's state, tensors `[parameters]` in module order.
pub(crate) struct GpuState {
    steps: u64,
    momentum: Tensor<1>,
    variance: Tensor<1>,
    average: Tensor<1>,
    /// The number of values of each parameter.
    sizes: Vec<usize>,
    /// The exchange of gradients between several devices.
    exchange: Option<Arc<dyn AllReduce>>,
}

impl GpuState {
    pub(crate) fn new(state: &OptimizerState, device: &Device) -> Self {
        let flat = |parts: &[Vec<f32>]| {
            let values = parts.concat();
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), device)
        };
        Self {
            steps: state.steps,
            momentum: flat(&state.momentum),
            variance: flat(&state.variance),
            average: flat(&state.average),
            sizes: state.average.iter().map(Vec::len).collect(),
            exchange: None,
        }
    }

    /// Replaces the state by plain arrays.
    pub(crate) fn put(&mut self, state: &OptimizerState) {
        let exchange = self.exchange.take();
        *self = Self {
            exchange,
            ..Self::new(state, &self.average.device())
        };
    }

    /// From now on steps along the mean of several devices' gradients.
    pub(crate) fn share(&mut self, exchange: Arc<dyn AllReduce>) {
        self.exchange = Some(exchange);
    }

    /// The state as plain arrays.
    pub(crate) fn arrays(&self) -> OptimizerState {
        let parts = |flat: &Tensor<1>| {
            let values = crate::models::values(flat.clone());
            let mut rest = values.as_slice();
            let take = |&size: &usize| {
                let (part, behind) = rest.split_at(size);
                rest = behind;
                part.to_vec()
            };
            self.sizes.iter().map(take).collect()
        };
        OptimizerState {
            steps: self.steps,
            momentum: parts(&self.momentum),
            variance: parts(&self.variance),
            average: parts(&self.average),
        }
    }

    /// As [`AdamW::step`](crate::train::AdamW::step), by the same formulas as [`crate::kernels::adamw`].
    pub(crate) fn step<M: Module>(
        &mut self,
        net: M,
        gradients: GradientsParams,
        learning_rate: f64,
        settings: &OptimizerSettings,
        matrices: &[Option<[usize; 3]>],
    ) -> (M, f64) {
        let mut gradient = Gradients::of(&net, gradients);
        if let Some(exchange) = &self.exchange {
            gradient = exchange.mean(gradient);
        }
        let squares = gradient.clone() * gradient.clone();
        let norm = f64::from(squares.clone().sum().into_scalar::<f32>()).sqrt();
        if !norm.is_finite() {
            return (net, norm);
        }
        let clip = if norm > settings.clip_norm {
            settings.clip_norm / norm
        } else {
            1.0
        };
        self.steps += 1;
        let step = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (first, second) = (settings.beta1, settings.beta2);
        self.momentum = self.momentum.clone() * first + gradient * (clip * (1.0 - first));
        self.variance = self.variance.clone() * second + squares * (clip * clip * (1.0 - second));
        let rate = learning_rate / (1.0 - first.powi(step));
        let root = (self.variance.clone() / (1.0 - second.powi(step))).sqrt();
        let mut change = self.momentum.clone() * rate / (root + settings.epsilon);
        if settings.muon {
            let parameters = self.sizes.iter().copied().zip(matrices.iter().copied());
            change = muon::replace(&change, &self.momentum, parameters, learning_rate);
        }
        let keep = 1.0 - learning_rate * settings.weight_decay;
        let weights = Weights::of(&net) * keep - change;
        let stay = settings.average_decay_at(self.steps);
        self.average = self.average.clone() * stay + weights.clone() * (1.0 - stay);
        (put(net, weights), norm)
    }

    pub(crate) fn averaged<M: Module>(&self, net: &M) -> M {
        put(net.valid(), self.average.clone())
    }
}

/// Collects gradients, zeros for a parameter without one.
struct Gradients {
    given: GradientsParams,
    found: Vec<Tensor<1>>,
}

impl Gradients {
    fn of<M: Module>(net: &M, given: GradientsParams) -> Tensor<1> {
        let mut gradients = Self {
            given,
            found: Vec::new(),
        };
        net.visit(&mut gradients);
        Tensor::cat(gradients.found, 0)
    }
}

impl ModuleVisitor for Gradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.given.remove::<D>(param.id);
        let gradient = gradient.unwrap_or_else(|| param.val().inner().zeros_like());
        self.found.push(gradient.flatten(0, D - 1));
    }
}

/// Collects weights.
#[derive(Default)]
struct Weights(Vec<Tensor<1>>);

impl Weights {
    fn of<M: Module>(net: &M) -> Tensor<1> {
        let mut weights = Self::default();
        net.visit(&mut weights);
        Tensor::cat(weights.0, 0)
    }
}

impl ModuleVisitor for Weights {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().inner().flatten(0, D - 1));
    }
}

/// The module with other weights, `[parameters]` in module order.
fn put<M: Module>(net: M, weights: Tensor<1>) -> M {
    net.map(&mut Put { weights, put: 0 })
}

struct Put {
    weights: Tensor<1>,
    put: usize,
}

impl ModuleMapper for Put {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let shape = tensor.shape();
            let size = shape.num_elements();
            let part: Tensor<D> = self
                .weights
                .clone()
                .narrow(0, self.put, size)
                .reshape(shape);
            self.put += size;
            match (tensor.is_autodiff(), tensor.is_require_grad()) {
                (true, true) => part.autodiff().require_grad(),
                (true, false) => part.autodiff(),
                (false, _) => part,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::{ALPHABET, small, with_clocks};
    use crate::models::{
        Interface, RecurrentCell, SequenceInput, SequenceModel, WaveNet, WaveNetConfig, parameters,
    };
    use crate::ops::cross_entropy;
    use crate::train::AdamW;

    /// Thirty steps of both optimizers from the same weights.
    fn check<N: SequenceModel + Module>(net: N, muon: bool) {
        let device = Device::flex();
        let settings = OptimizerSettings {
            weight_decay: 0.1,
            clip_norm: 0.3,
            muon,
            ..OptimizerSettings::default()
        };
        let gradients = |net: &N| {
            let tokens = Tensor::from_data([[1, 4, 2, 10]], &device.clone().autodiff());
            let logits = net
                .logits(SequenceInput::new(tokens, None))
                .reshape([4, 11]);
            let loss = cross_entropy(logits, &[4, 2, 10, 0]);
            GradientsParams::from_grads(loss.backward(), net)
        };
        let mut adamw = AdamW::new(&net);
        let mut flat = AdamW::new(&net);
        flat.make_tensors();
        let (mut a, mut b) = (net.clone().train(), net.train());
        for _ in 0..30 {
            let (left, right);
            (a, left) = adamw.step(a.clone(), gradients(&a), 0.01, &settings);
            (b, right) = flat.step(b.clone(), gradients(&b), 0.01, &settings);
            assert!((left - right).abs() < 1e-4 * left, "{left} beside {right}");
        }
        let close = |a: &[f32], b: &[f32], what: &str| {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-4, "{what}: {a} beside {b}");
            }
        };
        for (a, b) in parameters(&a).iter().zip(parameters(&b)) {
            close(&a.values, &b.values, &a.name);
        }
        let averaged = parameters(&flat.averaged(&b));
        for (a, b) in parameters(&adamw.averaged(&a)).iter().zip(averaged) {
            close(&a.values, &b.values, &a.name);
        }
        let (left, right) = (adamw.state(), flat.state());
        assert_eq!((left.steps, right.steps), (30, 30));
        for (a, b) in left.momentum.iter().zip(&right.momentum) {
            close(a, b, "momentum");
        }
        if !muon {
            for (a, b) in left.variance.iter().zip(&right.variance) {
                close(a, b, "variance");
            }
        }
        assert_eq!(GpuState::new(&right, &device).arrays(), *right);
    }

    #[test]
    fn it_takes_the_steps_of_the_cpu_optimizer() {
        check(small(RecurrentCell::Gru), false);
        let config = WaveNetConfig {
            layers: 3,
            cycle: 3,
            dilations: Vec::new(),
            residual: 8,
            skip: 12,
            head: 10,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: with_clocks(vec![1]),
            condition: 0,
        };
        let wavenet = WaveNet::new(config, interface, 1, &Device::flex()).unwrap();
        for muon in [false, true] {
            check(wavenet.clone(), muon);
        }
    }
}
