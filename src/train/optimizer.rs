/*!
AdamW over all parameters of a network, or Muon for its hidden matrices, with clipping by the global norm and a moving average of
the weights.
*/

use std::borrow::Cow;
use std::sync::Arc;

use burn::module::{ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;

use crate::kernels::adamw;
use crate::models::{device_of, parameters, with_values};
use crate::ops::device::is_cpu;
use crate::train::adamw_gpu::GpuState;
use crate::train::all_reduce::AllReduce;
use crate::train::muon::hidden_matrices;
use crate::train::optimizer_state::{OptimizerSettings, OptimizerState};

/// The optimizer of a network, with its state on the network's device.
pub struct AdamW {
    backend: OptimizerBackend,
    /// Of each parameter, see [`hidden_matrices`].
    matrices: Vec<Option<[usize; 3]>>,
}

enum OptimizerBackend {
    /// Plain arrays and a SIMD kernel.
    Cpu(OptimizerState),
    /// Tensors on a GPU.
    Gpu(GpuState),
}

impl AdamW {
    /// The optimizer of a network at the start of its training.
    pub fn new<M: Module>(net: &M) -> Self {
        let average: Vec<Vec<f32>> = parameters(net).into_iter().map(|p| p.values).collect();
        let zeros: Vec<Vec<f32>> = average
            .iter()
            .map(|values| vec![0.0; values.len()])
            .collect();
        let state = OptimizerState {
            steps: 0,
            momentum: zeros.clone(),
            variance: zeros,
            average,
        };
        Self::resume(state, net)
    }

    /// The optimizer with this state of the same network.
    fn resume<M: Module>(state: OptimizerState, net: &M) -> Self {
        let device = device_of(net);
        let backend = if is_cpu(&device) {
            OptimizerBackend::Cpu(state)
        } else {
            OptimizerBackend::Gpu(GpuState::new(&state, &device))
        };
        let matrices = parameters(net).into_iter();
        Self {
            backend,
            matrices: matrices
                .map(|p| hidden_matrices(&p.name, &p.shape))
                .collect(),
        }
    }

    /// Its state, copied from the GPU if it is there.
    pub(crate) fn state(&self) -> Cow<'_, OptimizerState> {
        match &self.backend {
            OptimizerBackend::Cpu(state) => Cow::Borrowed(state),
            OptimizerBackend::Gpu(state) => Cow::Owned(state.arrays()),
        }
    }

    /// Changes its state.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut OptimizerState)) {
        match &mut self.backend {
            OptimizerBackend::Cpu(state) => change(state),
            OptimizerBackend::Gpu(flat) => {
                let mut state = flat.arrays();
                change(&mut state);
                flat.put(&state);
            }
        }
    }

    /// From now on steps along the mean of several devices' gradients. The state becomes tensors, also on a CPU.
    pub(super) fn share(&mut self, exchange: Arc<dyn AllReduce>) {
        self.make_tensors();
        if let OptimizerBackend::Gpu(flat) = &mut self.backend {
            flat.share(exchange);
        }
    }

    /// From now on its state is tensors, also on a CPU.
    pub(super) fn make_tensors(&mut self) {
        if let OptimizerBackend::Cpu(state) = &self.backend {
            self.backend = OptimizerBackend::Gpu(GpuState::new(state, &Device::flex()));
        }
    }

    /// One step; returns the network and the gradient's global norm before clipping.
    ///
    /// A gradient whose norm is NaN or infinite changes nothing.
    pub fn step<M: Module>(
        &mut self,
        net: M,
        gradients: GradientsParams,
        learning_rate: f64,
        settings: &OptimizerSettings,
    ) -> (M, f64) {
        let matrices = &self.matrices;
        match &mut self.backend {
            OptimizerBackend::Cpu(state) => {
                step_of_arrays(state, net, gradients, learning_rate, settings, matrices)
            }
            OptimizerBackend::Gpu(state) => {
                state.step(net, gradients, learning_rate, settings, matrices)
            }
        }
    }

    /// The network with its averaged weights, on a plain device.
    pub fn averaged<M: Module>(&self, net: &M) -> M {
        match &self.backend {
            OptimizerBackend::Cpu(state) => with_values(net.valid(), state.average.iter().cloned()),
            OptimizerBackend::Gpu(state) => state.averaged(net),
        }
    }
}

fn step_of_arrays<M: Module>(
    state: &mut OptimizerState,
    net: M,
    gradients: GradientsParams,
    learning_rate: f64,
    settings: &OptimizerSettings,
    matrices: &[Option<[usize; 3]>],
) -> (M, f64) {
    let gradients = collect(&net, gradients);
    let mut weights: Vec<Vec<f32>> = parameters(&net).into_iter().map(|p| p.values).collect();
    let step = state.steps + 1;
    let adamw = adamw::AdamW {
        learning_rate: learning_rate as f32,
        beta_1: settings.beta1 as f32,
        beta_2: settings.beta2 as f32,
        epsilon: settings.epsilon as f32,
        weight_decay: settings.weight_decay as f32,
        max_norm: settings.clip_norm,
        average_decay: settings.average_decay_at(step) as f32,
    };
    let memory = state
        .momentum
        .iter_mut()
        .zip(&mut state.variance)
        .zip(&mut state.average);
    let mut all: Vec<adamw::Parameter> = weights
        .iter_mut()
        .zip(&gradients)
        .zip(memory)
        .zip(matrices)
        .map(
            |(((value, gradient), ((first, second), average)), matrices)| adamw::Parameter {
                matrices: matrices
                    .filter(|_| settings.muon)
                    .map(|[_, rows, columns]| [rows, columns]),
                value,
                gradient,
                first,
                second,
                average,
            },
        )
        .collect();
    let norm = adamw::step(&adamw, step, &mut all);
    if !norm.is_finite() {
        return (net, norm);
    }
    state.steps = step;
    (with_values(net, weights), norm)
}

/// Gradients in module order; zeros where a parameter had none.
fn collect<M: Module>(net: &M, gradients: GradientsParams) -> Vec<Vec<f32>> {
    struct Collector {
        gradients: GradientsParams,
        found: Vec<Vec<f32>>,
    }
    impl ModuleVisitor for Collector {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push(match self.gradients.remove::<D>(param.id) {
                Some(gradient) => crate::models::values(gradient),
                None => vec![0.0; param.val().shape().num_elements()],
            });
        }
    }
    let mut collector = Collector {
        gradients,
        found: Vec::new(),
    };
    net.visit(&mut collector);
    collector.found
}
