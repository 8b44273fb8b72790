/*! The stack backward: slab by slab against the order of time, from the last layer to the first in each. */

use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::{Buffer, unwritten};
use crate::kernels::matmul::{Packed, Start, View, add_outer, product};
use crate::kernels::parallel::{add_in_order, each, on_pool, parts};
use crate::kernels::wavenet::slab::{BLOCK, Parts, Segment, Slab, by_hop};
use crate::kernels::wavenet::{Gradients, Saved, Shape, Stack};
use rayon::prelude::*;
use std::ops::Range;

/// The arguments of backward, with checked sizes.
pub(crate) struct Given<'a> {
    pub level: InstructionSet,
    pub shape: Shape,
    pub stack: &'a Stack<'a>,
    pub input: &'a [f32],
    pub skip_gradient: &'a [f32],
    pub want_input: bool,
}

impl Given<'_> {
    /// Runs the stack backward.
    pub(crate) fn run(&self, mut saved: Saved) -> Gradients {
        let (layers, wide) = (
            self.stack.dilations.len(),
            self.shape.residual + self.shape.skip,
        );
        let size = self.shape.rows() * self.shape.residual;
        let mut sums: Vec<Sums> = (0..parts())
            .map(|index| Sums::new(self.shape, self.hops(), layers, index))
            .collect();
        let mut input = self.want_input.then(|| unwritten(size));
        on_pool(|| {
            let weights = Weights::pack(self.level, self.shape, self.stack);
            for slab in Slab::all(self.shape).into_iter().rev() {
                let parts = slab.parts(self.shape);
                // For each row of the slab, the gradients of the layer's output x, then of the skip sum.
                let mut gradients = Buffer::any(parts.rows() * wide);
                for layer in (0..layers).rev() {
                    self.layer(
                        layer,
                        &weights[layer],
                        &parts,
                        &mut saved,
                        &mut gradients,
                        &mut sums,
                    );
                }
                if let Some(target) = &mut input {
                    self.finish(&parts, &gradients, &saved.gates[..size], target);
                }
            }
        });
        drop(saved);
        self.collect(&sums, input)
    }

    fn hops(&self) -> usize {
        self.stack.hops(self.shape.time)
    }

    /// One layer of one slab, all threads.
    fn layer(
        &self,
        layer: usize,
        weights: &Weights,
        parts: &Parts,
        saved: &mut Saved,
        gradients: &mut [f32],
        sums: &mut [Sums],
    ) {
        let (r, s) = (self.shape.residual, self.shape.skip);
        let size = self.shape.rows() * r;
        let (gates, later) = saved.gates.split_at_mut((layer + 1) * size);
        let work = Layer {
            given: self,
            weights,
            layer,
            want_input: layer > 0 || self.want_input,
            x: if layer == 0 {
                self.input
            } else {
                &saved.inputs[(layer - 1) * size..]
            },
            gated: &saved.gated[layer * size..],
            waiting: later.get(..size),
        };
        let gates = parts.carve(&mut gates[layer * size..], r);
        let gradients = parts.chunks(gradients, r + s);
        let tasks = gates
            .into_iter()
            .zip(gradients)
            .zip(sums)
            .zip(&parts.segments);
        each(
            tasks.collect(),
            |_, (((gates, mut gradients), sums), segments)| {
                let mut scratch = Scratch {
                    dz: Buffer::any(BLOCK * r),
                    dp: Buffer::any(BLOCK * 2 * r),
                };
                for (segment, gates) in segments.iter().zip(gates) {
                    let (here, rest) = gradients.split_at_mut(segment.times.len() * (r + s));
                    work.segment(segment, gates, here, sums, &mut scratch);
                    gradients = rest;
                }
            },
        );
    }

    /// Writes the gradient of the stack's input for the rows of a slab.
    fn finish(&self, parts: &Parts, gradients: &[f32], waiting: &[f32], target: &mut [f32]) {
        let (r, wide) = (self.shape.residual, self.shape.residual + self.shape.skip);
        let mut rows = gradients.chunks_exact(wide);
        let pieces = parts.carve(target, r).into_iter().flatten();
        let tasks = parts.segments.iter().flatten().zip(pieces);
        let tasks = tasks.map(|(segment, piece)| {
            let length = segment.times.len();
            (
                segment,
                piece,
                rows.by_ref().take(length).collect::<Vec<_>>(),
            )
        });
        let tasks: Vec<_> = tasks.collect();
        each(tasks, |_, (segment, piece, rows)| {
            for (target, row) in piece.chunks_exact_mut(r).zip(rows) {
                target.copy_from_slice(&row[..r]);
            }
            self.add_waiting(
                0,
                segment.sequence,
                segment.times.clone(),
                waiting,
                piece,
                r,
            );
        });
    }

    /// Adds to each row of `gradients` (rows `wide` apart) the gradient from the frame that is a dilation of `layer` later.
    fn add_waiting(
        &self,
        layer: usize,
        sequence: usize,
        times: Range<usize>,
        waiting: &[f32],
        gradients: &mut [f32],
        wide: usize,
    ) {
        let (r, time) = (self.shape.residual, self.shape.time);
        let dilation = self.stack.dilations[layer];
        let end = times.end.min(time.saturating_sub(dilation));
        if times.start < end {
            let first = sequence * time + dilation;
            let waiting = &waiting[(first + times.start) * r..(first + end) * r];
            add_rows(self.level, gradients, wide, waiting, r);
        }
    }

    /// Adds up the parts' sums.
    fn collect(&self, sums: &[Sums], input: Option<Vec<f32>>) -> Gradients {
        let (r, s) = (self.shape.residual, self.shape.skip);
        let pre_size = self.stack.conv_bias.len();
        let hops = self.hops();
        let mut condition = vec![0.0; self.shape.batch * hops * pre_size];
        for part in sums {
            let rows = &mut condition[part.sequences.start * hops * pre_size..];
            add_in_order(&mut rows[..part.pre.len()], &[&part.pre]);
        }
        let mut conv_bias = vec![0.0; pre_size];
        for row in condition.chunks_exact(pre_size) {
            add_in_order(&mut conv_bias, &[row]);
        }
        let total = |of: fn(&Sums) -> &[f32]| {
            let mut total = vec![0.0; of(&sums[0]).len()];
            add_in_order(&mut total, &sums.iter().map(of).collect::<Vec<_>>());
            total
        };
        let mut out_bias = total(|part| &part.out_bias);
        // All layers have the gradient of the skip sum in common; only the last one has summed it.
        let last = out_bias.len() - s;
        let (earlier, skip) = out_bias.split_at_mut(last);
        for row in earlier.chunks_exact_mut(r + s) {
            row[r..].copy_from_slice(skip);
        }
        Gradients {
            input,
            conv: total(|part| &part.conv),
            conv_bias,
            condition: self.stack.condition.map(|_| condition),
            out: total(|part| &part.out),
            out_bias,
        }
    }
}

