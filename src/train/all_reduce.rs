/*! How devices that train together agree on a gradient. */

use burn::prelude::*;

/// How devices exchange gradients.
pub trait AllReduce: Send + Sync {
    /// The mean of all devices' gradients. Waits for all.
    fn mean(&self, gradient: Tensor<1>) -> Tensor<1>;
}
