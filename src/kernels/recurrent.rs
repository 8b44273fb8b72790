/*!
A recurrent layer over whole sequences in one operation, forward and backward through time, for any [`Cell`].

Each time step depends on the last one, so the threads divide the hidden units. A thread multiplies the last hidden state
of all units with its own columns of the recurrent matrix, which stay in its second-level cache. The threads synchronise
once a step. The gradient of the weights is one large product at the end. The order of each sum does not depend on the
number of threads.
*/

use crate::base::simd::{InstructionSet, multiversion};
use crate::kernels::buffer::{Buffer, unwritten};
use crate::kernels::matmul::{Packed, Start, View, add_outer, product};
use crate::kernels::parallel::{each, on_pool, part, parts};
use rayon::prelude::*;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// Floats stored for each unit, step and sequence: gate values after forward, gradients after backward.
pub(crate) const SLOTS: usize = 4;
/// Threads divide the units in groups of this many.
const UNITS: usize = 16;
/// The smallest number of multiplications in a step for which another thread is worth its cost.
const WORK: usize = 1 << 16;
/// Rows added to the gradient of the weights at a time.
const BLOCK: usize = 480;

/// Sizes of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Sequences.
    pub batch: usize,
    /// Time steps of each.
    pub time: usize,
    /// Hidden units H.
    pub hidden: usize,
}

/// The input of the G gates, biases included, without the recurrent product.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// `[batch · time, G·H]`.
    Rows(&'a [f32]),
    /// One row of a table for each token.
    Table {
        /// `[batch · time]`.
        tokens: &'a [i32],
        /// `[entries, G·H]`.
        table: &'a [f32],
        /// `[batch, G·H]`, added at every step of its sequence.
        condition: Option<&'a [f32]>,
    },
}

/// The gradient of an [`Input`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InputGradient {
    /// `[batch · time, G·H]`.
    Rows(Vec<f32>),
    /// Of the table and the condition.
    Table {
        /// `[entries, G·H]`.
        table: Vec<f32>,
        /// `[batch, G·H]`, where there was a condition.
        condition: Option<Vec<f32>>,
    },
}

/// What backward needs from forward.
#[derive(Debug)]
pub(crate) struct Saved {
    parts: Vec<Part>,
}

/// The units of one thread; rows are ordered by time, then by sequence.
#[derive(Debug)]
struct Part {
    units: Range<usize>,
    /// `[time · batch, SLOTS, units]`.
    slots: Buffer,
    /// Hidden states from the initial one on, `[(time + 1) · batch, units]`.
    hidden: Buffer,
    /// Cell states from the initial one (zeros) on, if the cell has them; shape as `hidden`.
    cells: Buffer,
}

/// The rows of one step and one part; states are `[batch, units]`.
pub(crate) struct Step<'a> {
    pub level: InstructionSet,
    pub units: usize,
    pub hidden_before: &'a [f32],
    pub cells_before: &'a [f32],
}

/// The arithmetic of a recurrent cell. Slots are `[batch, SLOTS, units]`; the first [`Cell::GATES`] of them hold products
/// with the recurrent matrix.
pub(crate) trait Cell {
    /// Column blocks of the recurrent matrix, and of the input.
    const GATES: usize;
    /// The slot to which each block of the input is added.
    const INPUTS: &'static [usize];
    /// The slot with a bias of its own.
    const BIAS: Option<usize>;
    /// Whether there is a cell state beside the hidden one.
    const CELLS: bool;

    /// Replaces the pre-activations in `slots` by what backward needs, and writes the states after the step.
    fn forward(step: &Step, slots: &mut [f32], cells_after: &mut [f32], hidden_after: &mut [f32]);

    /// Replaces the values in `slots` by the gradients of the pre-activations. On entry `dh` and `dc` hold the gradients of
    /// the states after the step; on return those of the states before it, without what passes through the recurrent
    /// matrix.
    fn backward(
        step: &Step,
        slots: &mut [f32],
        cells_after: &[f32],
        dh: &mut [f32],
        dc: &mut [f32],
    );
}