/// One layer's weights, packed for backward.
struct Weights {
    /// Out, transposed: `[R + S, R]`.
    out: Packed,
    /// The past half of conv, transposed: `[2R, R]`.
    past: Packed,
    /// The current half of conv, transposed: `[2R, R]`.
    current: Packed,
}

impl Weights {
    fn pack(level: InstructionSet, shape: Shape, stack: &Stack) -> Vec<Self> {
        let (r, s) = (shape.residual, shape.skip);
        let layers = stack
            .conv
            .par_chunks(4 * r * r)
            .zip(stack.out.par_chunks(r * (r + s)));
        let packed = layers.map(|(conv, out)| {
            let past = View::rows(conv, 2 * r).transposed();
            let current = View::rows(&conv[2 * r * r..], 2 * r).transposed();
            Self {
                out: Packed::new(level, View::rows(out, r + s).transposed(), r + s, r),
                past: Packed::new(level, past, 2 * r, r),
                current: Packed::new(level, current, 2 * r, r),
            }
        });
        packed.collect()
    }
}

/// A part's share of the gradients that are sums over rows.
struct Sums {
    conv: Buffer,
    out: Buffer,
    /// `[L, R + S]`; the skip half is filled for the last layer only.
    out_bias: Vec<f32>,
    /// Of the pre-activations of each hop, `[sequences, hops, L, 2R]`.
    pre: Vec<f32>,
    sequences: Range<usize>,
}

