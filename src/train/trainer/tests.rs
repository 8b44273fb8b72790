use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::*;
use crate::models::testing::{ALPHABET, small};
use crate::models::{
    Batch, ElboSettings, Interface, RecurrentCell, SentenceVae, SentenceVaeConfig,
};
use crate::sequence::{SequenceDataset, SideInputs, Token};
use crate::train::{BoxedTask, DataLoader, Direction, ElboTask, LikelihoodTask, WindowConfig};
use burn::prelude::Device;

#[derive(Default)]
struct FakeClock(Cell<Duration>);

impl FakeClock {
    fn advance(&self, seconds: f64) {
        self.0.set(self.0.get() + Duration::from_secs_f64(seconds));
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.0.get()
    }
}

/// A parameter with an optimizer of its own: gradient descent with momentum.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Player {
    value: f32,
    momentum: f32,
}

impl Player {
    fn step(&mut self, gradient: f32, at: StepContext) {
        self.momentum = 0.9 * self.momentum + gradient;
        self.value -= at.learning_rate as f32 * self.momentum;
    }
}

type MetricAt = fn(u64) -> Option<(f64, Direction)>;

/// Two players, two optimizers, two losses: min over g, max over d of (g − target) · d − d²/2.
struct Toy<'a> {
    clock: &'a FakeClock,
    /// The seconds that a step takes.
    seconds: fn(u64) -> f64,
    /// The headline metric after a step.
    metric: MetricAt,
    generator: Player,
    discriminator: Player,
    stride: u64,
    untimed: u64,
    broken_at: Option<u64>,
    /// The first batch of every step.
    read: RefCell<Vec<u64>>,
}

impl<'a> Toy<'a> {
    fn new(clock: &'a FakeClock) -> Self {
        Self {
            clock,
            seconds: |_| 1.0,
            metric: |_| None,
            generator: Player::default(),
            discriminator: Player::default(),
            stride: 1,
            untimed: 0,
            broken_at: None,
            read: RefCell::default(),
        }
    }
}

impl Task for Toy<'_> {
    type Batch = u64;

    fn step(&mut self, batch: u64, at: StepContext) -> Result<Losses> {
        assert_eq!(batch, at.batch);
        self.read.borrow_mut().push(batch);
        self.clock.advance((self.seconds)(at.step));
        let target = ((batch * batch) % 7) as f32;
        let (g, d) = (self.generator.value, self.discriminator.value);
        self.discriminator.step(d - (g - target), at);
        self.generator.step(d, at);
        let broken = self.broken_at == Some(at.step);
        Ok(Losses {
            values: vec![
                ("generator", f64::from(g - target)),
                (
                    "discriminator",
                    if broken { f64::NAN } else { f64::from(d) },
                ),
            ],
            unit: "nats",
            gradient_norm: f64::from(d.abs()),
            scored: 3,
            read: 10,
        })
    }

    fn evaluate(&mut self, at: StepContext) -> Result<Metrics> {
        let headline = (self.metric)(at.step).map(|(value, direction)| Metric {
            name: "score".into(),
            value,
            unit: String::new(),
            direction,
        });
        self.clock.advance(1000.0);
        Ok(Metrics {
            headline,
            remark: "evaluated".into(),
            ..Metrics::default()
        })
    }

    fn state(&self) -> StateDict {
        let mut state = StateDict::default();
        for (name, player) in [("g", self.generator), ("d", self.discriminator)] {
            let values = vec![player.value, player.momentum];
            state.put(name.into(), vec![2], values);
        }
        state
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        let mut take = |name| {
            let values = state.take(name, &[2])?;
            Ok(Player {
                value: values[0],
                momentum: values[1],
            })
        };
        (self.generator, self.discriminator) = (take("g")?, take("d")?);
        state.expect_empty()
    }

    fn snapshot(&self) -> Model {
        Model::Recurrent(small(RecurrentCell::Gru))
    }

    fn batches_per_step(&self) -> u64 {
        self.stride
    }

    fn untimed_steps(&self) -> u64 {
        self.untimed
    }
}

/// Remembers everything it is told, and stops the run after a step.
#[derive(Default)]
struct Recorder {
    stop: Arc<AtomicBool>,
    stop_after: Option<u64>,
    reports: Vec<Report>,
    improved: Vec<bool>,
    saves: Vec<u64>,
    last: Option<(TrainState, StateDict)>,
}

