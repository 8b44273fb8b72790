/*!
Data parallelism: one replica of a task a device. Each takes a batch of its own, and all take the step of the mean gradient,
which burn's collective operations compute. Replicas begin equal and stay equal up to rounding; only the first evaluates,
reports and is saved.

A replica that fails before the exchange of gradients ends the step with an error, because all meet on the CPU before they
exchange. A device that fails inside the exchange itself leaves the others waiting in NCCL, and the program has to be
interrupted; what was saved remains.
*/

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use burn::prelude::*;
use burn::tensor::distributed::{ReduceOperation, all_reduce};

use crate::error::{Error, Result};
use crate::models::Model;
use crate::train::all_reduce::AllReduce;
use crate::train::{BoxedTask, Losses, Metrics, StateDict, StepContext, Task};

/// burn's collective operations between GPUs.
struct Collective(Vec<Device>);

impl AllReduce for Collective {
    fn mean(&self, gradient: Tensor<1>) -> Tensor<1> {
        all_reduce(gradient, ReduceOperation::Mean, self.0.clone()).resolve()
    }
}

/// A barrier that a failure opens.
struct Barrier {
    size: usize,
    state: Mutex<BarrierState>,
    changed: Condvar,
}

#[derive(Default)]
struct BarrierState {
    waiting: usize,
    round: u64,
    failed: bool,
}

impl Barrier {
    /// Waits for all; false where one of them has failed.
    fn wait(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        if state.waiting == self.size {
            state.waiting = 0;
            state.round += 1;
            self.changed.notify_all();
        }
        let round = state.round;
        let arrived = state.waiting == 0;
        while !arrived && state.round == round && !state.failed {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !state.failed
    }

    fn fail(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failed = true;
        self.changed.notify_all();
    }
}

/// Exchanges gradients once all replicas have theirs.
struct Met {
    barrier: Arc<Barrier>,
    exchange: Arc<dyn AllReduce>,
}

/// The panic of a replica whose peer has failed.
struct PeerFailed;

impl AllReduce for Met {
    fn mean(&self, gradient: Tensor<1>) -> Tensor<1> {
        if !self.barrier.wait() {
            // Unlike a panic, this prints nothing.
            resume_unwind(Box::new(PeerFailed));
        }
        self.exchange.mean(gradient)
    }
}

enum Job<B> {
    Step(B, StepContext),
    Load(StateDict),
}

/// A replica on a thread of its own.
struct Peer<B> {
    jobs: SyncSender<Job<B>>,
    outcomes: Receiver<Outcome<Losses>>,
}

/// Several replicas as one task. A step reads a batch for each.
pub struct DataParallel<'t, B> {
    first: BoxedTask<'t, B>,
    peers: Vec<Peer<B>>,
    barrier: Arc<Barrier>,
}

/// Runs `work` with one task made of `replicas`, one on each of `devices`. All take over the state of the first.
///
/// # Errors
/// When this kind of task trains on one device only, or the replicas differ.
pub fn data_parallel<B: Send, T>(
    replicas: Vec<BoxedTask<B>>,
    devices: &[Device],
    work: impl FnOnce(&mut DataParallel<B>) -> Result<T>,
) -> Result<T> {
    exchanging(replicas, Arc::new(Collective(devices.to_vec())), work)
}

