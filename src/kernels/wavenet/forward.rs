/*! The stack forward: slab by slab in the order of time, layer by layer in each. */

use crate::base::math;
use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::Buffer;
use crate::kernels::matmul::{Packed, Start, View, product};
use crate::kernels::parallel::{each, on_pool};
use crate::kernels::wavenet::slab::{BLOCK, Segment, Slab, by_hop};
use crate::kernels::wavenet::{Saved, Shape, Stack};
use rayon::prelude::*;
use std::ops::Range;

/// Runs the stack over inputs of checked sizes.
pub(crate) fn run(
    level: InstructionSet,
    shape: Shape,
    stack: &Stack,
    input: &[f32],
    skip: &mut [f32],
) -> Saved {
    let layers = stack.dilations.len();
    let size = shape.rows() * shape.residual;
    let mut saved = Saved {
        inputs: Buffer::any(size * (layers - 1)),
        gated: Buffer::any(size * layers),
        gates: Buffer::any(size * layers),
    };
    on_pool(|| {
        let weights = Weights::pack(level, shape, stack);
        for slab in Slab::all(shape) {
            for layer in 0..layers {
                let pass = Layer {
                    level,
                    shape,
                    stack,
                    weights: &weights[layer],
                    layer,
                };
                pass.run(&slab, input, &mut saved, skip);
            }
        }
    });
    saved
}

/// The outputs of a segment of rows.
struct Outputs<'a> {
    /// The next layer's input; empty for the last layer.
    next: &'a mut [f32],
    gated: &'a mut [f32],
    gates: &'a mut [f32],
    skip: &'a mut [f32],
}

/// One layer's weights, packed for forward.
struct Weights {
    past: Packed,
    current: Packed,
    residual: Packed,
    skip: Packed,
}

impl Weights {
    fn pack(level: InstructionSet, shape: Shape, stack: &Stack) -> Vec<Self> {
        let (r, s) = (shape.residual, shape.skip);
        let layers = stack
            .conv
            .par_chunks(4 * r * r)
            .zip(stack.out.par_chunks(r * (r + s)));
        let packed = layers.map(|(conv, out)| Self {
            past: Packed::new(level, View::rows(conv, 2 * r), r, 2 * r),
            current: Packed::new(level, View::rows(&conv[2 * r * r..], 2 * r), r, 2 * r),
            residual: Packed::new(level, View::rows(out, r + s), r, r),
            skip: Packed::new(level, View::rows(&out[r..], r + s), r, s),
        });
        packed.collect()
    }
}

/// One layer of the forward pass.
struct Layer<'a> {
    level: InstructionSet,
    shape: Shape,
    stack: &'a Stack<'a>,
    weights: &'a Weights,
    layer: usize,
}

/// A product of fewer rows leaves registers unused: shorter hops share one product.
const FEWEST_ROWS: usize = 16;