impl TrainingObserver for Recorder {
    fn stepped(&mut self, step: &StepReport) {
        if self.stop_after == Some(step.step) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn sample(&mut self, _model: &Model, step: u64) -> Result<String> {
        Ok(format!("sample {step}"))
    }

    fn keep(&mut self, report: &Report, _model: &Model, improved: bool) -> Result<()> {
        self.reports.push(report.clone());
        self.improved.push(improved);
        Ok(())
    }

    fn save(&mut self, state: &TrainState, task: &StateDict) -> Result<()> {
        self.saves.push(state.step);
        self.last = Some((state.clone(), task.clone()));
        Ok(())
    }
}

fn settings(report_every: u64, patience: u32) -> TrainerSettings {
    TrainerSettings {
        learning_rate: 0.01,
        warmup: 5,
        report_every,
        first_report: 0,
        patience,
        word_dropout: 0.0,
        optimizer: OptimizerSettings::default(),
    }
}

/// Runs a task from a state, with the batches of `source`.
fn run<B: Send>(
    task: &mut dyn Task<Batch = B>,
    source: &BatchSource<B>,
    state: &mut TrainState,
    settings: &TrainerSettings,
    budget: Budget,
    clock: &dyn Clock,
    recorder: &mut Recorder,
) -> Result<StopReason> {
    let stop = recorder.stop.clone();
    let trainer = Trainer {
        settings,
        budget,
        batches: source,
        stop: &stop,
        clock,
    };
    trainer.run(task, state, recorder)
}

/// Runs a toy from the start.
fn run_toy(
    toy: &mut Toy,
    settings: &TrainerSettings,
    budget: Budget,
    recorder: &mut Recorder,
) -> (Result<StopReason>, TrainState) {
    let mut state = TrainState::start(budget);
    let clock = toy.clock;
    let end = run(toy, &Ok, &mut state, settings, budget, clock, recorder);
    (end, state)
}

#[test]
fn minutes_become_steps_once_fifty_are_timed() {
    let clock = FakeClock::default();
    let mut recorder = Recorder::default();
    let minutes = Budget::Minutes(10.0);
    let (end, state) = run_toy(
        &mut Toy::new(&clock),
        &settings(10_000, 0),
        minutes,
        &mut recorder,
    );
    // 50 s are spent; 95 % of the other 550 s are for steps of 1 s.
    assert_eq!(end.unwrap(), StopReason::Done);
    assert_eq!((state.step, state.planned), (50 + 522, Some(50 + 522)));
    assert_eq!(recorder.reports.len(), 1);
}

#[test]
fn steps_in_which_a_gpu_tunes_its_kernels_are_not_timed() {
    let clock = FakeClock::default();
    let mut toy = Toy::new(&clock);
    toy.untimed = 30;
    toy.seconds = |step| if step < 30 { 10.0 } else { 1.0 };
    let minutes = Budget::Minutes(20.0);
    let (_, state) = run_toy(
        &mut toy,
        &settings(10_000, 0),
        minutes,
        &mut Recorder::default(),
    );
    // 350 s are spent on 80 steps, and 850 s are left.
    assert_eq!(state.step, 80 + 807);
}

#[test]
fn minutes_that_the_first_steps_use_up_end_the_run() {
    let clock = FakeClock::default();
    let mut recorder = Recorder::default();
    let (end, state) = run_toy(
        &mut Toy::new(&clock),
        &settings(10_000, 0),
        Budget::Minutes(0.5),
        &mut recorder,
    );
    assert_eq!(end.unwrap(), StopReason::Done);
    assert_eq!((state.step, recorder.reports.len()), (30, 1));
}

#[test]
fn training_stops_early_whichever_way_the_metric_improves() {
    let metrics: [MetricAt; 2] = [
        |step| Some((20.0_f64.max(40.0 - step as f64), Direction::Lower)),
        |step| Some((20.0_f64.min(step as f64), Direction::Higher)),
    ];
    for metric in metrics {
        let clock = FakeClock::default();
        let mut toy = Toy::new(&clock);
        toy.metric = metric;
        let mut recorder = Recorder::default();
        let budget = Budget::Steps(150);
        let (end, state) = run_toy(&mut toy, &settings(10, 3), budget, &mut recorder);
        assert_eq!(end.unwrap(), StopReason::Early);
        assert_eq!((state.step, state.best), (50, Some((20.0, 20))));
        assert_eq!(recorder.improved, [true, true, false, false, false]);
        let best: Vec<bool> = recorder.reports.iter().map(|report| report.best).collect();
        assert_eq!(best, recorder.improved);
    }
}

#[test]
fn a_long_run_waits_longer_for_a_better_validation() {
    let clock = FakeClock::default();
    let mut toy = Toy::new(&clock);
    toy.metric = |step| Some((20.0_f64.max(40.0 - step as f64), Direction::Lower));
    let budget = Budget::Steps(1000);
    let mut recorder = Recorder::default();
    let (end, state) = run_toy(&mut toy, &settings(10, 3), budget, &mut recorder);
    assert_eq!((end.unwrap(), state.step), (StopReason::Early, 220));
}

#[test]
fn without_held_out_data_every_report_is_kept() {
    let clock = FakeClock::default();
    let mut recorder = Recorder::default();
    let budget = Budget::Steps(60);
    let (end, state) = run_toy(
        &mut Toy::new(&clock),
        &settings(10, 3),
        budget,
        &mut recorder,
    );
    assert_eq!((end.unwrap(), state.best), (StopReason::Done, None));
    assert_eq!(recorder.improved, [true; 6]);
    assert!(recorder.reports.iter().all(|report| !report.best));
}

#[test]
fn the_state_is_saved_after_a_minute_after_a_report_and_at_the_end() {
    let clock = FakeClock::default();
    let mut toy = Toy::new(&clock);
    toy.seconds = |_| 25.0;
    let mut recorder = Recorder::default();
    let budget = Budget::Steps(16);
    run_toy(&mut toy, &settings(8, 0), budget, &mut recorder)
        .0
        .unwrap();
    assert_eq!(recorder.saves, [3, 6, 8, 11, 14, 16, 16]);
}

#[test]
fn a_report_has_mean_losses_and_a_speed_without_evaluations() {
    let clock = FakeClock::default();
    let mut recorder = Recorder::default();
    let budget = Budget::Steps(8);
    let mut toy = Toy::new(&clock);
    toy.metric = |step| Some((step as f64, Direction::Higher));
    let (_, state) = run_toy(&mut toy, &settings(4, 0), budget, &mut recorder);
    let report = &recorder.reports[1];
    assert_eq!(
        (report.shown.as_str(), report.unit.as_str()),
        ("generator", "nats")
    );
    assert_eq!(report.losses.len(), 2);
    // 8 steps of 1 s with 10 elements, and an evaluation of 1000 s before this one.
    assert!((report.read_per_second - 10.0).abs() < 1e-9);
    assert!((report.seconds - 2008.0).abs() < 1e-9);
    assert_eq!(report.remark, "evaluated; sample 8");
    assert_eq!(report.waited, 0.0);
    assert_eq!((state.scored, state.batches), (24, 8));
    let line = serde_json::to_string(report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), *report);
}