impl Sums {
    fn new(shape: Shape, hops: usize, layers: usize, index: usize) -> Self {
        let (r, s) = (shape.residual, shape.skip);
        let count = parts();
        // A part's rows belong to these sequences in slabs of any length.
        let sequences = shape.batch * index / count..(shape.batch * (index + 1)).div_ceil(count);
        Self {
            conv: Buffer::zeros(layers * 4 * r * r),
            out: Buffer::zeros(layers * r * (r + s)),
            out_bias: vec![0.0; layers * (r + s)],
            pre: vec![0.0; sequences.len() * hops * layers * 2 * r],
            sequences,
        }
    }
}

/// A thread's working space for a block.
struct Scratch {
    dz: Buffer,
    dp: Buffer,
}

/// One layer of the backward pass.
struct Layer<'a> {
    given: &'a Given<'a>,
    weights: &'a Weights,
    layer: usize,
    /// Whether the gradient of the layer's input is needed.
    want_input: bool,
    /// The layer's input, all rows.
    x: &'a [f32],
    gated: &'a [f32],
    /// The gradients that the next layer's rows pass to the frames a dilation before them, all rows.
    waiting: Option<&'a [f32]>,
}

impl Layer<'_> {
    /// One segment. `gradients` `[rows, R + S]` holds the gradients of the layer's output on entry, and of its input on
    /// return without the part from later frames. That part replaces `gates`.
    fn segment(
        &self,
        segment: &Segment,
        gates: &mut [f32],
        gradients: &mut [f32],
        sums: &mut Sums,
        scratch: &mut Scratch,
    ) {
        let (r, s) = (self.given.shape.residual, self.given.shape.skip);
        for times in segment.blocks() {
            let at = times.start - segment.times.start;
            let count = times.len();
            let gradients = &mut gradients[at * (r + s)..][..count * (r + s)];
            let gates = &mut gates[at * r..][..count * r];
            self.arrive(segment.sequence, times.clone(), gradients);
            self.block(segment.sequence, times, gates, gradients, sums, scratch);
        }
    }

    /// Completes the gradients of the layer's output.
    fn arrive(&self, sequence: usize, times: Range<usize>, gradients: &mut [f32]) {
        let Shape {
            residual: r,
            skip: s,
            time,
            ..
        } = self.given.shape;
        if let Some(waiting) = self.waiting {
            let next = self.layer + 1;
            self.given
                .add_waiting(next, sequence, times, waiting, gradients, r + s);
            return;
        }
        let skip = &self.given.skip_gradient[(sequence * time + times.start) * s..];
        for (row, skip) in gradients.chunks_exact_mut(r + s).zip(skip.chunks_exact(s)) {
            row[..r].fill(0.0);
            row[r..].copy_from_slice(skip);
        }
    }

    /// A block whose output gradients are complete.
    fn block(
        &self,
        sequence: usize,
        times: Range<usize>,
        gates: &mut [f32],
        gradients: &mut [f32],
        sums: &mut Sums,
        scratch: &mut Scratch,
    ) {
        let Given { level, shape, .. } = *self.given;
        let (r, wide, count) = (shape.residual, shape.residual + shape.skip, times.len());
        let rows = sequence * shape.time + times.start..sequence * shape.time + times.end;
        let gated = &self.gated[rows.start * r..rows.end * r];

        let d = View::rows(gradients, wide);
        let dz = &mut scratch.dz[..count * r];
        product(d, count, &self.weights.out, dz, r, Start::Zero);
        let dout = &mut sums.out[self.layer * r * wide..][..r * wide];
        add_outer(level, View::rows(gated, r), d, count, r, wide, dout, wide);
        let summed = if self.waiting.is_none() { wide } else { r };
        add_columns(
            level,
            gradients,
            wide,
            &mut sums.out_bias[self.layer * wide..][..summed],
        );

        let dp = &mut scratch.dp[..count * 2 * r];
        gate_backward(level, dz, gated, gates, r, dp);
        let layers = self.given.stack.dilations.len();
        let first = (sequence - sums.sequences.start) * self.given.hops();
        for (hop, part) in by_hop(times.clone(), self.given.stack.hop) {
            let pre = ((first + hop) * layers + self.layer) * 2 * r;
            let rows = (part.start - times.start) * 2 * r..(part.end - times.start) * 2 * r;
            add_columns(level, &dp[rows], 2 * r, &mut sums.pre[pre..][..2 * r]);
        }
        self.convolution(rows.start, times, dp, gates, gradients, &mut sums.conv);
    }

    /// Computes the gradients of the convolution and of its inputs from those of a block's pre-activations. The block
    /// begins at row `first`.
    fn convolution(
        &self,
        first: usize,
        times: Range<usize>,
        dp: &[f32],
        gates: &mut [f32],
        gradients: &mut [f32],
        conv: &mut [f32],
    ) {
        let Given {
            level,
            shape:
                Shape {
                    residual: r,
                    skip: s,
                    ..
                },
            stack,
            ..
        } = *self.given;
        let dilation = stack.dilations[self.layer];
        let conv = &mut conv[self.layer * 4 * r * r..][..4 * r * r];
        let (past, current) = conv.split_at_mut(2 * r * r);
        let (d, count) = (View::rows(dp, 2 * r), times.len());
        let x = View::rows(&self.x[first * r..(first + count) * r], r);
        add_outer(level, x, d, count, r, 2 * r, current, 2 * r);
        if self.want_input {
            product(
                d,
                count,
                &self.weights.current,
                gradients,
                r + s,
                Start::Add,
            );
        }
        // The frames before the start of the sequence are zero and need no gradient.
        let skipped = dilation.saturating_sub(times.start);
        if skipped < count {
            let (d, count) = (View::rows(&dp[skipped * 2 * r..], 2 * r), count - skipped);
            let first = first + skipped - dilation;
            let x = View::rows(&self.x[first * r..(first + count) * r], r);
            add_outer(level, x, d, count, r, 2 * r, past, 2 * r);
            if self.want_input {
                let back = &mut gates[skipped * r..];
                product(d, count, &self.weights.past, back, r, Start::Zero);
            }
        }
    }
}