/// All gradients of a recurrent layer.
pub(crate) struct Gradients {
    pub input: InputGradient,
    /// `[H, G·H]`.
    pub recurrent: Vec<f32>,
    /// `[batch, H]`.
    pub initial: Vec<f32>,
    /// `[H]`, or empty if the cell has no bias of its own.
    pub bias: Vec<f32>,
}

/// A recurrent layer and its input.
pub(crate) struct Layer<'a> {
    pub level: InstructionSet,
    pub shape: Shape,
    pub input: Input<'a>,
    /// U, `[H, G·H]`.
    pub recurrent: &'a [f32],
}

impl Layer<'_> {
    /// Runs the cell over all steps from the hidden state `initial` `[batch, H]` and writes the hidden states to `output`
    /// `[batch · time, H]`. `bias` `[H]` belongs to the slot [`Cell::BIAS`]; it is empty if there is none.
    ///
    /// # Panics
    /// If a slice does not have the size that the shape gives it, or a token is not an entry of its table.
    pub(crate) fn forward<C: Cell>(
        &self,
        initial: &[f32],
        bias: &[f32],
        output: &mut [f32],
    ) -> Saved {
        self.shape
            .check(&self.input, self.recurrent, C::GATES, output);
        let Shape {
            batch,
            time,
            hidden,
        } = self.shape;
        assert_eq!(initial.len(), batch * hidden, "initial hidden state");
        let biases = if C::BIAS.is_some() { hidden } else { 0 };
        assert_eq!(bias.len(), biases, "bias");
        let ranges = self.shape.ranges(C::GATES);
        let new = |units: &Range<usize>| Part::new::<C>(self.shape, units.clone(), initial);
        let mut parts: Vec<Part> = ranges.iter().map(new).collect();
        on_pool(|| {
            let weights = pack_forward(self.level, hidden, self.recurrent, C::GATES, &ranges);
            for t in 0..time {
                self.advance::<C>(t, &mut parts, &weights, bias);
            }
            // From the order of the parts to the caller's.
            let sequences = output.par_chunks_mut((time * hidden).max(1));
            sequences.enumerate().for_each(|(b, output)| {
                for (t, row) in output.chunks_exact_mut(hidden).enumerate() {
                    for part in &parts {
                        let wide = part.units.len();
                        let from = &part.hidden[((t + 1) * batch + b) * wide..][..wide];
                        row[part.units.clone()].copy_from_slice(from);
                    }
                }
            });
        });
        Saved { parts }
    }

    /// One step forward, all threads.
    fn advance<C: Cell>(
        &self,
        t: usize,
        parts: &mut [Part],
        weights: &[Vec<Packed>],
        bias: &[f32],
    ) {
        let (level, batch) = (self.level, self.shape.batch);
        let mut before = Vec::with_capacity(parts.len());
        let mut tasks = Vec::with_capacity(parts.len());
        for part in parts {
            let size = batch * part.units.len();
            let (hidden_before, hidden_after) = part.hidden.split_at_mut((t + 1) * size);
            before.push(&hidden_before[t * size..]);
            let cells = if C::CELLS {
                &mut part.cells[t * size..][..2 * size]
            } else {
                &mut []
            };
            let cells = cells.split_at_mut(cells.len() / 2);
            let slots = &mut part.slots[t * size * SLOTS..][..size * SLOTS];
            tasks.push((&part.units, slots, cells, &mut hidden_after[..size]));
        }
        each(
            tasks,
            |index, (units, slots, (cells_before, cells_after), hidden_after)| {
                let wide = units.len();
                for (b, row) in slots.chunks_exact_mut(SLOTS * wide).enumerate() {
                    self.enter::<C>(b, t, units, bias, row);
                }
                for (before, weights) in before.iter().zip(&weights[index]) {
                    let left = View::rows(before, weights.depth());
                    product(left, batch, weights, slots, SLOTS * wide, Start::Add);
                }
                let step = Step {
                    level,
                    units: wide,
                    hidden_before: before[index],
                    cells_before,
                };
                C::forward(&step, slots, cells_after, hidden_after);
            },
        );
    }

    /// Sets the slots of one sequence and step to the input and the bias.
    fn enter<C: Cell>(
        &self,
        b: usize,
        t: usize,
        units: &Range<usize>,
        bias: &[f32],
        slots: &mut [f32],
    ) {
        let Shape { time, hidden, .. } = self.shape;
        let (wide, row) = (units.len(), b * time + t);
        for (block, &slot) in C::INPUTS.iter().enumerate() {
            let columns = block * hidden + units.start..block * hidden + units.end;
            let slot = &mut slots[slot * wide..][..wide];
            match self.input {
                Input::Rows(rows) => {
                    slot.copy_from_slice(&rows[row * C::GATES * hidden..][columns]);
                }
                Input::Table {
                    tokens,
                    table,
                    condition,
                } => {
                    let entry = token(tokens[row]) * C::GATES * hidden;
                    slot.copy_from_slice(&table[entry..][columns.clone()]);
                    if let Some(condition) = condition {
                        add(
                            self.level,
                            &condition[b * C::GATES * hidden..][columns],
                            slot,
                        );
                    }
                }
            }
        }
        if let Some(slot) = C::BIAS {
            slots[slot * wide..][..wide].copy_from_slice(&bias[units.clone()]);
        }
    }

    /// The gradients of all arguments of [`Layer::forward`], given the gradient of its output.
    ///
    /// # Panics
    /// If the gradient or the saved state belongs to another shape.
    pub(crate) fn backward<C: Cell>(&self, mut saved: Saved, gradient: &[f32]) -> Gradients {
        self.shape
            .check(&self.input, self.recurrent, C::GATES, gradient);
        let Shape {
            batch,
            time,
            hidden,
        } = self.shape;
        let parts = &mut saved.parts;
        let size = parts.iter().map(|part| part.slots.len()).sum::<usize>();
        assert_eq!(
            size,
            batch * time * hidden * SLOTS,
            "the saved state belongs to another shape"
        );
        let mut sums: Vec<Sums> = parts
            .iter()
            .map(|part| Sums::new::<C>(self.shape, &self.input, part.units.len()))
            .collect();
        let mut recurrent = vec![0.0; self.recurrent.len()];
        let input = on_pool(|| {
            let ranges: Vec<_> = parts.iter().map(|part| part.units.clone()).collect();
            let weights = pack_backward(self.level, hidden, self.recurrent, C::GATES, &ranges);
            for t in (0..time).rev() {
                self.retreat::<C>(t, parts, &mut sums, &weights, gradient);
            }
            // The first step passes its gradient back to the initial state.
            let first = parts
                .iter()
                .map(|part| part.slots.get(..batch * part.units.len() * SLOTS));
            let first: Vec<_> = first.collect();
            each(sums.iter_mut().collect(), |index, sums| {
                pass_back(&weights[index], &first, batch, &mut sums.dh);
            });
            weight_gradient::<C>(self.level, hidden, parts, &mut recurrent);
            match self.input {
                Input::Rows(_) => InputGradient::Rows(row_gradients::<C>(self.shape, parts)),
                Input::Table {
                    table, condition, ..
                } => InputGradient::Table {
                    table: join(&sums, parts, table.len(), hidden, |sums| &sums.table),
                    condition: condition
                        .map(|c| join(&sums, parts, c.len(), hidden, |sums| &sums.condition)),
                },
            }
        });
        let states = batch * hidden;
        let biases = if C::BIAS.is_some() { hidden } else { 0 };
        let join = |length, of: fn(&Sums) -> &[f32]| join(&sums, parts, length, hidden, of);
        Gradients {
            input,
            recurrent,
            initial: join(states, |sums| &sums.dh),
            bias: join(biases, |sums| &sums.bias),
        }
    }

    /// One step backward, all threads.
    fn retreat<C: Cell>(
        &self,
        t: usize,
        parts: &mut [Part],
        sums: &mut [Sums],
        weights: &[Vec<Vec<Packed>>],
        gradient: &[f32],
    ) {
        let Shape {
            batch,
            time,
            hidden,
        } = self.shape;
        let mut after = Vec::with_capacity(parts.len());
        let mut tasks = Vec::with_capacity(parts.len());
        for (part, sums) in parts.iter_mut().zip(sums) {
            let size = batch * part.units.len();
            let (slots, later) = part.slots.split_at_mut((t + 1) * size * SLOTS);
            after.push(later.get(..size * SLOTS));
            let cells = |t: usize| {
                if C::CELLS {
                    &part.cells[t * size..][..size]
                } else {
                    &[]
                }
            };
            let step = Step {
                level: self.level,
                units: part.units.len(),
                hidden_before: &part.hidden[t * size..][..size],
                cells_before: cells(t),
            };
            tasks.push((
                &part.units,
                &mut slots[t * size * SLOTS..],
                step,
                cells(t + 1),
                sums,
            ));
        }
        each(tasks, |index, (units, slots, step, cells_after, sums)| {
            pass_back(&weights[index], &after, batch, &mut sums.dh);
            for (b, dh) in sums.dh.chunks_exact_mut(step.units).enumerate() {
                add(
                    self.level,
                    &gradient[(b * time + t) * hidden..][units.clone()],
                    dh,
                );
            }
            C::backward(&step, slots, cells_after, &mut sums.dh, &mut sums.dc);
            sums.add::<C>(self.level, self.shape, &self.input, t, slots);
        });
    }
}