#[test]
fn reports_of_the_first_format_are_read() {
    let line = r#"{"step":400,"total":2758,"train_bits":2.5,"validation_bits":1.5,"best":true,
        "gradient_norm":1.1,"learning_rate":0.002,"seconds":123.0,"tokens_per_second":21264.5,"remark":"smooth"}"#;
    let report: Report = serde_json::from_str(line).unwrap();
    assert_eq!((report.loss(), report.read_per_second), (2.5, 21264.5));
    let validation = report.validation.as_ref().unwrap();
    assert_eq!(
        (validation.value, validation.unit.as_str()),
        (1.5, "bits/token")
    );
}

#[test]
fn a_loss_that_is_not_finite_ends_training_and_saves_nothing_more() {
    let clock = FakeClock::default();
    let mut toy = Toy::new(&clock);
    toy.broken_at = Some(5);
    let mut recorder = Recorder::default();
    let budget = Budget::Steps(20);
    let (end, _) = run_toy(&mut toy, &settings(2, 0), budget, &mut recorder);
    assert!(matches!(end, Err(Error::Diverged { step: 5, .. })));
    assert_eq!(recorder.saves, [2, 4]);
}

#[test]
fn a_task_of_several_batches_a_step_reads_each_batch_once() {
    let clock = FakeClock::default();
    let mut toy = Toy::new(&clock);
    toy.stride = 3;
    let mut recorder = Recorder::default();
    let budget = Budget::Steps(4);
    let (_, state) = run_toy(&mut toy, &settings(100, 0), budget, &mut recorder);
    assert_eq!(*toy.read.borrow(), [0, 3, 6, 9]);
    assert_eq!(state.batches, 12);
}