multiversion! {
    /// The gradients `dp` of rows `[filter | gate]` from those of the gated values.
    fn gate_backward(dz: &[f32], gated: &[f32], gates: &[f32], residual: usize, dp: &mut [f32]) {
        let rows = gated.chunks_exact(residual).zip(gates.chunks_exact(residual));
        let rows = dz.chunks_exact(residual).zip(rows);
        for (dp, (dz, (gated, gates))) in dp.chunks_exact_mut(2 * residual).zip(rows) {
            let (df, dg) = dp.split_at_mut(residual);
            let inputs = dz.iter().zip(gated.iter().zip(gates));
            for ((df, dg), (&dz, (&z, &s))) in df.iter_mut().zip(dg).zip(inputs) {
                // tanh is z/σ, and σ is never zero.
                *df = dz * (s - z * (z / s));
                *dg = dz * (z - z * s);
            }
        }
    }
}

multiversion! {
    /// Adds rows of `width` floats to the start of rows that are `wide` apart.
    fn add_rows(rows: &mut [f32], wide: usize, others: &[f32], width: usize) {
        for (row, other) in rows.chunks_exact_mut(wide).zip(others.chunks_exact(width)) {
            for (x, y) in row.iter_mut().zip(other) {
                *x += y;
            }
        }
    }
}

multiversion! {
    /// Adds the rows, which are `wide` apart, to `sums`, as far as it is long.
    fn add_columns(rows: &[f32], wide: usize, sums: &mut [f32]) {
        for row in rows.chunks_exact(wide) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}