impl Shape {
    fn check(self, input: &Input, recurrent: &[f32], gates: usize, output: &[f32]) {
        let (rows, wide) = (self.batch * self.time, gates * self.hidden);
        assert!(self.hidden > 0, "a layer has at least one unit");
        assert_eq!(recurrent.len(), self.hidden * wide, "recurrent");
        assert_eq!(output.len(), rows * self.hidden, "output");
        match *input {
            Input::Rows(input) => assert_eq!(input.len(), rows * wide, "input"),
            Input::Table {
                tokens,
                table,
                condition,
            } => {
                assert_eq!(tokens.len(), rows, "tokens");
                assert_eq!(table.len() % wide, 0, "table");
                assert!(
                    condition.is_none_or(|c| c.len() == self.batch * wide),
                    "condition"
                );
            }
        }
    }

    /// The units of each thread.
    fn ranges(self, gates: usize) -> Vec<Range<usize>> {
        let groups = self.hidden.div_ceil(UNITS);
        let worth = self.batch * self.hidden * self.hidden * gates / WORK;
        let count = parts().min(groups).min(worth.max(1));
        let end = |group: usize| (group * UNITS).min(self.hidden);
        (0..count)
            .map(|index| part(groups, count, index))
            .map(|groups| end(groups.start)..end(groups.end))
            .collect()
    }
}

