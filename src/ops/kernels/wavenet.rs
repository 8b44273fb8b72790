/*!
The whole residual stack of a WaveNet, forward and backward (van den Oord et al. 2016, §2.1–2.5).

What limits it besides arithmetic is memory: a frame's state of all layers does not fit any cache. So the sequences
are worked through in *slabs*, some hundred time steps of all of them, and a slab passes through all layers before the
next one begins; only what backward needs leaves the cache. Forward takes the slabs in the order of time,
backward against it: the gradient of a frame waits for those of the frames a dilation later. Within a slab and layer the
rows are cut into one part for each thread.
*/

use super::buffer::Buffer;
use super::matmul::{Packed, Start, View, add_outer, product};
use super::parallel::{add_in_order, carve, each, on_pool, part, parts};
use crate::math;
use crate::simd::{Level, multiversion};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that go through a layer together in one thread; their pre-activations stay in the second-level cache.
const BLOCK: usize = 128;
/// Rows of a slab for each thread.
const SLAB_ROWS: usize = 1024;
/// A slab has at least so many time steps, however many sequences there are.
const SLAB_STEPS: usize = 64;

/// Sizes of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Sequences.
    pub batch: usize,
    /// Time steps of each.
    pub time: usize,
    /// Residual channels R.
    pub residual: usize,
    /// Skip channels S.
    pub skip: usize,
}

/// The parameters of L layers, and the condition already projected for them.
#[derive(Debug, Clone, Copy)]
pub struct Stack<'a> {
    /// `[L, 2R, 2R]`: rows are the past frame x_{t−d} then the current one x_t; columns the filter then the gate.
    pub conv: &'a [f32],
    /// `[L, 2R]`.
    pub conv_bias: &'a [f32],
    /// `[L, R, R + S]`: columns are the residual then the skip output.
    pub out: &'a [f32],
    /// `[L, R + S]`.
    pub out_bias: &'a [f32],
    /// `[batch, L · 2R]`, added to the pre-activations of all rows of its sequence.
    pub condition: Option<&'a [f32]>,
    /// One for each layer, in time steps.
    pub dilations: &'a [usize],
}

/// What forward leaves for backward, each `[L, rows, R]` (the inputs of the layers without the first one's).
#[derive(Debug)]
pub struct Saved {
    /// Inputs of layers 1…L−1.
    inputs: Buffer,
    /// tanh(filter) · σ(gate).
    gated: Buffer,
    /// σ(gate).
    gates: Buffer,
}

/// The gradients of a stack's parameters, shaped as in [`Stack`].
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// Of the input `[rows, R]`, where it was wanted.
    pub input: Option<Vec<f32>>,
    /// `[L, 2R, 2R]`.
    pub conv: Vec<f32>,
    /// `[L, 2R]`.
    pub conv_bias: Vec<f32>,
    /// `[batch, L · 2R]`, where there was a condition.
    pub condition: Option<Vec<f32>>,
    /// `[L, R, R + S]`.
    pub out: Vec<f32>,
    /// `[L, R + S]`.
    pub out_bias: Vec<f32>,
}

/// Runs the stack over `input` `[rows, R]` and writes the sum of the skip outputs to `skip` `[rows, S]`:
///
/// ```text
/// p_t = W_past x_{t−d} + W_current x_t + b + condition        z_t = tanh(p_filter) · σ(p_gate)
/// [r_t | s_t] = z_t W_out + b_out        x_t ← x_t + r_t        skip_t ← skip_t + s_t
/// ```
///
/// with zeros before the start of each sequence. The residual half of the last layer has no effect.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn forward(shape: Shape, stack: &Stack, input: &[f32], skip: &mut [f32]) -> Saved {
    forward_at(Level::detect(), shape, stack, input, skip)
}

