/*! What a use case tells while it works. */

use std::sync::Mutex;

use crate::train::{Report, StepReport};

/// What happens during a use case.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// One line of information.
    Info(&'a str),
    /// The work goes on, but not quite as asked.
    Warning(&'a str),
    /// How far a task within the work is; replaces the last such event.
    Progress {
        /// What is done, such as `reading`.
        activity: &'a str,
        /// How many are done.
        done: usize,
        /// Of how many.
        total: usize,
        /// What is counted, such as `recordings`.
        unit: &'a str,
    },
    /// The task that [`Event::Progress`] told of has ended.
    ProgressDone,
    /// A training step was taken.
    Step {
        /// What the step gave.
        step: &'a StepReport<'a>,
        /// What one token is, such as `sample`.
        token: &'a str,
        /// The last validation, in the unit of the loss.
        validation: Option<f64>,
    },
    /// Training has looked at how it goes, and has saved the model.
    Report {
        /// What was found.
        report: &'a Report,
        /// What one token is, such as `sample`.
        token: &'a str,
    },
    /// A piece of a sentence, as soon as it is generated.
    Text(&'a str),
    /// Sentences were generated.
    Generated {
        /// How many tokens they have.
        tokens: usize,
        /// How long it took.
        seconds: f64,
        /// From which seed.
        seed: u64,
    },
}

/// Receives events. The terminal, a page and tests implement it.
pub trait Observer: Send {
    /// Takes one event.
    fn event(&mut self, event: Event<'_>);
}

/// An observer that ignores everything.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event<'_>) {}
}

impl dyn Observer + '_ {
    /// Sends a line of information.
    pub(crate) fn info(&mut self, text: impl AsRef<str>) {
        self.event(Event::Info(text.as_ref()));
    }

    /// Sends a warning.
    pub(crate) fn warn(&mut self, text: impl AsRef<str>) {
        self.event(Event::Warning(text.as_ref()));
    }

    /// Runs `work` with a function that threads may call with what is done and the total.
    pub(crate) fn counting<T>(
        &mut self,
        activity: &str,
        unit: &str,
        work: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> T,
    ) -> T {
        let shared = Mutex::new(&mut *self);
        let result = work(&|done, total| {
            // A thread that panicked while it held the observer has nothing more to tell.
            if let Ok(mut observer) = shared.lock() {
                observer.event(Event::Progress {
                    activity,
                    done,
                    total,
                    unit,
                });
            }
        });
        self.event(Event::ProgressDone);
        result
    }
}
