/*!
The past of a dilated convolution of width 2 (the queues of Le Paine et al. 2016), and work done ahead on it.

What x_{t-d} contributes is known d steps before it is needed. A [`Delay`] therefore keeps both the queue of frames
and the contributions of the next few steps, which its owner works out together in one pass over the weights.
*/

use super::blocks::Rows;

/// Frames are rows of `F`, contributions rows of `S`.
#[derive(Debug)]
pub(super) struct Delay<F, S> {
    lanes: usize,
    /// `[dilation, lanes]` frames: the last `dilation` of them.
    queue: Rows<F>,
    dilation: usize,
    /// The slot of x_{t-d}, which x_t takes over.
    slot: usize,
    /// `[ahead, lanes]`: contributions for this step and the next ones.
    past: Rows<S>,
    ahead: usize,
    /// Which of the `ahead` steps this one is.
    phase: usize,
    /// What frames and contributions are where nothing lies before.
    silence: (F, Vec<S>),
}

impl<F: Copy, S: Copy> Delay<F, S> {
    /// Steps prepared at once in all lanes together, at most: with 8 rows a pass is bound by arithmetic, not memory.
    const ROWS: usize = 8;

    /// A queue of `dilation` silent frames of `width` blocks each, and `contribution` for each of them.
    pub fn new(
        dilation: usize,
        lanes: usize,
        width: usize,
        silence: F,
        contribution: Vec<S>,
    ) -> Self {
        let ahead = dilation.min(Self::ROWS.div_ceil(lanes));
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

    /// When contributions are due: how many rows, the frames they come from, and where they go.
    #[inline(always)]
    pub fn due(&mut self) -> Option<(usize, Frames<'_, F>, &mut Rows<S>)> {
        let Self {
            lanes,
            queue,
            dilation,
            slot,
            past,
            ..
        } = self;
        let frames = Frames {
            queue,
            lanes: *lanes,
            dilation: *dilation,
            slot: *slot,
        };
        (self.phase == 0).then_some((self.ahead * frames.lanes, frames, past))
    }

    /// What x_{t-d} contributes to this step in `lane`.
    #[inline(always)]
    pub fn past(&self, lane: usize) -> &[S] {
        self.past.blocks(self.phase * self.lanes + lane)
    }

    /// The rows of frames, and which of them is x_t of `lane` once it is written.
    #[inline(always)]
    pub fn frame(&self, lane: usize) -> (&Rows<F>, usize) {
        (&self.queue, self.slot * self.lanes + lane)
    }

    /// The frame x_t of `lane`, to write: x_{t-d}, which lay there, has made its contribution.
    #[inline(always)]
    pub fn frame_mut(&mut self, lane: usize) -> &mut [F] {
        self.queue.blocks_mut(self.slot * self.lanes + lane)
    }

    /// Goes on to the next step.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.slot = (self.slot + 1) % self.dilation;
        self.phase = (self.phase + 1) % self.ahead;
    }

    /// Forgets the past of `lane`.
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

    /// Lane i goes on from the past of lane `parents[i]`.
    pub fn gather(&mut self, parents: &[usize]) {
        self.queue.gather(parents);
        self.past.gather(parents);
    }
}

/// The frames that come up next, lane by lane and step by step.
pub(super) struct Frames<'a, F> {
    queue: &'a Rows<F>,
    lanes: usize,
    dilation: usize,
    slot: usize,
}

impl<'a, F: Copy> Frames<'a, F> {
    /// The rows, and which of them is frame `i`: lane `i % lanes`, `i / lanes` steps from now.
    #[inline(always)]
    pub fn at(&self, i: usize) -> (&'a Rows<F>, usize) {
        let slot = (self.slot + i / self.lanes) % self.dilation;
        (self.queue, slot * self.lanes + i % self.lanes)
    }
}
