/*!
One network on several cards: each learns from a batch of its own, and all take the step of the mean gradient, which burn's
collective operations give them. They begin alike and so stay alike, but for the last bits of their own arithmetic; only
the first one reports and saves.
*/

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use burn::prelude::*;
use burn::tensor::distributed::{ReduceOperation, all_reduce};

use crate::models::Batch;
use crate::train::trainer::{TrainState, Training, one_step};
use crate::train::{AdamW, Objective, OptimizerSettings};

/// How devices agree on a gradient.
pub(crate) trait AllReduce: Send + Sync {
    /// The mean of what all of them give. Waits for all.
    fn mean(&self, gradient: Tensor<1>) -> Tensor<1>;
}

/// burn's own collective operations between cards.
struct Collective(Vec<Device>);

impl AllReduce for Collective {
    fn mean(&self, gradient: Tensor<1>) -> Tensor<1> {
        all_reduce(gradient, ReduceOperation::Mean, self.0.clone()).resolve()
    }
}

/// What another device is to do: the step at which training stands, with this batch.
struct Job {
    standing: TrainState,
    batch: Batch,
    learning_rate: f64,
}

/// The devices beside the first.
pub(crate) struct Replicas(Vec<SyncSender<Job>>);

impl Replicas {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Sets each to work on its part of the step, a batch each; `standing` is as before the step.
    pub(crate) fn begin(&self, standing: &TrainState, batches: Vec<Batch>, learning_rate: f64) {
        let first = standing.next_batch() + 1;
        for ((number, batch), jobs) in (first..).zip(batches).zip(&self.0) {
            let mut standing = standing.clone();
            standing.batches = number;
            let job = Job {
                standing,
                batch,
                learning_rate,
            };
            jobs.send(job).expect("a device at work");
        }
    }
}

/// Does `work`, a run on the first device, with the others at hand.
pub(crate) fn with_replicas<N: Module, T>(
    training: &mut Training<N>,
    objective: &dyn Objective<N>,
    settings: &OptimizerSettings,
    devices: &[Device],
    work: impl FnOnce(&mut Training<N>, &Replicas) -> T,
) -> T {
    if devices.len() == 1 {
        return work(training, &Replicas(Vec::new()));
    }
    let cards = Collective(devices.to_vec());
    exchanging(
        training,
        objective,
        settings,
        devices,
        Arc::new(cards),
        work,
    )
}

fn exchanging<N: Module, T>(
    training: &mut Training<N>,
    objective: &dyn Objective<N>,
    settings: &OptimizerSettings,
    devices: &[Device],
    exchange: Arc<dyn AllReduce>,
    work: impl FnOnce(&mut Training<N>, &Replicas) -> T,
) -> T {
    std::thread::scope(|scope| {
        let mut jobs = Vec::new();
        for device in &devices[1..] {
            let (sender, receiver) = sync_channel(1);
            jobs.push(sender);
            let net = training.net.clone().valid().to_device(device);
            let mut optimizer = AdamW::resume(training.optimizer.state().into_owned(), &net);
            optimizer.share(exchange.clone());
            let replica = Training {
                net: net.train(),
                optimizer,
                standing: training.standing.clone(),
            };
            let device = device.clone().autodiff();
            scope.spawn(move || {
                or_end(|| follow(replica, objective, settings, &receiver, &device));
            });
        }
        training.optimizer.share(exchange);
        or_end(|| work(training, &Replicas(jobs)))
    })
}

/// Ends the program where one device cannot go on: the others wait for its gradient, and nothing can call them off. What was
/// saved stays.
fn or_end<T>(work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        eprintln!(
            "error: one of the devices failed; what was saved stays\nhint: go on with --resume"
        );
        std::process::exit(1)
    })
}

/// Takes each step that is ordered, until there are no more.
fn follow<N: Module>(
    mut replica: Training<N>,
    objective: &dyn Objective<N>,
    settings: &OptimizerSettings,
    jobs: &Receiver<Job>,
    device: &Device,
) {
    for job in jobs {
        replica.standing = job.standing;
        if !replica.standing.prepared {
            let prepared = objective.prepare(&mut replica);
            prepared.expect("what the first device could do");
        }
        one_step(
            &mut replica,
            objective,
            &job.batch,
            job.learning_rate,
            settings,
            device,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex};

    use super::*;
    use crate::models::testing::small;
    use crate::models::{Recurrent, RecurrentCell, parameters};
    use crate::train::{Budget, MaximumLikelihood};

    /// Two devices in one memory.
    struct InMemory {
        given: Mutex<Option<Tensor<1>>>,
        both: Barrier,
    }

    impl AllReduce for InMemory {
        fn mean(&self, gradient: Tensor<1>) -> Tensor<1> {
            let mut given = self.given.lock().unwrap();
            let first = given.is_none();
            let sum = match given.take() {
                None => gradient,
                Some(other) => (gradient + other) / 2.0,
            };
            *given = Some(sum);
            drop(given);
            self.both.wait();
            let mean = self.given.lock().unwrap().clone().unwrap();
            self.both.wait();
            if first {
                self.given.lock().unwrap().take();
            }
            self.both.wait();
            mean
        }
    }

    fn batch(salt: usize) -> Batch {
        let tune = |i: usize| (i * (salt + 3) % 11) as u32;
        Batch {
            rows: 2,
            time: 6,
            tokens: (0..12).map(tune).collect(),
            targets: (1..=12).map(|i| tune(i) as i32).collect(),
            condition: None,
        }
    }

    fn training() -> Training<Recurrent> {
        let net = small(RecurrentCell::Lstm);
        Training {
            optimizer: AdamW::new(&net),
            standing: TrainState::start(Budget::Steps(20)),
            net: net.train(),
        }
    }

    #[test]
    fn two_devices_learn_what_one_learns_from_both_batches() {
        let settings = OptimizerSettings::default();
        let objective = MaximumLikelihood { seed: 1 };
        let exchange = InMemory {
            given: Mutex::new(None),
            both: Barrier::new(2),
        };
        let device = Device::flex().autodiff();
        let mut two = training();
        exchanging(
            &mut two,
            &objective,
            &settings,
            &[Device::flex(), Device::flex()],
            Arc::new(exchange),
            |training, others| {
                assert_eq!(others.count(), 1);
                for step in 0..20 {
                    others.begin(&training.standing, vec![batch(2 * step + 1)], 0.01);
                    let batch = batch(2 * step);
                    one_step(training, &objective, &batch, 0.01, &settings, &device);
                }
            },
        );
        let mut one = training();
        for step in 0..20 {
            let mut both = batch(2 * step);
            let other = batch(2 * step + 1);
            both.rows += other.rows;
            both.tokens.extend(other.tokens);
            both.targets.extend(other.targets);
            one_step(&mut one, &objective, &both, 0.01, &settings, &device);
        }
        for (a, b) in parameters(&one.net).iter().zip(parameters(&two.net)) {
            for (x, y) in a.values.iter().zip(&b.values) {
                assert!((x - y).abs() < 1e-3, "{}: {x} beside {y}", a.name);
            }
        }
        let moved = parameters(&training().net)[0].values != parameters(&two.net)[0].values;
        assert!(moved, "nothing was learned");
    }
}