impl Part {
    fn new<C: Cell>(shape: Shape, units: Range<usize>, initial: &[f32]) -> Self {
        let Shape {
            batch,
            time,
            hidden,
        } = shape;
        let size = batch * units.len();
        let mut part = Self {
            slots: Buffer::any(time * size * SLOTS),
            hidden: Buffer::any((time + 1) * size),
            cells: Buffer::any(if C::CELLS { (time + 1) * size } else { 0 }),
            units: units.clone(),
        };
        let first = part.hidden[..size].chunks_exact_mut(units.len());
        for (row, from) in first.zip(initial.chunks_exact(hidden)) {
            row.copy_from_slice(&from[units.clone()]);
        }
        if C::CELLS {
            part.cells[..size].fill(0.0);
        }
        part
    }
}

/// Adds to `dh` the gradients of the next step's pre-activations times the transposed recurrent matrix, gate by gate.
fn pass_back(weights: &[Vec<Packed>], after: &[Option<&[f32]>], batch: usize, dh: &mut [f32]) {
    for (gate, weights) in weights.iter().enumerate() {
        for (weights, after) in weights.iter().zip(after) {
            let Some(after) = after else { continue };
            let units = weights.depth();
            let left = View::rows(&after[gate * units..], SLOTS * units);
            product(left, batch, weights, dh, weights.columns(), Start::Add);
        }
    }
}

