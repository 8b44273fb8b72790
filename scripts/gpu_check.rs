//! `scripts/gpu-check` runs this program on a machine with a GPU. It checks that the GPU computes the same results as
//! the CPU, and measures the speed of generation.
//!
//! `gpu_check laws cuda` and `gpu_check making cuda` print one line of JSON per result. With `cpu` instead of `cuda` it
//! compares the CPU with itself, which only tests this program.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::time::Instant;

use burn::prelude::*;
use ensuite::internals::{
    Alphabet, Batch, BatchSettings, Clock, DeviceChoice, ElboSettings, GateInput, Interface, Item,
    Model, ModelSpec, OptimizerSettings, Prediction, Recipe, Recurrence, RecurrentCell,
    RecurrentConfig, ResidualStack, Sampler, Sampling, SentenceVaeConfig, SequenceConfig,
    SequenceModel, SideInputs, StepContext, TrainerSettings, WaveNetConfig, cross_entropy,
    device_of, embedding, generate_many, is_cpu, linear, parameters, recurrent, residual_stack,
    with_values,
};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    ensuite::keep_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, device, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: gpu_check laws|making DEVICE [--quick]");
        std::process::exit(2);
    };
    let quick = rest.iter().any(|flag| flag == "--quick");
    let device = device
        .parse()
        .map_err(|error: String| error)
        .and_then(|choice: DeviceChoice| choice.resolve_one().map_err(|e| e.to_string()))
        .unwrap_or_else(|error| {
            eprintln!("{error}");
            std::process::exit(1);
        });
    let passed = match what.as_str() {
        "laws" => laws(&device),
        "making" => making(&device, quick),
        other => panic!("unknown check '{other}': use laws or making"),
    };
    std::process::exit(i32::from(!passed));
}

// --- laws ---

/// Tolerance of an operation, relative to the largest value. Allows for another order of summation and for TF32.
const OPERATION: f64 = 2e-3;
/// Tolerances of the loss, relative to the first loss: in the first steps and in later steps.
const FIRST_STEPS: f64 = 5e-3;
const LAST_STEPS: f64 = 5e-2;
const STEPS: usize = 60;
/// Tolerance of the logits, relative to the largest logit.
const LOGITS: f64 = 5e-3;

fn laws(device: &Device) -> bool {
    let mut all = Laws { passed: true };
    operations(device, &mut all);
    for (name, spec, model) in models() {
        training(name, &spec, &model, device, &mut all);
        lanes(name, &model, device, &mut all);
        moves(name, &model, device, &mut all);
    }
    all.passed
}

struct Laws {
    passed: bool,
}

impl Laws {
    fn hold(&mut self, law: &str, apart: f32, tolerance: f64) {
        let holds = f64::from(apart) <= tolerance;
        self.passed &= holds;
        println!(
            "{}",
            json!({"law": law, "apart": apart, "tolerance": tolerance, "holds": holds})
        );
    }
}

/// The largest absolute difference, relative to the largest value of `a`.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths");
    let largest = a.iter().fold(1e-6_f32, |m, x| m.max(x.abs()));
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs() / largest)
        .fold(0.0, worse)
}

/// The larger difference; NaN counts as the largest.
fn worse(a: f32, b: f32) -> f32 {
    if a.is_nan() || b <= a { a } else { b }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32")
}

type GradientOf = Box<dyn Fn(&burn::tensor::Gradients) -> Vec<f32>>;

/// Inputs of operations. They are the same on every device.
struct Inputs {
    device: Device,
    state: u32,
    /// Functions that return the gradient of each drawn tensor.
    gradients: Vec<GradientOf>,
}

impl Inputs {
    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let numbers: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                self.state = self
                    .state
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                (self.state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect();
        let tensor =
            Tensor::from_data(TensorData::new(numbers, shape), &self.device).require_grad();
        let kept = tensor.clone();
        let gradient =
            move |all: &burn::tensor::Gradients| kept.grad(all).map_or_else(Vec::new, values);
        self.gradients.push(Box::new(gradient));
        tensor
    }

    fn tokens(&self, count: usize, size: usize) -> Tensor<1, Int> {
        let tokens: Vec<i32> = (0..count).map(|i| (i * i % size) as i32).collect();
        Tensor::from_data(TensorData::new(tokens, [count]), &self.device)
    }
}

