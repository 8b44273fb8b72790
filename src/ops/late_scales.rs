/*! The identity, with a gradient that is multiplied by factors which only the forward pass tells. */

use std::sync::{Arc, Mutex, PoisonError};

use burn::prelude::*;

use crate::ops::composed;
use crate::ops::composed::ComposedOp;

/// Factors of a gradient, one for each row. They are set between the forward and the backward pass.
#[derive(Debug, Clone, Default)]
pub struct LateScales(Arc<Mutex<Option<Tensor<2>>>>);

impl LateScales {
    /// `x` `[rows, width]` as it is. Its gradient is multiplied by the factors.
    pub fn of(&self, x: Tensor<2>) -> Tensor<2> {
        composed::apply(Scaled(self.clone()), [x])
    }

    /// Sets the factors, `[rows, 1]`.
    pub fn set(&self, scales: Tensor<2>) {
        let scales = if scales.is_autodiff() {
            scales.inner()
        } else {
            scales
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(scales);
    }
}

#[derive(Debug)]
struct Scaled(LateScales);

impl ComposedOp<1> for Scaled {
    type Saved = ();

    fn forward(&self, [x]: [Tensor<2>; 1], _train: bool) -> (Tensor<2>, Option<()>) {
        (x, Some(()))
    }

    fn backward(&self, (): (), gradient: Tensor<2>, _: [bool; 1]) -> [Option<Tensor<2>>; 1] {
        let scales = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let scales = scales.clone().expect("set before the backward pass");
        [Some(gradient * scales)]
    }
}