/// Copies the rows `rows` and the columns `units` of each gate out of the recurrent matrix.
fn gather(
    hidden: usize,
    recurrent: &[f32],
    gates: usize,
    rows: &Range<usize>,
    units: &Range<usize>,
) -> Buffer {
    let mut block = Buffer::any(rows.len() * gates * units.len());
    let lines = block.chunks_exact_mut(gates * units.len());
    for (row, line) in rows.clone().zip(lines) {
        for (gate, piece) in line.chunks_exact_mut(units.len()).enumerate() {
            let from = (row * gates + gate) * hidden;
            piece.copy_from_slice(&recurrent[from + units.start..from + units.end]);
        }
    }
    block
}

/// For each part the weights from each part, `[their units, gates · own units]`.
fn pack_forward(
    level: InstructionSet,
    hidden: usize,
    recurrent: &[f32],
    gates: usize,
    ranges: &[Range<usize>],
) -> Vec<Vec<Packed>> {
    let pack = |own: &Range<usize>, theirs: &Range<usize>| {
        let block = gather(hidden, recurrent, gates, theirs, own);
        let wide = gates * own.len();
        Packed::new(level, View::rows(&block, wide), theirs.len(), wide)
    };
    let own = ranges.par_iter();
    own.map(|own| ranges.iter().map(|theirs| pack(own, theirs)).collect())
        .collect()
}

/// For each part and gate the transposed weights from each part, `[their units, own units]`.
fn pack_backward(
    level: InstructionSet,
    hidden: usize,
    recurrent: &[f32],
    gates: usize,
    ranges: &[Range<usize>],
) -> Vec<Vec<Vec<Packed>>> {
    let wide = gates * hidden;
    let pack = |own: &Range<usize>, gate: usize, theirs: &Range<usize>| {
        let block = &recurrent[own.start * wide + gate * hidden + theirs.start..];
        let block = View::rows(block, wide).transposed();
        Packed::new(level, block, theirs.len(), own.len())
    };
    let own = ranges.par_iter().map(|own| {
        let gates = (0..gates).map(|gate| {
            ranges
                .iter()
                .map(|theirs| pack(own, gate, theirs))
                .collect()
        });
        gates.collect()
    });
    own.collect()
}

/// The gradients that a part passes back through time, and those that it adds up.
struct Sums {
    /// `[batch, units]`.
    dh: Vec<f32>,
    /// `[batch, units]`.
    dc: Vec<f32>,
    /// `[entries, gates, units]`.
    table: Buffer,
    /// `[batch, gates, units]`.
    condition: Buffer,
    /// `[units]`.
    bias: Vec<f32>,
}

impl Sums {
    fn new<C: Cell>(shape: Shape, input: &Input, units: usize) -> Self {
        let wide = C::GATES * units;
        let (entries, conditions) = match input {
            Input::Rows(_) => (0, 0),
            Input::Table {
                table, condition, ..
            } => {
                let entries = table.len() / (C::GATES * shape.hidden);
                (entries, condition.map_or(0, |_| shape.batch))
            }
        };
        let states = shape.batch * units;
        Self {
            dh: vec![0.0; states],
            dc: vec![0.0; if C::CELLS { states } else { 0 }],
            table: Buffer::zeros(entries * wide),
            condition: Buffer::zeros(conditions * wide),
            bias: vec![0.0; if C::BIAS.is_some() { units } else { 0 }],
        }
    }