/// The output of an operation and the gradients of all its inputs.
fn run<const D: usize>(
    device: &Device,
    operation: impl Fn(&mut Inputs) -> Tensor<D>,
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let mut inputs = Inputs {
        device: device.clone().autodiff(),
        state: 5,
        gradients: Vec::new(),
    };
    let output = operation(&mut inputs);
    let weights = Inputs {
        device: inputs.device.clone(),
        state: 9,
        gradients: Vec::new(),
    }
    .tensor(output.dims())
    .detach();
    let gradients = (output.clone() * weights).sum().backward();
    let of_inputs = inputs.gradients.iter().map(|g| g(&gradients)).collect();
    (values(output), of_inputs)
}

fn operations(device: &Device, all: &mut Laws) {
    let mut check = |name: &str, operation: &dyn Fn(&mut Inputs) -> Tensor<2>| {
        let (cpu, gpu) = (run(&Device::flex(), operation), run(device, operation));
        let mut largest = apart(&cpu.0, &gpu.0);
        for (a, b) in cpu.1.iter().zip(&gpu.1) {
            largest = worse(largest, apart(a, b));
        }
        all.hold(&format!("{name}: values and gradients"), largest, OPERATION);
    };
    check("linear", &|i| {
        linear(
            i.tensor([300, 70]),
            i.tensor([70, 130]),
            i.tensor([130]),
            true,
        )
    });
    check("embedding", &|i| {
        let sources = vec![i.tokens(500, 40), i.tokens(500, 23)];
        embedding(i.tensor([40, 60]), sources)
    });
    check("embedding of many words", &|i| {
        let sources = vec![i.tokens(3_000, 9_973)];
        embedding(i.tensor([9_973, 16]), sources)
    });
    check("cross entropy", &|i| {
        let targets: Vec<i32> = (0..200).map(|row| row % 91 - 1).collect();
        cross_entropy(i.tensor([200, 90]) * 5.0, &targets).reshape([1, 1])
    });
    for gru in [false, true] {
        let (batch, time, hidden) = (6, 40, 48);
        let width = if gru { 3 } else { 4 } * hidden;
        let recurrence = |i: &mut Inputs| Recurrence {
            cell: if gru {
                RecurrentCell::Gru
            } else {
                RecurrentCell::Lstm
            },
            weight: i.tensor([hidden, width]) * 0.1,
            bias: gru.then(|| i.tensor([hidden])),
        };
        let name = if gru { "GRU" } else { "LSTM" };
        check(&format!("{name} over rows with a condition"), &|i| {
            let (layer, rows) = (recurrence(i), i.tensor([batch * time, width]));
            let (condition, first) = (i.tensor([batch, width]), i.tensor([batch, hidden]));
            recurrent(&layer, GateInput::Rows(rows), Some(condition), first, time)
        });
        check(&format!("{name} over a table"), &|i| {
            let (layer, table) = (recurrence(i), i.tensor([31, width]));
            let first = i.tensor([batch, hidden]);
            let input = GateInput::Table(table, i.tokens(batch * time, 31));
            recurrent(&layer, input, None, first, time)
        });
    }
    check("residual stack", &|i| {
        let (batch, time, r, s) = (3, 200, 32, 64);
        let dilations = [1, 2, 4, 8, 16, 256];
        let layers = dilations.len();
        let weights = ResidualStack {
            conv: i.tensor([layers, 2 * r, 2 * r]) * 0.1,
            conv_bias: i.tensor([layers, 2 * r]),
            out: i.tensor([layers, r, r + s]) * 0.1,
            out_bias: i.tensor([layers, r + s]),
        };
        let condition = i.tensor([batch, layers * 2 * r]);
        residual_stack(
            i.tensor([batch * time, r]),
            &weights,
            Some(condition),
            &dilations,
            time,
        )
    });
}

const ALPHABET: Alphabet = Alphabet {
    size: 40,
    start: 40,
    stop: None,
};

/// The name of the model that reads a prediction.
const PREDICTING: &str = "WaveNet with a prediction";