/// Trains for 20 steps at once, and with a stop after 7; both have to end with the same bits.
fn check_resume<'t, B: Send>(
    make: impl Fn() -> BoxedTask<'t, B>,
    source: &BatchSource<B>,
    clock: &dyn Clock,
) {
    let (settings, budget) = (settings(4, 0), Budget::Steps(20));
    let train =
        |task: &mut dyn Task<Batch = B>, state: &mut TrainState, recorder: &mut Recorder| {
            run(task, source, state, &settings, budget, clock, recorder).unwrap()
        };
    let mut whole = make();
    let (mut state, mut recorder) = (TrainState::start(budget), Recorder::default());
    train(&mut *whole, &mut state, &mut recorder);

    let mut first = make();
    let mut stopped = Recorder {
        stop_after: Some(7),
        ..Recorder::default()
    };
    let end = train(&mut *first, &mut TrainState::start(budget), &mut stopped);
    assert_eq!(end, StopReason::Interrupted);
    let (mut resumed, saved) = stopped.last.take().unwrap();
    assert_eq!((resumed.step, stopped.saves), (7, vec![4, 7]));

    let mut second = make();
    second.load_state(saved).unwrap();
    let mut rest = Recorder::default();
    assert_eq!(
        train(&mut *second, &mut resumed, &mut rest),
        StopReason::Done
    );
    assert_eq!(second.state(), whole.state());
    assert_eq!(resumed.best, state.best);
    let validation = |report: &Report| report.validation.clone();
    let expected: Vec<_> = recorder.reports[1..].iter().map(validation).collect();
    let found: Vec<_> = rest.reports.iter().map(validation).collect();
    assert_eq!(found, expected);
}

/// Twelve sequences of 20 tokens.
struct Sequences;

impl SequenceDataset for Sequences {
    fn count(&self) -> usize {
        12
    }

    fn length(&self, _: usize) -> usize {
        20
    }

    fn read(&self, index: usize, range: std::ops::Range<usize>, out: &mut [Token]) -> Result<()> {
        for (out, position) in out.iter_mut().zip(range) {
            *out = ((index + 1) * position % 10) as Token;
        }
        Ok(())
    }
}

#[test]
fn every_task_resumes_exactly_in_the_middle_of_an_epoch() {
    let conditions = vec![Vec::new(); 12];
    let window = WindowConfig {
        window: 24,
        context: 4,
        budget: 60,
    };
    let load =
        |members: &[usize]| DataLoader::new(&Sequences, members, &conditions, ALPHABET, window, 1);
    // Four batches an epoch.
    let members: Vec<usize> = (0..12).collect();
    let (batches, held_out) = (load(&members[..10]), load(&members[10..]));
    let source = |number| batches.at(number);
    let clock = SystemClock::start();
    let optimizer = OptimizerSettings::default();
    check_resume(
        || {
            let model = Model::Recurrent(small(RecurrentCell::Lstm));
            let task = LikelihoodTask::new(model, optimizer, 3, Some(&held_out));
            Box::new(task.unwrap()) as BoxedTask<Batch>
        },
        &source,
        &clock,
    );
    let sizes = SentenceVaeConfig {
        unit: RecurrentCell::Gru,
        embedding: 6,
        hidden: 8,
        encoder: 5,
        latent: 3,
        dropout: 0.2,
    };
    let interface = Interface {
        alphabet: ALPHABET,
        side_inputs: SideInputs::default(),
        condition: 0,
    };
    // The decoder is re-initialised before step 5: before the stop, and not again after it.
    let elbo = ElboSettings {
        autoencoder: 0.25,
        ramp: 0.5,
        reset_decoder: true,
        free_nats: 1.0,
        free_nats_fall: 0.0,
        word_dropout: 0.3,
        bag_of_words: 0.5,
        beta: 1.0,
        codes: 1,
    };
    check_resume(
        || {
            let vae = SentenceVae::new(sizes.clone(), interface.clone(), 3, &Device::flex());
            let task = ElboTask::new(vae.unwrap(), elbo, optimizer, 3, Some(&held_out));
            Box::new(task) as BoxedTask<Batch>
        },
        &source,
        &clock,
    );
}

#[test]
fn a_task_with_two_optimizers_resumes_exactly() {
    let clock = FakeClock::default();
    let toy = || Toy {
        metric: |step| Some((step as f64, Direction::Higher)),
        ..Toy::new(&clock)
    };
    let budget = Budget::Steps(20);
    let settings = settings(4, 0);
    let mut whole = toy();
    run_toy(&mut whole, &settings, budget, &mut Recorder::default())
        .0
        .unwrap();
    let mut stopped = Recorder {
        stop_after: Some(7),
        ..Recorder::default()
    };
    let (end, _) = run_toy(&mut toy(), &settings, budget, &mut stopped);
    assert_eq!(end.unwrap(), StopReason::Interrupted);
    let (mut state, saved) = stopped.last.unwrap();
    let mut resumed = toy();
    resumed.load_state(saved).unwrap();
    let mut rest = Recorder::default();
    run(
        &mut resumed,
        &Ok,
        &mut state,
        &settings,
        budget,
        &clock,
        &mut rest,
    )
    .unwrap();
    assert_eq!(resumed.state(), whole.state());
    assert_ne!(resumed.generator, resumed.discriminator);
    assert_eq!(resumed.read.borrow()[0], 7);
}