/// [`forward`] at a given instruction set.
fn forward_at(
    level: Level,
    shape: Shape,
    stack: &Stack,
    input: &[f32],
    skip: &mut [f32],
) -> Saved {
    shape.check(stack, input, skip);
    let layers = stack.dilations.len();
    let size = shape.rows() * shape.residual;
    let mut saved = Saved {
        inputs: Buffer::any(size * layers.saturating_sub(1)),
        gated: Buffer::any(size * layers),
        gates: Buffer::any(size * layers),
    };
    on_pool(|| {
        let weights = ForwardWeights::pack(level, shape, stack);
        for slab in shape.slabs() {
            let parts = slab.parts(shape);
            for layer in 0..layers {
                let (before, after) = saved.inputs.split_at_mut(layer.saturating_sub(1) * size);
                let (x, next) = match layer {
                    0 => (input, after),
                    _ => {
                        let (x, next) = after.split_at_mut(size);
                        (&*x, next)
                    }
                };
                debug_assert!(before.len() <= saved.gates.len());
                let next = if layer + 1 < layers {
                    parts.carve(next, shape.residual)
                } else {
                    parts.nothing()
                };
                let gated = &mut saved.gated[layer * size..][..size];
                let gates = &mut saved.gates[layer * size..][..size];
                let tasks = next
                    .into_iter()
                    .zip(parts.carve(gated, shape.residual))
                    .zip(parts.carve(gates, shape.residual))
                    .zip(parts.carve(skip, shape.skip))
                    .zip(&parts.segments);
                let work = ForwardLayer {
                    level,
                    shape,
                    stack,
                    weights: &weights,
                    layer,
                    x,
                };
                each(
                    tasks.collect(),
                    |_, ((((next, gated), gates), skip), segments)| {
                        let mut p = Buffer::any(BLOCK * 2 * shape.residual);
                        let pieces = next.into_iter().zip(gated).zip(gates).zip(skip);
                        for (segment, (((next, gated), gates), skip)) in segments.iter().zip(pieces)
                        {
                            work.segment(segment, next, gated, gates, skip, &mut p);
                        }
                    },
                );
            }
        }
    });
    saved
}

/// The gradients of everything that went into [`forward`], given that of `skip`. The saved state is used up.
///
/// # Panics
/// If a slice does not have the size that `shape` gives it.
pub fn backward(
    shape: Shape,
    stack: &Stack,
    input: &[f32],
    saved: Saved,
    skip_gradient: &[f32],
    want_input: bool,
) -> Gradients {
    backward_at(
        Level::detect(),
        shape,
        stack,
        input,
        saved,
        skip_gradient,
        want_input,
    )
}

/// [`backward`] at a given instruction set.
fn backward_at(
    level: Level,
    shape: Shape,
    stack: &Stack,
    input: &[f32],
    mut saved: Saved,
    skip_gradient: &[f32],
    want_input: bool,
) -> Gradients {
    shape.check(stack, input, skip_gradient);
    let layers = stack.dilations.len();
    let (r, s) = (shape.residual, shape.skip);
    let size = shape.rows() * r;
    assert!(
        saved.gates.len() == layers * size && saved.gated.len() == layers * size,
        "the saved state is that of another shape"
    );
    let mut input_gradient = want_input.then(|| vec![0.0; size]);
    let mut sums: Vec<Sums> = (0..parts())
        .map(|index| Sums::new(shape, layers, index))
        .collect();
    on_pool(|| {
        let weights = BackwardWeights::pack(level, shape, stack);
        for slab in shape.slabs().into_iter().rev() {
            let parts = slab.parts(shape);
            // Gradients of the slab's rows: of the layer's output x, then of the skip sum.
            let mut slab_gradients = Buffer::any(parts.rows() * (r + s));
            for layer in (0..layers).rev() {
                let (gates, later) = saved.gates.split_at_mut((layer + 1) * size);
                let work = BackwardLayer {
                    level,
                    shape,
                    stack,
                    weights: &weights,
                    layer,
                    input: layer > 0 || want_input,
                    x: match layer {
                        0 => input,
                        _ => &saved.inputs[(layer - 1) * size..][..size],
                    },
                    gated: &saved.gated[layer * size..][..size],
                    waiting: later.get(..size),
                    skip_gradient,
                };
                let tasks = parts
                    .carve(&mut gates[layer * size..], r)
                    .into_iter()
                    .zip(parts.chunks(&mut slab_gradients, r + s))
                    .zip(&mut sums)
                    .zip(&parts.segments);
                each(tasks.collect(), |_, (((gates, gradients), sums), segments)| {
                    let mut scratch = Scratch {
                        dz: Buffer::any(BLOCK * r),
                        dp: Buffer::any(BLOCK * 2 * r),
                    };
                    let mut gradients = gradients;
                    for (segment, gates) in segments.iter().zip(gates) {
                        let (here, rest) = gradients.split_at_mut(segment.times.len() * (r + s));
                        work.segment(segment, gates, here, sums, &mut scratch);
                        gradients = rest;
                    }
                });
            }
            if let Some(target) = &mut input_gradient {
                finish_input(shape, stack, &parts, &slab_gradients, &saved.gates, target);
            }
        }
    });
    drop(saved);
    collect(shape, stack, sums, skip_gradient, input_gradient)
}

