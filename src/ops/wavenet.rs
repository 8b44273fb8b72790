/*! The residual stack of a WaveNet: gated dilated causal convolutions with residual and skip paths. */

use burn::prelude::*;
use burn::tensor::activation;

use crate::kernels::buffer::unwritten;
use crate::kernels::wavenet as kernel;
use crate::ops::form::has_kernels;
use crate::ops::fused;
use crate::ops::fused::FusedOp;
use crate::ops::recurrent::conditioned;

/// The weights of L layers with R residual and S skip channels, stacked along the first dimension.
#[derive(Debug, Clone)]
pub struct ResidualStack {
    /// `[L, 2R, 2R]`: rows are the past frame x_{t−d} then the current one x_t; columns the filter then the gate.
    pub conv: Tensor<3>,
    /// `[L, 2R]`.
    pub conv_bias: Tensor<2>,
    /// `[L, R, R + S]`: columns are the residual then the skip output.
    pub out: Tensor<3>,
    /// `[L, R + S]`.
    pub out_bias: Tensor<2>,
}

/// Runs a whole residual stack over `batch` sequences (van den Oord et al. 2016, §2.1–2.5).
///
/// For each layer with dilation d, with zeros before the start of a sequence:
///
/// ```text
/// p_t = W_past x_{t−d} + W_current x_t + b + condition        z_t = tanh(p_filter) · σ(p_gate)
/// [r_t | s_t] = z_t W_out + b_out        x_t ← x_t + r_t        skip_t ← skip_t + s_t
/// ```
///
/// * `x`: `[batch · time, R]`, row `b · time + t`.
/// * `condition`: `[batch · hops, L · 2R]`, each added to the pre-activations of `time / hops` rows of its sequence.
///   `time` is a multiple of the number of hops.
/// * returns the sum of the skip outputs, `[batch · time, S]`.
///
/// The residual half of the last layer's output has no effect.
pub fn residual_stack(
    x: Tensor<2>,
    weights: &ResidualStack,
    condition: Option<Tensor<2>>,
    dilations: &[usize],
    time: usize,
) -> Tensor<2> {
    if !has_kernels(&x.device()) {
        return composed(x, weights, condition, dilations, time);
    }
    let [rows, residual] = x.dims();
    let [_, _, joined] = weights.out.dims();
    // To the kernels an empty tensor means that there is no condition.
    let condition = condition.unwrap_or_else(|| Tensor::zeros([0, 0], &x.device()));
    let inputs = [
        fused::input(&x),
        fused::input(&weights.conv),
        fused::input(&weights.conv_bias),
        fused::input(&weights.out),
        fused::input(&weights.out_bias),
        fused::input(&condition),
    ];
    let hop = hop(condition.dims()[0], rows, time);
    let shape = kernel::Shape {
        batch: rows / time,
        time,
        residual,
        skip: joined - residual,
    };
    fused::apply(
        Stack {
            shape,
            hop,
            dilations: dilations.to_vec(),
        },
        inputs,
    )
}

/// Time steps that a condition holds, if there are `conditions` in all.
fn hop(conditions: usize, rows: usize, time: usize) -> usize {
    rows.checked_div(conditions).unwrap_or(time)
}

#[derive(Debug)]
struct Stack {
    shape: kernel::Shape,
    hop: usize,
    dilations: Vec<usize>,
}

impl Stack {
    fn weights<'a>(
        &'a self,
        [_, conv, conv_bias, out, out_bias, condition]: [&'a [f32]; 6],
    ) -> kernel::Stack<'a> {
        kernel::Stack {
            conv,
            conv_bias,
            out,
            out_bias,
            condition: (!condition.is_empty()).then_some(condition),
            hop: self.hop,
            dilations: &self.dilations,
        }
    }
}

impl FusedOp<6> for Stack {
    type Saved = kernel::Saved;

    fn shape(&self) -> Vec<usize> {
        vec![self.shape.batch * self.shape.time, self.shape.skip]
    }

    fn forward(&self, inputs: [&[f32]; 6], train: bool) -> (Vec<f32>, Option<kernel::Saved>) {
        let mut skip = unwritten(self.shape.batch * self.shape.time * self.shape.skip);
        let saved = kernel::forward(self.shape, &self.weights(inputs), inputs[0], &mut skip);
        (skip, train.then_some(saved))
    }

    fn backward(
        &self,
        inputs: [&[f32]; 6],
        saved: kernel::Saved,
        gradient: &[f32],
        wanted: [bool; 6],
    ) -> [Vec<f32>; 6] {
        let g = kernel::backward(
            self.shape,
            &self.weights(inputs),
            inputs[0],
            saved,
            gradient,
            wanted[0],
        );
        [
            g.input.unwrap_or_default(),
            g.conv,
            g.conv_bias,
            g.out,
            g.out_bias,
            g.condition.unwrap_or_default(),
        ]
    }
}

/// The composed form, and the reference for the kernels.
pub(crate) fn composed(
    x: Tensor<2>,
    weights: &ResidualStack,
    condition: Option<Tensor<2>>,
    dilations: &[usize],
    time: usize,
) -> Tensor<2> {
    let [rows, r] = x.dims();
    let batch = rows / time;
    let [_, _, joined] = weights.out.dims();
    let s = joined - r;
    let mut x = x;
    let mut skip: Option<Tensor<2>> = None;
    for (layer, &dilation) in dilations.iter().enumerate() {
        let conv = weights.conv.clone().narrow(0, layer, 1).squeeze_dim::<2>(0);
        let mut p = x.clone().matmul(conv.clone().narrow(0, r, r));
        if dilation < time {
            let past = x
                .clone()
                .reshape([batch, time, r])
                .narrow(1, 0, time - dilation);
            let zeros = Tensor::zeros([batch, dilation, r], &x.device());
            let past = Tensor::cat(vec![zeros, past], 1).reshape([rows, r]);
            p = p + past.matmul(conv.narrow(0, 0, r));
        }
        p = p + weights.conv_bias.clone().narrow(0, layer, 1);
        if let Some(condition) = &condition {
            let of_layer = condition.clone().narrow(1, layer * 2 * r, 2 * r);
            p = conditioned(p, Some(&of_layer));
        }
        let z =
            activation::tanh(p.clone().narrow(1, 0, r)) * activation::sigmoid(p.narrow(1, r, r));
        let out = weights.out.clone().narrow(0, layer, 1).squeeze_dim::<2>(0);
        let joined = z.matmul(out) + weights.out_bias.clone().narrow(0, layer, 1);
        x = x + joined.clone().narrow(1, 0, r);
        let new = joined.narrow(1, r, s);
        skip = Some(match skip {
            Some(skip) => skip + new,
            None => new,
        });
    }
    skip.expect("a stack has at least one layer")
}