/// One model of each kind: its name, what it is, and the model on the CPU.
fn models() -> Vec<(&'static str, ModelSpec, Model)> {
    let recurrent = RecurrentConfig {
        embedding: 24,
        hidden: 64,
        layers: 2,
        tied: true,
        dropout: 0.1,
        stride: 1,
    };
    let wavenet = WaveNetConfig {
        layers: 10,
        cycle: 5,
        dilations: Vec::new(),
        residual: 32,
        skip: 64,
        head: 64,
    };
    let every_third = RecurrentConfig {
        tied: false,
        stride: 3,
        ..recurrent.clone()
    };
    let all = [
        (
            PREDICTING,
            sequence(SequenceConfig::WaveNet(wavenet.clone())),
            11,
        ),
        (
            "GRU, a step every third token",
            sequence(SequenceConfig::Gru(every_third)),
            3,
        ),
        ("WaveNet", sequence(SequenceConfig::WaveNet(wavenet)), 3),
        ("LSTM", sequence(SequenceConfig::Lstm(recurrent.clone())), 3),
        ("GRU", sequence(SequenceConfig::Gru(recurrent)), 0),
        (
            "sentence VAE",
            ModelSpec::SentenceVae {
                network: SentenceVaeConfig {
                    unit: RecurrentCell::Lstm,
                    embedding: 32,
                    hidden: 64,
                    encoder: 32,
                    latent: 16,
                    dropout: 0.1,
                },
                elbo: ElboSettings {
                    autoencoder: 0.3,
                    ramp: 0.3,
                    reset_decoder: true,
                    free_nats: 2.0,
                    free_nats_fall: 0.0,
                    word_dropout: 0.1,
                    bag_of_words: 0.5,
                    beta: 1.0,
                    codes: 1,
                },
            },
            0,
        ),
    ];
    all.into_iter()
        .map(|(name, spec, condition)| {
            let interface = Interface {
                alphabet: ALPHABET,
                side_inputs: SideInputs {
                    prediction: (name == PREDICTING).then(|| Prediction {
                        values: (0..ALPHABET.size).map(|i| i as f32 * 0.05 - 1.0).collect(),
                        order: 3,
                        longest: 9,
                        window: 12,
                        refine: 3,
                        levels: 4,
                    }),
                    lags: if condition > 0 { vec![7] } else { vec![] },
                    clocks: if condition > 0 {
                        vec![Clock {
                            every: 3,
                            states: 5,
                        }]
                    } else {
                        vec![]
                    },
                },
                condition,
            };
            let model = spec.build(interface, 1, &Device::flex());
            (name, spec, model.expect("valid sizes"))
        })
        .collect()
}

fn sequence(network: SequenceConfig) -> ModelSpec {
    ModelSpec::Sequence { network }
}

/// The model as a sequence model.
fn net(model: &Model) -> &dyn SequenceModel {
    model.sequence().expect("a sequence model")
}

/// A copy of the network on `device`.
fn on(net: &Model, device: &Device) -> Model {
    net.clone().to_device(device)
}

fn batch(model: &Model) -> Batch {
    let (rows, time) = (8, 30);
    let tune = |i: usize| (i * i % 37 + i / 50) as u32 % 40;
    let condition = match model {
        Model::SentenceVae(_) => 0,
        model => net(model).interface().condition,
    };
    Batch {
        rows,
        time,
        tokens: (0..rows * time)
            .map(|i| {
                if i % time == 0 {
                    ALPHABET.start
                } else {
                    tune(i - 1)
                }
            })
            .collect(),
        targets: (0..rows * time).map(|i| tune(i) as i32).collect(),
        offsets: (0..rows).collect(),
        condition: (condition > 0).then(|| {
            (0..rows * condition)
                .map(|i| (i % 5) as f32 * 0.5 - 1.0)
                .collect()
        }),
    }
}

fn training(name: &str, spec: &ModelSpec, model: &Model, device: &Device, all: &mut Laws) {
    let recipe = Recipe {
        model: spec.clone(),
        training: TrainerSettings {
            learning_rate: 3e-3,
            warmup: 0,
            report_every: 1,
            first_report: 0,
            patience: 0,
            word_dropout: 0.0,
            optimizer: OptimizerSettings {
                muon: true,
                ..OptimizerSettings::default()
            },
        },
        batches: BatchSettings {
            rows: 8,
            window: 30,
        },
        seed: 3,
    };
    let losses = |device: &Device| -> Vec<f32> {
        let mut task = recipe.task(on(model, device), None).expect("a task");
        (0..STEPS as u64)
            .map(|step| {
                let at = StepContext {
                    step,
                    batch: step,
                    planned: Some(STEPS as u64),
                    learning_rate: recipe.training.learning_rate,
                };
                task.step(batch(model), at).expect("a step").shown() as f32
            })
            .collect()
    };
    let (cpu, gpu) = (losses(&Device::flex()), losses(device));
    let relative = |range: std::ops::Range<usize>| {
        let pairs = cpu[range.clone()].iter().zip(&gpu[range]);
        pairs
            .map(|(a, b)| (a - b).abs() / cpu[0].abs())
            .fold(0.0, worse)
    };
    all.hold(
        &format!("{name}: losses of the first steps"),
        relative(0..10),
        FIRST_STEPS,
    );
    all.hold(
        &format!("{name}: losses until step {STEPS}"),
        relative(10..STEPS),
        LAST_STEPS,
    );
    all.hold(
        &format!("{name}: last loss relative to the first"),
        gpu[STEPS - 1] / gpu[0],
        0.95,
    );
}