impl Shape {
    fn rows(self) -> usize {
        self.batch * self.time
    }

    fn check(self, stack: &Stack, input: &[f32], skip: &[f32]) {
        let (r, s, layers) = (self.residual, self.skip, stack.dilations.len());
        assert_eq!(input.len(), self.rows() * r, "input");
        assert_eq!(skip.len(), self.rows() * s, "skip");
        assert_eq!(stack.conv.len(), layers * 4 * r * r, "conv");
        assert_eq!(stack.conv_bias.len(), layers * 2 * r, "conv_bias");
        assert_eq!(stack.out.len(), layers * r * (r + s), "out");
        assert_eq!(stack.out_bias.len(), layers * (r + s), "out_bias");
        if let Some(condition) = stack.condition {
            assert_eq!(condition.len(), self.batch * layers * 2 * r, "condition");
        }
        assert!(layers > 0, "a stack has at least one layer");
    }

    /// Equal ranges of time whose rows fit the cache, in the order of time.
    fn slabs(self) -> Vec<Slab> {
        let steps = (parts() * SLAB_ROWS / self.batch.max(1)).max(SLAB_STEPS);
        let count = self.time.div_ceil(steps);
        (0..count)
            .map(|index| Slab(part(self.time, count, index)))
            .collect()
    }
}

/// A range of time of all sequences.
struct Slab(Range<usize>);

/// A range of time of one sequence.
#[derive(Debug, Clone)]
struct Segment {
    sequence: usize,
    times: Range<usize>,
}

impl Segment {
    /// The rows of the segment among all rows.
    fn rows(&self, shape: Shape) -> Range<usize> {
        let first = self.sequence * shape.time;
        first + self.times.start..first + self.times.end
    }

    /// Ranges of at most [`BLOCK`] time steps.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (start, end) = (self.times.start, self.times.end);
        let count = (end - start).div_ceil(BLOCK);
        (0..count).map(move |index| {
            let block = part(end - start, count, index);
            start + block.start..start + block.end
        })
    }
}

/// The rows of a slab, cut for the threads.
struct Parts {
    shape: Shape,
    segments: Vec<Vec<Segment>>,
}

impl Slab {
    fn parts(&self, shape: Shape) -> Parts {
        let steps = self.0.len();
        let count = parts();
        let segments = (0..count).map(|index| {
            let rows = part(shape.batch * steps, count, index);
            let sequences = rows.start / steps..rows.end.div_ceil(steps);
            sequences
                .map(|sequence| {
                    let from = rows.start.max(sequence * steps) - sequence * steps;
                    let to = rows.end.min((sequence + 1) * steps) - sequence * steps;
                    Segment {
                        sequence,
                        times: self.0.start + from..self.0.start + to,
                    }
                })
                .filter(|segment| !segment.times.is_empty())
                .collect()
        });
        Parts {
            shape,
            segments: segments.collect(),
        }
    }
}

impl Parts {
    /// Rows of the slab.
    fn rows(&self) -> usize {
        let lengths = self.segments.iter().flatten().map(|s| s.times.len());
        lengths.sum()
    }

    /// The pieces of a `[rows, width]` array over all rows that belong to each part's segments.
    fn carve<'a>(&self, data: &'a mut [f32], width: usize) -> Vec<Vec<&'a mut [f32]>> {
        let ranges = self.segments.iter().flatten().map(|segment| {
            let rows = segment.rows(self.shape);
            rows.start * width..rows.end * width
        });
        let mut pieces = carve(data, ranges).into_iter();
        let counts = self.segments.iter().map(Vec::len);
        counts
            .map(|count| pieces.by_ref().take(count).collect())
            .collect()
    }

    /// An empty piece for each segment.
    fn nothing<'a>(&self) -> Vec<Vec<&'a mut [f32]>> {
        let counts = self.segments.iter().map(Vec::len);
        counts
            .map(|count| (0..count).map(|_| &mut [][..]).collect())
            .collect()
    }

    /// The part's share of a `[rows of the slab, width]` array.
    fn chunks<'a>(&self, data: &'a mut [f32], width: usize) -> Vec<&'a mut [f32]> {
        let mut at = 0;
        let ranges = self.segments.iter().map(|segments| {
            let rows: usize = segments.iter().map(|s| s.times.len()).sum();
            let range = at..at + rows * width;
            at = range.end;
            range
        });
        let ranges: Vec<_> = ranges.collect();
        carve(data, ranges)
    }
}