impl Layer<'_> {
    /// One slab, all threads.
    fn run(&self, slab: &Slab, input: &[f32], saved: &mut Saved, skip: &mut [f32]) {
        let (r, layer) = (self.shape.residual, self.layer);
        let size = self.shape.rows() * r;
        let parts = slab.parts(self.shape);
        let (earlier, next) = saved.inputs.split_at_mut(layer * size);
        let x = if layer == 0 {
            input
        } else {
            &earlier[(layer - 1) * size..]
        };
        let next = if next.is_empty() {
            parts.nothing()
        } else {
            parts.carve(next, r)
        };
        let gated = parts.carve(&mut saved.gated[layer * size..], r);
        let gates = parts.carve(&mut saved.gates[layer * size..], r);
        let skip = parts.carve(skip, self.shape.skip);
        let pieces = next.into_iter().zip(gated).zip(gates.into_iter().zip(skip));
        let tasks =
            pieces
                .zip(&parts.segments)
                .map(|(((next, gated), (gates, skip)), segments)| {
                    let pieces = next.into_iter().zip(gated).zip(gates.into_iter().zip(skip));
                    let outputs = pieces.map(|((next, gated), (gates, skip))| Outputs {
                        next,
                        gated,
                        gates,
                        skip,
                    });
                    outputs.zip(segments).collect::<Vec<_>>()
                });
        each(tasks.collect(), |_, segments| {
            let mut p = Buffer::any(BLOCK * 2 * r);
            for (outputs, segment) in segments {
                self.segment(segment, x, outputs, &mut p);
            }
        });
    }

    /// One segment of the layer's input `x` (all rows).
    fn segment(&self, segment: &Segment, x: &[f32], outputs: Outputs, p: &mut [f32]) {
        let Outputs {
            next,
            gated,
            gates,
            skip,
        } = outputs;
        let (r, s, layer) = (self.shape.residual, self.shape.skip, self.layer);
        let out_bias = &self.stack.out_bias[layer * (r + s)..][..r + s];
        let x = &x[segment.sequence * self.shape.time * r..][..self.shape.time * r];
        for times in segment.blocks() {
            let at = times.start - segment.times.start;
            let count = times.len();
            let p = &mut p[..count * 2 * r];
            let gated = &mut gated[at * r..][..count * r];
            self.convolve(segment.sequence, x, times.clone(), p);
            gate(self.level, p, r, gated, &mut gates[at * r..][..count * r]);
            let z = View::rows(gated, r);
            if !next.is_empty() {
                let next = &mut next[at * r..][..count * r];
                plus_row(
                    self.level,
                    &x[times.start * r..times.end * r],
                    &out_bias[..r],
                    next,
                );
                product(z, count, &self.weights.residual, next, r, Start::Add);
            }
            let skip = &mut skip[at * s..][..count * s];
            if layer == 0 {
                let bias = self.skip_bias();
                product(z, count, &self.weights.skip, skip, s, Start::Row(&bias));
            } else {
                product(z, count, &self.weights.skip, skip, s, Start::Add);
            }
        }
    }

    /// The pre-activations of a block of one sequence's `x`.
    fn convolve(&self, sequence: usize, x: &[f32], times: Range<usize>, p: &mut [f32]) {
        let r = self.shape.residual;
        let current = |part: &Range<usize>| View::rows(&x[part.start * r..part.end * r], r);
        let weights = &self.weights.current;
        let parts = by_hop(times.clone(), self.stack.hop);
        if self.stack.hop < FEWEST_ROWS {
            for (hop, part) in parts {
                let rows = &mut p[(part.start - times.start) * 2 * r..][..part.len() * 2 * r];
                for row in rows.chunks_exact_mut(2 * r) {
                    self.bias(sequence, hop, row);
                }
            }
            product(current(&times), times.len(), weights, p, 2 * r, Start::Add);
        } else {
            let mut bias = vec![0.0; 2 * r];
            for (hop, part) in parts {
                self.bias(sequence, hop, &mut bias);
                let p = &mut p[(part.start - times.start) * 2 * r..];
                let start = Start::Row(&bias);
                product(current(&part), part.len(), weights, p, 2 * r, start);
            }
        }
        let dilation = self.stack.dilations[self.layer];
        let reaching = times.start.max(dilation);
        if reaching < times.end {
            let past = &x[(reaching - dilation) * r..(times.end - dilation) * r];
            let p = &mut p[(reaching - times.start) * 2 * r..];
            let count = times.end - reaching;
            product(
                View::rows(past, r),
                count,
                &self.weights.past,
                p,
                2 * r,
                Start::Add,
            );
        }
    }

    /// Writes to `sum` the bias and the condition of a sequence's pre-activations in a hop.
    fn bias(&self, sequence: usize, hop: usize, sum: &mut [f32]) {
        let wide = 2 * self.shape.residual;
        let bias = &self.stack.conv_bias[self.layer * wide..][..wide];
        let Some(condition) = self.stack.condition else {
            sum.copy_from_slice(bias);
            return;
        };
        let layers = self.stack.dilations.len();
        let row = sequence * self.stack.hops(self.shape.time) + hop;
        let condition = &condition[(row * layers + self.layer) * wide..][..wide];
        plus_row(self.level, condition, bias, sum);
    }

    /// The skip biases of all layers, summed.
    fn skip_bias(&self) -> Vec<f32> {
        let (r, s) = (self.shape.residual, self.shape.skip);
        let mut sum = vec![0.0; s];
        for bias in self.stack.out_bias.chunks(r + s) {
            for (sum, bias) in sum.iter_mut().zip(&bias[r..]) {
                *sum += bias;
            }
        }
        sum
    }
}

multiversion! {
    /// `gated = tanh(filter) · σ(gate)` and `gates = σ(gate)` of rows `[filter | gate]`.
    fn gate(p: &[f32], residual: usize, gated: &mut [f32], gates: &mut [f32]) {
        let rows = gated.chunks_exact_mut(residual).zip(gates.chunks_exact_mut(residual));
        for (p, (gated, gates)) in p.chunks_exact(2 * residual).zip(rows) {
            let (filter, gate) = p.split_at(residual);
            let inputs = filter.iter().zip(gate);
            for ((gated, s), (&filter, &gate)) in gated.iter_mut().zip(gates).zip(inputs) {
                *s = math::sigmoid(gate);
                *gated = math::tanh(filter) * *s;
            }
        }
    }
}

multiversion! {
    /// `out = rows + row`.
    fn plus_row(rows: &[f32], row: &[f32], out: &mut [f32]) {
        let rows = rows.chunks_exact(row.len());
        for (out, x) in out.chunks_exact_mut(row.len()).zip(rows) {
            for (out, (x, y)) in out.iter_mut().zip(x.iter().zip(row)) {
                *out = x + y;
            }
        }
    }
}