    /// Adds the gradients of one step's pre-activations to those of the table, the condition and the bias.
    fn add<C: Cell>(
        &mut self,
        level: InstructionSet,
        shape: Shape,
        input: &Input,
        t: usize,
        slots: &[f32],
    ) {
        let wide = slots.len() / (SLOTS * shape.batch.max(1));
        for (b, slots) in slots.chunks_exact(SLOTS * wide).enumerate() {
            if let Input::Table { tokens, .. } = input {
                let entry = token(tokens[b * shape.time + t]);
                for (block, &slot) in C::INPUTS.iter().enumerate() {
                    let gradient = &slots[slot * wide..][..wide];
                    let at = |row: usize| (row * C::GATES + block) * wide;
                    add(level, gradient, &mut self.table[at(entry)..][..wide]);
                    if !self.condition.is_empty() {
                        add(level, gradient, &mut self.condition[at(b)..][..wide]);
                    }
                }
            }
            if let Some(slot) = C::BIAS {
                add(level, &slots[slot * wide..][..wide], &mut self.bias);
            }
        }
    }
}

/// Adds to `gradient` the hidden state before each step times the gradients of its pre-activations, summed over all rows.
fn weight_gradient<C: Cell>(
    level: InstructionSet,
    hidden: usize,
    parts: &[Part],
    gradient: &mut [f32],
) {
    let wide = C::GATES * hidden;
    let ranges = parts
        .iter()
        .map(|part| part.units.start * wide..part.units.end * wide);
    let tasks = crate::kernels::parallel::carve(gradient, ranges);
    each(tasks, |index, gradient| {
        let left = &parts[index];
        let units = left.units.len();
        for right in parts {
            let theirs = right.units.len();
            let rows = right.slots.len() / (SLOTS * theirs);
            for first in (0..rows).step_by(BLOCK) {
                let count = BLOCK.min(rows - first);
                let hidden_rows = View::rows(&left.hidden[first * units..], units);
                for gate in 0..C::GATES {
                    let slots = &right.slots[first * SLOTS * theirs + gate * theirs..];
                    let out = &mut gradient[gate * hidden + right.units.start..];
                    let slots = View::rows(slots, SLOTS * theirs);
                    add_outer(level, hidden_rows, slots, count, units, theirs, out, wide);
                }
            }
        }
    });
}

/// The gradients of the input rows in the caller's order.
fn row_gradients<C: Cell>(shape: Shape, parts: &[Part]) -> Vec<f32> {
    let Shape {
        batch,
        time,
        hidden,
    } = shape;
    let wide = C::GATES * hidden;
    let mut gradients = unwritten(batch * time * wide);
    gradients
        .par_chunks_mut((time * wide).max(1))
        .enumerate()
        .for_each(|(b, gradients)| {
            for (t, row) in gradients.chunks_exact_mut(wide).enumerate() {
                for part in parts {
                    let units = part.units.len();
                    let slots = &part.slots[(t * batch + b) * SLOTS * units..][..SLOTS * units];
                    for (block, &slot) in C::INPUTS.iter().enumerate() {
                        row[block * hidden..][part.units.clone()]
                            .copy_from_slice(&slots[slot * units..][..units]);
                    }
                }
            }
        });
    gradients
}

/// Puts the parts' `[rows, units]` side by side: `[rows, H]`, `length` floats.
fn join<'a>(
    sums: &'a [Sums],
    parts: &[Part],
    length: usize,
    hidden: usize,
    of: impl Fn(&'a Sums) -> &'a [f32],
) -> Vec<f32> {
    let mut joined = vec![0.0; length];
    for (sums, part) in sums.iter().zip(parts) {
        let pieces = of(sums).chunks_exact(part.units.len());
        for (row, piece) in joined.chunks_exact_mut(hidden).zip(pieces) {
            row[part.units.clone()].copy_from_slice(piece);
        }
    }
    joined
}

/// The token as an index.
fn token(token: i32) -> usize {
    usize::try_from(token).expect("tokens are not negative")
}

multiversion! {
    /// `sum += x`.
    fn add(x: &[f32], sum: &mut [f32]) {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += x;
        }
    }
}