/// One layer's weights, packed for forward.
struct ForwardWeights {
    past: Packed,
    current: Packed,
    residual: Packed,
    skip: Packed,
}

impl ForwardWeights {
    fn pack(level: Level, shape: Shape, stack: &Stack) -> Vec<Self> {
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
struct ForwardLayer<'a> {
    level: Level,
    shape: Shape,
    stack: &'a Stack<'a>,
    weights: &'a [ForwardWeights],
    layer: usize,
    /// The layer's input, all rows.
    x: &'a [f32],
}

impl ForwardLayer<'_> {
    /// One segment: from `x` to the next layer's input (empty for the last layer), the gate values and the skip sum.
    fn segment(
        &self,
        segment: &Segment,
        next: &mut [f32],
        gated: &mut [f32],
        gates: &mut [f32],
        skip: &mut [f32],
        p: &mut [f32],
    ) {
        let (r, s, layer) = (self.shape.residual, self.shape.skip, self.layer);
        let weights = &self.weights[layer];
        let bias = self.bias(segment.sequence);
        let out_bias = &self.stack.out_bias[layer * (r + s)..][..r + s];
        for times in segment.blocks() {
            let at = times.start - segment.times.start;
            let count = times.len();
            let first = (segment.sequence * self.shape.time + times.start) * r;
            let x = &self.x[first..first + count * r];
            let p = &mut p[..count * 2 * r];
            let gated = &mut gated[at * r..][..count * r];
            self.convolve(segment.sequence, times, &bias, p);
            gate(self.level, p, r, gated, &mut gates[at * r..][..count * r]);
            let z = View::rows(gated, r);
            if !next.is_empty() {
                let next = &mut next[at * r..][..count * r];
                plus_row(self.level, x, &out_bias[..r], next);
                product(z, count, &weights.residual, next, r, Start::Add);
            }
            let skip = &mut skip[at * s..][..count * s];
            if layer == 0 {
                let bias = self.skip_bias();
                product(z, count, &weights.skip, skip, s, Start::Row(&bias));
            } else {
                product(z, count, &weights.skip, skip, s, Start::Add);
            }
        }
    }

    /// The pre-activations of a block.
    fn convolve(&self, sequence: usize, times: Range<usize>, bias: &[f32], p: &mut [f32]) {
        let r = self.shape.residual;
        let weights = &self.weights[self.layer];
        let x = &self.x[sequence * self.shape.time * r..];
        let current = View::rows(&x[times.start * r..times.end * r], r);
        let count = times.len();
        product(current, count, &weights.current, p, 2 * r, Start::Row(bias));
        let dilation = self.stack.dilations[self.layer];
        let reaching = times.start.max(dilation);
        if reaching < times.end {
            let past = &x[(reaching - dilation) * r..(times.end - dilation) * r];
            let p = &mut p[(reaching - times.start) * 2 * r..];
            let count = times.end - reaching;
            product(View::rows(past, r), count, &weights.past, p, 2 * r, Start::Add);
        }
    }