fn exchanging<B: Send, T>(
    mut replicas: Vec<BoxedTask<B>>,
    exchange: Arc<dyn AllReduce>,
    work: impl FnOnce(&mut DataParallel<B>) -> Result<T>,
) -> Result<T> {
    let barrier = Arc::new(Barrier {
        size: replicas.len(),
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    let exchange = Arc::new(Met {
        barrier: barrier.clone(),
        exchange,
    });
    let state = replicas[0].state();
    for (number, replica) in replicas.iter_mut().enumerate() {
        replica.share_gradients(exchange.clone())?;
        if number > 0 {
            replica.load_state(state.clone())?;
        }
    }
    std::thread::scope(|scope| {
        let first = replicas.remove(0);
        let mut peers = Vec::new();
        for mut replica in replicas {
            let (jobs, ordered) = sync_channel::<Job<B>>(1);
            let (sender, outcomes) = sync_channel(1);
            let barrier = barrier.clone();
            scope.spawn(move || {
                for job in ordered {
                    let outcome = guarded(&barrier, || match job {
                        Job::Step(batch, at) => replica.step(batch, at).map(Some),
                        Job::Load(state) => replica.load_state(state).map(|()| None),
                    });
                    match outcome {
                        Ok(None) => {}
                        Ok(Some(losses)) => drop(sender.send(Ok(losses))),
                        Err(failure) => drop(sender.send(Err(failure))),
                    }
                }
            });
            peers.push(Peer { jobs, outcomes });
        }
        work(&mut DataParallel {
            first,
            peers,
            barrier,
        })
    })
}

/// Why a replica did not finish its job.
enum Failure {
    Own(Error),
    /// Another replica failed first.
    OfPeer,
}

type Outcome<T> = std::result::Result<T, Failure>;

/// Does a replica's work; its failure calls the others back from the barrier.
fn guarded<T>(barrier: &Barrier, work: impl FnOnce() -> Result<T>) -> Outcome<T> {
    let failure = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => Failure::Own(error),
        Err(payload) if payload.is::<PeerFailed>() => Failure::OfPeer,
        Err(payload) => Failure::Own(failed(&*payload)),
    };
    barrier.fail();
    Err(failure)
}

fn failed(payload: &(dyn Any + Send)) -> Error {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    Error::Device {
        message: format!("one of the devices failed: {}", text.unwrap_or("no reason")),
        hint: Some("what was saved remains: continue with --resume".into()),
    }
}

impl<B: Send> Task for DataParallel<'_, B> {
    type Batch = Vec<B>;

    fn step(&mut self, batches: Vec<B>, at: StepContext) -> Result<Losses> {
        let mut batches = batches.into_iter();
        let own = batches.next().expect("a batch for each replica");
        for ((number, batch), peer) in (at.batch + 1..).zip(batches).zip(&self.peers) {
            let at = StepContext {
                batch: number,
                ..at
            };
            // A thread that has ended gives no outcome either, below.
            let _ = peer.jobs.send(Job::Step(batch, at));
        }
        let mut outcomes = vec![guarded(&self.barrier, || self.first.step(own, at))];
        for peer in &self.peers {
            outcomes.push(peer.outcomes.recv().unwrap_or(Err(Failure::OfPeer)));
        }
        let mut total: Option<Losses> = None;
        let mut peer_failed = false;
        for outcome in outcomes {
            match (outcome, &mut total) {
                (Err(Failure::Own(error)), _) => return Err(error),
                (Err(Failure::OfPeer), _) => peer_failed = true,
                (Ok(losses), None) => total = Some(losses),
                (Ok(losses), Some(total)) => {
                    total.scored += losses.scored;
                    total.read += losses.read;
                }
            }
        }
        match total {
            Some(losses) if !peer_failed => Ok(losses),
            _ => Err(failed(&"it ended")),
        }
    }

    fn evaluate(&mut self, at: StepContext) -> Result<Metrics> {
        self.first.evaluate(at)
    }

    fn state(&self) -> StateDict {
        self.first.state()
    }

    fn load_state(&mut self, state: StateDict) -> Result<()> {
        for peer in &self.peers {
            let _ = peer.jobs.send(Job::Load(state.clone()));
        }
        self.first.load_state(state)
    }

    fn snapshot(&self) -> Model {
        self.first.snapshot()
    }

    fn diverged(&self, losses: &Losses, at: StepContext) -> bool {
        self.first.diverged(losses, at)
    }

    fn batches_per_step(&self) -> u64 {
        1 + self.peers.len() as u64
    }

    fn untimed_steps(&self) -> u64 {
        self.first.untimed_steps()
    }
}

#[cfg(test)]
mod tests {
    use std::sync;

    use super::*;
    use crate::models::testing::small;
    use crate::models::{Batch, RecurrentCell, parameters};
    use crate::train::{LikelihoodTask, OptimizerSettings};

    /// Two devices in one memory.
    struct InMemory {
        given: Mutex<Option<Tensor<1>>>,
        both: sync::Barrier,
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
            offsets: Vec::new(),
            condition: None,
        }
    }

    fn exchange() -> Arc<InMemory> {
        Arc::new(InMemory {
            given: Mutex::new(None),
            both: sync::Barrier::new(2),
        })
    }

    fn task() -> LikelihoodTask<'static> {
        let model = Model::Recurrent(small(RecurrentCell::Lstm));
        LikelihoodTask::new(model, OptimizerSettings::default(), 1, None).unwrap()
    }

    fn at(step: u64, batch: u64) -> StepContext {
        StepContext {
            step,
            batch,
            planned: None,
            learning_rate: 0.01,
        }
    }

    #[test]
    fn two_devices_learn_what_one_learns_from_both_batches() {
        let replicas: Vec<BoxedTask<Batch>> = vec![Box::new(task()), Box::new(task())];
        let two = exchanging(replicas, exchange(), |task| {
            assert_eq!(task.batches_per_step(), 2);
            for step in 0..20 {
                let batches = vec![batch(2 * step), batch(2 * step + 1)];
                let losses = task.step(batches, at(step as u64, 2 * step as u64))?;
                assert_eq!((losses.scored, losses.read), (24, 24));
            }
            Ok(task.snapshot())
        })
        .unwrap();
        let mut one = task();
        for step in 0..20 {
            let mut both = batch(2 * step);
            let other = batch(2 * step + 1);
            both.rows += other.rows;
            both.tokens.extend(other.tokens);
            both.targets.extend(other.targets);
            one.step(both, at(step as u64, step as u64)).unwrap();
        }
        for (a, b) in parameters(&one.snapshot()).iter().zip(parameters(&two)) {
            for (x, y) in a.values.iter().zip(&b.values) {
                assert!((x - y).abs() < 1e-3, "{}: {x} beside {y}", a.name);
            }
        }
        let moved = parameters(&task().snapshot())[0].values != parameters(&two)[0].values;
        assert!(moved, "nothing was learned");
    }

    #[test]
    fn a_replica_that_fails_ends_the_step_with_its_reason_and_nothing_hangs() {
        for broken in [0, 1] {
            let replicas: Vec<BoxedTask<Batch>> = vec![Box::new(task()), Box::new(task())];
            let error = exchanging(replicas, exchange(), |task| {
                task.step(vec![batch(0), batch(1)], at(0, 0))?;
                let mut batches = vec![batch(2), batch(3)];
                // Its condition has a length that the network has not.
                batches[broken].condition = Some(vec![1.0; 7]);
                batches[broken].tokens.pop();
                task.step(batches, at(1, 2))
            });
            let error = error.unwrap_err();
            assert!(matches!(error, Error::Device { .. }), "{error}");
            assert!(error.hint().unwrap().contains("--resume"));
        }
    }
}