/// Compares the steppers of both devices, lane by lane.
fn lanes(name: &str, model: &Model, device: &Device, all: &mut Laws) {
    let (lanes, steps) = (5, 25);
    let condition = net(model).interface().condition;
    let moved = on(model, device);
    let mut steppers = [
        net(model).stepper(lanes).expect("a lane"),
        net(&moved).batched_stepper(lanes).expect("a lane"),
    ];
    let mut largest = 0.0_f32;
    for lane in 0..lanes {
        let given: Vec<f32> = (0..condition)
            .map(|i| ((i + lane) % 3) as f32 - 1.0)
            .collect();
        for stepper in &mut steppers {
            stepper.reset(lane, (condition > 0).then_some(given.as_slice()));
        }
    }
    for step in 0..steps {
        let tokens: Vec<u32> = (0..lanes)
            .map(|lane| ((step * 7 + lane * 3) % 40) as u32)
            .collect();
        let [cpu, gpu] = steppers
            .each_mut()
            .map(|stepper| stepper.step(&tokens).to_vec());
        largest = worse(largest, apart(&cpu, &gpu));
        if step == 12 {
            for stepper in &mut steppers {
                stepper.reset(2, None);
                stepper.gather(&[1, 1, 2, 0, 4]);
            }
        }
    }
    all.hold(
        &format!("{name}: logits step by step, several lanes"),
        largest,
        LOGITS,
    );
}

/// Checks that weights do not change on the way to the device and back.
fn moves(name: &str, model: &Model, device: &Device, all: &mut Laws) {
    let there = on(model, device);
    assert_eq!(
        is_cpu(&device_of(&there)),
        is_cpu(device),
        "the network is not on the device"
    );
    let weights: Vec<Vec<f32>> = parameters(&there).into_iter().map(|p| p.values).collect();
    let back = with_values(model.clone(), weights);
    let same = parameters(&back) == parameters(model);
    all.hold(
        &format!("{name}: weights copied to the device and back, bit for bit"),
        f32::from(u8::from(!same)),
        0.0,
    );
}

// --- making ---

fn making(device: &Device, quick: bool) -> bool {
    let lstm = SequenceConfig::Lstm(RecurrentConfig {
        embedding: 64,
        hidden: 512,
        layers: 1,
        tied: false,
        dropout: 0.0,
        stride: 1,
    });
    let wavenet = |residual, skip| {
        SequenceConfig::WaveNet(WaveNetConfig {
            layers: 20,
            cycle: 10,
            dilations: Vec::new(),
            residual,
            skip,
            head: 128,
        })
    };
    let (pixels, samples) = if quick { (28, 50) } else { (784, 2_000) };
    let many: &[usize] = if quick { &[8] } else { &[1_024, 4_096] };
    for &lanes in many {
        make(
            "LSTM 512, pictures of 28x28",
            &lstm,
            2,
            lanes,
            pixels,
            device,
        );
        make(
            "WaveNet 20 x 32/128, pictures of 28x28",
            &wavenet(32, 128),
            2,
            lanes,
            pixels,
            device,
        );
    }
    let lanes = many[0];
    make(
        "WaveNet 20 x 64/128, streams",
        &wavenet(64, 128),
        256,
        lanes,
        samples,
        device,
    );
    true
}

fn make(
    what: &str,
    config: &SequenceConfig,
    size: usize,
    lanes: usize,
    length: usize,
    device: &Device,
) {
    let interface = Interface {
        alphabet: Alphabet {
            size,
            start: size as u32,
            stop: None,
        },
        side_inputs: SideInputs::default(),
        condition: 0,
    };
    let model = config.build(interface, 1, device).expect("valid sizes");
    let mut stepper = if is_cpu(device) {
        net(&model).stepper(lanes)
    } else {
        net(&model).batched_stepper(lanes)
    }
    .expect("a lane");
    let mut make = |length: usize| {
        let mut items: Vec<Item> = (0..lanes as u64)
            .map(|item| Item {
                stream: None,
                sampler: Sampler::new(Sampling::default(), 1, item).expect("default settings"),
                condition: None,
                prompt: Vec::new(),
            })
            .collect();
        let begun = Instant::now();
        generate_many(&mut *stepper, &mut items, length, &mut |_, _| Ok(())).expect("generation");
        begun.elapsed().as_secs_f64()
    };
    // The first run compiles and tunes the kernels, so it is not timed.
    make(length.min(20));
    let seconds = make(length);
    println!(
        "{}",
        json!({
            "making": what,
            "lanes": lanes,
            "length": length,
            "seconds": seconds,
            "items_per_second": lanes as f64 / seconds,
            "tokens_per_second": (lanes * length) as f64 / seconds,
        })
    );
}