    /// Bias and condition of a sequence's pre-activations.
    fn bias(&self, sequence: usize) -> Vec<f32> {
        let wide = 2 * self.shape.residual;
        let bias = &self.stack.conv_bias[self.layer * wide..][..wide];
        match self.stack.condition {
            None => bias.to_vec(),
            Some(condition) => {
                let layers = self.stack.dilations.len();
                let condition = &condition[(sequence * layers + self.layer) * wide..][..wide];
                bias.iter().zip(condition).map(|(b, c)| b + c).collect()
            }
        }
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

/// One layer's weights, packed for backward.
struct BackwardWeights {
    /// Out, transposed: `[R + S, R]`.
    out: Packed,
    /// The past half of conv, transposed: `[2R, R]`.
    past: Packed,
    /// The current half of conv, transposed: `[2R, R]`.
    current: Packed,
}

impl BackwardWeights {
    fn pack(level: Level, shape: Shape, stack: &Stack) -> Vec<Self> {
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
    /// Of the residual half of the output bias, `[L, R]`.
    residual_bias: Vec<f32>,
    /// Of the pre-activations of each sequence, `[sequences, L, 2R]`.
    pre: Vec<f32>,
    sequences: Range<usize>,
}

impl Sums {
    fn new(shape: Shape, layers: usize, index: usize) -> Self {
        let (r, s) = (shape.residual, shape.skip);
        let count = parts();
        // Whatever the length of the slab, a part's rows lie within these sequences.
        let sequences = shape.batch * index / count..(shape.batch * (index + 1)).div_ceil(count);
        Self {
            conv: Buffer::zeros(layers * 4 * r * r),
            out: Buffer::zeros(layers * r * (r + s)),
            residual_bias: vec![0.0; layers * r],
            pre: vec![0.0; sequences.len() * layers * 2 * r],
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
struct BackwardLayer<'a> {
    level: Level,
    shape: Shape,
    stack: &'a Stack<'a>,
    weights: &'a [BackwardWeights],
    layer: usize,
    /// Whether the gradient of the layer's input is needed.
    input: bool,
    /// The layer's input, all rows.
    x: &'a [f32],
    gated: &'a [f32],
    /// What the next layer's rows pass to the frames a dilation before them, all rows.
    waiting: Option<&'a [f32]>,
    skip_gradient: &'a [f32],
}

impl BackwardLayer<'_> {
    /// One segment. `gradients` `[rows, R + S]` holds the gradients of the layer's output on entry and of its input
    /// on return, but for what later frames pass back: that takes the place of `gates`.
    fn segment(
        &self,
        segment: &Segment,
        gates: &mut [f32],
        gradients: &mut [f32],
        sums: &mut Sums,
        scratch: &mut Scratch,
    ) {
        let (r, s) = (self.shape.residual, self.shape.skip);
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
        let (r, s, time) = (self.shape.residual, self.shape.skip, self.shape.time);
        match self.waiting {
            None => {
                let skip = &self.skip_gradient[(sequence * time + times.start) * s..];
                for (row, skip) in gradients.chunks_exact_mut(r + s).zip(skip.chunks_exact(s)) {
                    row[..r].fill(0.0);
                    row[r..].copy_from_slice(skip);
                }
            }
            Some(waiting) => {
                let dilation = self.stack.dilations[self.layer + 1];
                let (shape, level) = (self.shape, self.level);
                add_waiting(level, shape, dilation, sequence, times, waiting, gradients, r + s);
            }
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
        let (r, s, layer, level) = (self.shape.residual, self.shape.skip, self.layer, self.level);
        let (count, wide, layers) = (times.len(), r + s, self.stack.dilations.len());
        let first = sequence * self.shape.time;
        let dilation = self.stack.dilations[layer];
        let weights = &self.weights[layer];
        let gated = &self.gated[(first + times.start) * r..(first + times.end) * r];

        let d = View::rows(gradients, wide);
        let dz = &mut scratch.dz[..count * r];
        product(d, count, &weights.out, dz, r, Start::Zero);
        let dout = &mut sums.out[layer * r * wide..][..r * wide];
        add_outer(level, View::rows(gated, r), d, count, r, wide, dout, wide);
        add_columns(level, gradients, wide, &mut sums.residual_bias[layer * r..][..r]);

        let dp = &mut scratch.dp[..count * 2 * r];
        let pre = ((sequence - sums.sequences.start) * layers + layer) * 2 * r;
        gate_backward(level, dz, gated, gates, r, dp, &mut sums.pre[pre..][..2 * r]);

        let dp_view = View::rows(dp, 2 * r);
        let (past, current) = sums.conv[layer * 4 * r * r..][..4 * r * r].split_at_mut(2 * r * r);
        let x = View::rows(&self.x[(first + times.start) * r..(first + times.end) * r], r);
        add_outer(level, x, dp_view, count, r, 2 * r, current, 2 * r);
        if self.input {
            product(dp_view, count, &weights.current, gradients, wide, Start::Add);
        }
        let reaching = times.start.max(dilation);
        if reaching < times.end {
            let skipped = reaching - times.start;
            let count = times.end - reaching;
            let dp_view = View::rows(&dp[skipped * 2 * r..], 2 * r);
            let x = &self.x[(first + reaching - dilation) * r..(first + times.end - dilation) * r];
            add_outer(level, View::rows(x, r), dp_view, count, r, 2 * r, past, 2 * r);
            if self.input {
                let back = &mut gates[skipped * r..];
                product(dp_view, count, &weights.past, back, r, Start::Zero);
            }
        }
    }
}

/// Adds to each row of `gradients` (rows `wide` apart) what the frame a dilation later passes back to it.
#[allow(clippy::too_many_arguments)]
fn add_waiting(
    level: Level,
    shape: Shape,
    dilation: usize,
    sequence: usize,
    times: Range<usize>,
    waiting: &[f32],
    gradients: &mut [f32],
    wide: usize,
) {
    let r = shape.residual;
    let end = times.end.min(shape.time.saturating_sub(dilation));
    if times.start < end {
        let first = sequence * shape.time + dilation;
        let waiting = &waiting[(first + times.start) * r..(first + end) * r];
        add_rows(level, gradients, wide, waiting, r);
    }
}

/// Writes the gradient of the stack's input for the rows of a slab.
fn finish_input(
    shape: Shape,
    stack: &Stack,
    parts: &Parts,
    slab_gradients: &[f32],
    gates: &[f32],
    target: &mut [f32],
) {
    let (r, wide) = (shape.residual, shape.residual + shape.skip);
    let mut rows = slab_gradients.chunks_exact(wide);
    let pieces = parts.carve(target, r).into_iter().flatten();
    for (segment, piece) in parts.segments.iter().flatten().zip(pieces) {
        for (target, row) in piece.chunks_exact_mut(r).zip(rows.by_ref()) {
            target.copy_from_slice(&row[..r]);
        }
        let (dilation, level) = (stack.dilations[0], Level::detect());
        let (sequence, times) = (segment.sequence, segment.times.clone());
        add_waiting(level, shape, dilation, sequence, times, gates, piece, r);
    }
}

/// Adds up the parts' sums.
fn collect(
    shape: Shape,
    stack: &Stack,
    sums: Vec<Sums>,
    skip_gradient: &[f32],
    input: Option<Vec<f32>>,
) -> Gradients {
    let (r, s, layers) = (shape.residual, shape.skip, stack.dilations.len());
    let pre_size = layers * 2 * r;
    let mut condition = vec![0.0; shape.batch * pre_size];
    let mut residual_bias = vec![0.0; layers * r];
    for part in &sums {
        let rows = &mut condition[part.sequences.start * pre_size..];
        add_in_order(&mut rows[..part.pre.len()], &[&part.pre]);
        add_in_order(&mut residual_bias, &[&part.residual_bias]);
    }
    let mut conv_bias = vec![0.0; pre_size];
    for row in condition.chunks_exact(pre_size) {
        add_in_order(&mut conv_bias, &[row]);
    }
    let mut skip_bias = vec![0.0; s];
    add_columns(Level::detect(), skip_gradient, s, &mut skip_bias);
    let mut out_bias = vec![0.0; layers * (r + s)];
    for (row, residual) in out_bias.chunks_exact_mut(r + s).zip(residual_bias.chunks_exact(r)) {
        row[..r].copy_from_slice(residual);
        row[r..].copy_from_slice(&skip_bias);
    }
    let total = |of: fn(&Sums) -> &[f32]| {
        let mut total = vec![0.0; of(&sums[0]).len()];
        add_in_order(&mut total, &sums.iter().map(of).collect::<Vec<_>>());
        total
    };
    Gradients {
        input,
        conv: total(|part| &part.conv),
        conv_bias,
        condition: stack.condition.map(|_| condition),
        out: total(|part| &part.out),
        out_bias,
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
    /// The gradients `dp` of rows `[filter | gate]` from those of the gated values; adds them up in `sums`.
    fn gate_backward(
        dz: &[f32],
        gated: &[f32],
        gates: &[f32],
        residual: usize,
        dp: &mut [f32],
        sums: &mut [f32],
    ) {
        let (filter_sums, gate_sums) = sums.split_at_mut(residual);
        let rows = gated.chunks_exact(residual).zip(gates.chunks_exact(residual));
        let rows = dz.chunks_exact(residual).zip(rows);
        for (dp, (dz, (gated, gates))) in dp.chunks_exact_mut(2 * residual).zip(rows) {
            let (df, dg) = dp.split_at_mut(residual);
            let inputs = dz.iter().zip(gated.iter().zip(gates));
            let sums = filter_sums.iter_mut().zip(&mut *gate_sums);
            let outputs = df.iter_mut().zip(dg).zip(sums);
            for (((df, dg), (df_sum, dg_sum)), (&dz, (&z, &s))) in outputs.zip(inputs) {
                // tanh is z/s; σ never reaches zero.
                *df = dz * (s - z * (z / s));
                *dg = dz * (z - z * s);
                *df_sum += *df;
                *dg_sum += *dg;
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
    /// Adds up the first columns of rows that are `wide` apart, as many as `sums` has.
    fn add_columns(rows: &[f32], wide: usize, sums: &mut [f32]) {
        for row in rows.chunks_exact(wide) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, noise, slopes, wide};
    use super::*;

    /// Everything that goes into a stack, in double precision: input, conv, conv_bias, condition, out, out_bias.
    type Inputs = [Vec<f64>; 6];

    struct Case {
        shape: Shape,
        dilations: Vec<usize>,
        conditioned: bool,
        inputs: [Vec<f32>; 6],
        skip_gradient: Vec<f32>,
    }

    fn case(shape: Shape, dilations: &[usize], conditioned: bool) -> Case {
        let (r, s, l) = (shape.residual, shape.skip, dilations.len());
        let rows = shape.batch * shape.time;
        let conditions = if conditioned { shape.batch * l * 2 * r } else { 0 };
        let scaled = |seed, count, scale: f32| -> Vec<f32> {
            noise(seed, count).iter().map(|x| x * scale).collect()
        };
        Case {
            shape,
            dilations: dilations.to_vec(),
            conditioned,
            inputs: [
                noise(1, rows * r),
                scaled(2, l * 4 * r * r, 0.5),
                noise(3, l * 2 * r),
                noise(4, conditions),
                scaled(5, l * r * (r + s), 0.5),
                noise(6, l * (r + s)),
            ],
            skip_gradient: noise(7, rows * s),
        }
    }

    impl Case {
        fn stack(&self) -> Stack<'_> {
            let [_, conv, conv_bias, condition, out, out_bias] = &self.inputs;
            Stack {
                conv,
                conv_bias,
                out,
                out_bias,
                condition: self.conditioned.then_some(condition),
                dilations: &self.dilations,
            }
        }

        fn run(&self, level: Level) -> (Vec<f32>, Gradients) {
            let (shape, stack, input) = (self.shape, self.stack(), &self.inputs[0]);
            let mut skip = vec![f32::NAN; self.skip_gradient.len()];
            let saved = forward_at(level, shape, &stack, input, &mut skip);
            let gradients =
                backward_at(level, shape, &stack, input, saved, &self.skip_gradient, true);
            (skip, gradients)
        }

        fn run_with(&self, threads: usize) -> (Vec<f32>, Gradients) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| self.run(Level::detect()))
        }

        /// The definition, in double precision.
        fn skip(&self, inputs: &Inputs) -> Vec<f64> {
            let Shape { batch, time, residual: r, skip: s } = self.shape;
            let [x, conv, conv_bias, condition, out, out_bias] = inputs;
            let layers = self.dilations.len();
            let (mut x, mut sum) = (x.clone(), vec![0.0; batch * time * s]);
            for (l, &dilation) in self.dilations.iter().enumerate() {
                let mut next = x.clone();
                for row in 0..batch * time {
                    let (b, t) = (row / time, row % time);
                    let mut p: Vec<f64> = conv_bias[l * 2 * r..][..2 * r].to_vec();
                    for (j, p) in p.iter_mut().enumerate() {
                        if self.conditioned {
                            *p += condition[(b * layers + l) * 2 * r + j];
                        }
                        for i in 0..r {
                            let weight = |half: usize| conv[((l * 2 + half) * r + i) * 2 * r + j];
                            *p += x[row * r + i] * weight(1);
                            if t >= dilation {
                                *p += x[(row - dilation) * r + i] * weight(0);
                            }
                        }
                    }
                    for i in 0..r {
                        let z = p[i].tanh() / (1.0 + (-p[r + i]).exp());
                        for j in 0..r + s {
                            let product = z * out[(l * r + i) * (r + s) + j];
                            let bias = if i == 0 { out_bias[l * (r + s) + j] } else { 0.0 };
                            if j < r {
                                next[row * r + j] += product + bias;
                            } else {
                                sum[row * s + j - r] += product + bias;
                            }
                        }
                    }
                }
                x = next;
            }
            sum
        }

        /// The sum of the skip outputs, weighted by `skip_gradient`.
        fn value(&self, inputs: &Inputs) -> f64 {
            let weights = self.skip_gradient.iter().copied().map(f64::from);
            self.skip(inputs).iter().zip(weights).map(|(x, w)| x * w).sum()
        }

        fn wide(&self) -> Inputs {
            self.inputs.each_ref().map(|x| wide(x))
        }
    }

    /// The gradients in the order of [`Inputs`].
    fn ordered(gradients: Gradients) -> [Vec<f32>; 6] {
        [
            gradients.input.expect("wanted"),
            gradients.conv,
            gradients.conv_bias,
            gradients.condition.unwrap_or_default(),
            gradients.out,
            gradients.out_bias,
        ]
    }

    #[test]
    fn small_stacks_are_the_definition_and_every_gradient_is_its_slope() {
        let shape = Shape { batch: 3, time: 11, residual: 5, skip: 7 };
        for (dilations, conditioned) in [(&[1, 2, 16, 4][..], true), (&[3][..], false)] {
            let case = case(shape, dilations, conditioned);
            let inputs = case.wide();
            let slopes = slopes(&inputs, |inputs| case.value(inputs));
            for level in Level::available() {
                let (skip, gradients) = case.run(level);
                close(&skip, &case.skip(&inputs), 2e-6, "skip");
                for (found, expected) in ordered(gradients).iter().zip(&slopes) {
                    close(found, expected, 5e-6, "gradient");
                }
            }
        }
    }

    #[test]
    fn long_sequences_agree_with_the_definition_for_any_number_of_threads() {
        // Several slabs, and dilations that reach over blocks and slabs.
        let shape = Shape { batch: 3, time: 1500, residual: 4, skip: 6 };
        let case = case(shape, &[1, 700, 64, 2, 513], true);
        let inputs = case.wide();
        let expected = case.skip(&inputs);
        for threads in [1, 2, 5] {
            let (skip, gradients) = case.run_with(threads);
            close(&skip, &expected, 5e-6, "skip");
            for (which, gradient) in ordered(gradients).iter().enumerate() {
                let direction = noise(20 + which as u64, gradient.len());
                let at = |step: f64| {
                    let mut moved = inputs.clone();
                    for (x, d) in moved[which].iter_mut().zip(&direction) {
                        *x += step * f64::from(*d);
                    }
                    case.value(&moved)
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                let products = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d));
                let found: f64 = products.sum();
                assert!((found - slope).abs() < 1e-3 + 1e-5 * slope.abs(), "{which}: {found} {slope}");
            }
        }
    }

    #[test]
    fn wide_channels_agree_with_the_definition() {
        let shape = Shape { batch: 2, time: 200, residual: 33, skip: 70 };
        let case = case(shape, &[1, 2], false);
        let (skip, _) = case.run(Level::detect());
        close(&skip, &case.skip(&case.wide()), 5e-6, "skip");
    }

    #[test]
    fn the_same_inputs_give_the_same_bits() {
        let shape = Shape { batch: 2, time: 600, residual: 8, skip: 16 };
        let case = case(shape, &[1, 64, 2], true);
        assert_eq!(case.run_with(2), case.run_with(2));
    }

    #[test]
    fn a_later_frame_changes_no_earlier_skip() {
        let shape = Shape { batch: 1, time: 300, residual: 4, skip: 3 };
        let mut case = case(shape, &[1, 128], false);
        let (before, _) = case.run(Level::detect());
        case.inputs[0][200 * 4] += 1.0;
        let (after, _) = case.run(Level::detect());
        assert_eq!(before[..200 * 3], after[..200 * 3]);
        assert_ne!(before[200 * 3..], after[200 * 3..]);
    }
}
