/*!
The past frames of a dilated convolution of width 2 (the queues of Le Paine et al. 2016), and their contributions.

The contribution of x_{t-d} is known d steps before it is needed. A [`Delay`] therefore stores the queue of frames and the
contributions to the next few steps, which its owner computes together in one pass over the weights.
*/

use crate::kernels::step::blocks::{Rows, View};

/// Frames are rows of `F`, contributions rows of `S`.
#[derive(Debug)]
pub(crate) struct Delay<F, S> {
    lanes: usize,
    /// `[dilation, lanes]` frames: the last `dilation` of them.
    queue: Rows<F>,
    dilation: usize,
    /// The slot of x_{t-d}, which x_t replaces.
    slot: usize,
    /// `[ahead, lanes]`: contributions to this step and the next ones.
    past: Rows<S>,
    ahead: usize,
    /// The index of this step among the `ahead` steps.
    phase: usize,
    /// The frame and the contribution before the start.
    silence: (F, Vec<S>),
}

impl<F: Copy, S: Copy> Delay<F, S> {
    /// Rows of one pass at most: with 8 rows a pass is limited by arithmetic, not by memory.
    const ROWS: usize = 8;

    /// A queue of `dilation` silent frames of `width` blocks each, and `contribution` for each of them.
    pub fn new(
        dilation: usize,
        lanes: usize,
        width: usize,
        silence: F,
        contribution: Vec<S>,
    ) -> Self {
        // A divisor of the dilation, so that the next frames are contiguous.
        let most = Self::ROWS.div_ceil(lanes).min(dilation);
        let ahead = (1..=most)
            .rev()
            .find(|n| dilation.is_multiple_of(*n))
            .unwrap_or(1);
        let past = Rows::repeated(ahead * lanes, &contribution);
        Self {
            lanes,
            queue: Rows::filled(dilation * lanes, width, silence),
            dilation,
            slot: 0,
            past,
            ahead,
            phase: 0,
            silence: (silence, contribution),
        }
    }

    /// If contributions are due: the number of rows, their frames, and where to write them.
    #[inline(always)]
    pub fn due(&mut self) -> Option<(usize, View<'_, F>, &mut Rows<S>)> {
        let frames = self.queue.view(self.slot * self.lanes);
        (self.phase == 0).then_some((self.ahead * self.lanes, frames, &mut self.past))
    }

    /// The contribution of x_{t-d} to this step, lane by lane.
    #[inline(always)]
    pub fn past(&self) -> View<'_, S> {
        self.past.view(self.phase * self.lanes)
    }

    /// The frames x_t, lane by lane, after they were written.
    #[inline(always)]
    pub fn frames(&self) -> View<'_, F> {
        self.queue.view(self.slot * self.lanes)
    }

    /// The rows to which x_t is to be written, and the row of the first lane. They still hold x_{t-d}, whose contribution is
    /// complete.
    #[inline(always)]
    pub fn frames_mut(&mut self) -> (&mut Rows<F>, usize) {
        (&mut self.queue, self.slot * self.lanes)
    }

    /// The frames that were x_t before the last [`Delay::advance`].
    pub fn last_frames(&self) -> View<'_, F> {
        let slot = (self.slot + self.dilation - 1) % self.dilation;
        self.queue.view(slot * self.lanes)
    }

    /// Moves to the next step.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.slot = (self.slot + 1) % self.dilation;
        self.phase = (self.phase + 1) % self.ahead;
    }

    /// Clears the past of `lane`.
    pub fn reset(&mut self, lane: usize) {
        for slot in 0..self.dilation {
            self.queue
                .blocks_mut(slot * self.lanes + lane)
                .fill(self.silence.0);
        }
        for step in 0..self.ahead {
            let past = self.past.blocks_mut(step * self.lanes + lane);
            past.copy_from_slice(&self.silence.1);
        }
    }

    /// Lane i continues with the past of lane `parents[i]`.
    pub fn gather(&mut self, parents: &[usize]) {
        self.queue.gather(parents);
        self.past.gather(parents);
    }
}
