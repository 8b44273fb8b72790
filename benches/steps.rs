//! Times one training step (forward, backward, AdamW with clipping by the global norm and weight averaging) of eight
//! networks, in milliseconds. `benches/compare` runs it in turns with the same steps in PyTorch.
//!
//! `cargo bench --bench steps -- a 5` runs step (a) five times after two warm-up steps and prints one line of JSON.
//! A third argument `cuda` runs it on a GPU.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::sync::OnceLock;
use std::time::Instant;

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::prelude::*;
use ensuite::internals::{
    AdamW, Alphabet, Batch, DeviceChoice, GateInput, Interface, ModelSpec, OptimizerSettings,
    Prediction, Recipe, Recurrence, Recurrent, RecurrentCell, RecurrentConfig, SequenceModel,
    SideInputs, StepContext, WaveNet, WaveNetConfig, cross_entropy, linear, mean_nll, recurrent,
};
use ensuite::{ImageDecoder, Objective};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    ensuite::keep_memory();
    let arguments: Vec<String> = std::env::args().filter(|a| !a.starts_with("--")).collect();
    let chosen = arguments.get(1).map_or("abcdefgh", String::as_str);
    let repeats = arguments.get(2).and_then(|n| n.parse().ok()).unwrap_or(5);
    if let Some(name) = arguments.get(3) {
        let choice: DeviceChoice = name.parse().expect("a device");
        let chosen = choice.resolve_one().expect("this device");
        DEVICE.set(chosen).expect("chosen once");
    }
    for step in chosen.chars() {
        let times = match step {
            'a' => wavenet(repeats),
            'b' => lstm(repeats),
            'c' => sentence_vae(repeats),
            'd' => image_vae(repeats),
            'e' => gan(Objective::Ns, repeats),
            'f' => gan(Objective::WganGp, repeats),
            'g' => gan(Objective::R3gan, repeats),
            'h' => sample_tier(repeats),
            other => panic!("there is no step {other}: a to h"),
        };
        let times: Vec<String> = times.iter().map(|ms| format!("{ms:.1}")).collect();
        println!(
            "{{\"step\": \"{step}\", \"ms\": [{}], \"peak_mib\": {:.0}}}",
            times.join(", "),
            peak_mib()
        );
    }
}

/// 20 layers, 64 residual, 128 skip, 256 classes, 4 × 4096 samples.
fn wavenet(repeats: usize) -> Vec<f64> {
    sequence_steps(wavenet_of(interface(256)), [4, 4096], None, repeats)
}

/// The same with what the sample tier of a sound at 8 kHz reads besides: conditions that change every 64 samples, and a prediction
/// with its level.
fn sample_tier(repeats: usize) -> Vec<f64> {
    const HOPS: usize = 4 * 64;
    let prediction = Prediction {
        values: (0..256).map(|class| class as f32 / 128.0 - 1.0).collect(),
        order: 16,
        longest: 134,
        window: 160,
        refine: 20,
        levels: 24,
    };
    let (order, width) = (prediction.order, prediction.parameters() + 399);
    let mut conditions = numbers(HOPS * width);
    for (hop, condition) in conditions.chunks_mut(width).enumerate() {
        // The coefficients of a calm filter, a period in every other frame, a power and a level.
        condition[..order].fill(0.01);
        condition[order..order + 3].copy_from_slice(&[(hop % 2) as f32 * 60.0, 0.05, 5.0]);
    }
    let side_inputs = SideInputs {
        prediction: Some(prediction),
        ..SideInputs::default()
    };
    let net = wavenet_of(Interface {
        side_inputs,
        condition: width,
        ..interface(256)
    });
    sequence_steps(net, [4, 4096], Some(conditions), repeats)
}

fn wavenet_of(interface: Interface) -> WaveNet {
    let config = WaveNetConfig {
        layers: 20,
        cycle: 10,
        dilations: Vec::new(),
        residual: 64,
        skip: 128,
        head: 256,
    };
    WaveNet::new(config, interface, 1, &device()).expect("a network")
}

/// Embedding 256, hidden 512, 167 classes, 32 × 400 tokens.
fn lstm(repeats: usize) -> Vec<f64> {
    let config = RecurrentConfig {
        embedding: 256,
        hidden: 512,
        layers: 1,
        tied: false,
        dropout: 0.0,
        stride: 1,
    };
    let net = Recurrent::new(RecurrentCell::Lstm, config, interface(167), 1, &device())
        .expect("a network");
    sequence_steps(net, [32, 400], None, repeats)
}

fn sequence_steps<N: Module + SequenceModel>(
    net: N,
    [rows, time]: [usize; 2],
    condition: Option<Vec<f32>>,
    repeats: usize,
) -> Vec<f64> {
    let device = device().autodiff();
    let classes = net.interface().alphabet.size;
    let tokens = tokens(rows * time, classes);
    let batch = Batch {
        rows,
        time,
        targets: tokens.iter().map(|&t| t as i32).collect(),
        tokens,
        offsets: Vec::new(),
        condition,
    };
    timed(net.train(), repeats, |net, step| {
        mean_nll(net, &batch, step, &device)
    })
}

const WORDS: usize = 10_000;
const WIDTH: usize = 256;
const CODE: usize = 32;

/// A GRU encodes a sentence to a Gaussian latent code and another GRU decodes it. Embedding 256, 32 × 30 words,
/// vocabulary of 10,000.
#[derive(Module, Debug)]
struct SentenceVae {
    embedding: Param<Tensor<2>>,
    encoder: Gru,
    decoder: Gru,
    /// `[256, 2 · 32]`: mean and log variance.
    code: Param<Tensor<2>>,
    code_bias: Param<Tensor<1>>,
    /// `[32, 256]` and `[32, 3 · 256]`: the latent code sets the first state and is an input of every step.
    initial: Param<Tensor<2>>,
    conditioning: Param<Tensor<2>>,
    logits: Param<Tensor<2>>,
    logits_bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Gru {
    input: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    recurrent: Param<Tensor<2>>,
    recurrent_bias: Param<Tensor<1>>,
}

impl Gru {
    fn new() -> Self {
        Self {
            input: weights([WIDTH, 3 * WIDTH]),
            bias: weights([3 * WIDTH]),
            recurrent: weights([WIDTH, 3 * WIDTH]),
            recurrent_bias: weights([WIDTH]),
        }
    }

    fn run(
        &self,
        x: Tensor<2>,
        condition: Option<Tensor<2>>,
        initial: Tensor<2>,
        time: usize,
    ) -> Tensor<2> {
        let input = linear(x, self.input.val(), self.bias.val(), false);
        let recurrence = Recurrence {
            cell: RecurrentCell::Gru,
            weight: self.recurrent.val(),
            bias: Some(self.recurrent_bias.val()),
        };
        recurrent(
            &recurrence,
            GateInput::Rows(input),
            condition,
            initial,
            time,
        )
    }
}

fn sentence_vae(repeats: usize) -> Vec<f64> {
    let (rows, time) = (32, 30);
    let net = SentenceVae {
        embedding: weights([WORDS, WIDTH]),
        encoder: Gru::new(),
        decoder: Gru::new(),
        code: weights([WIDTH, 2 * CODE]),
        code_bias: weights([2 * CODE]),
        initial: weights([CODE, WIDTH]),
        conditioning: weights([CODE, 3 * WIDTH]),
        logits: weights([WIDTH, WORDS]),
        logits_bias: weights([WORDS]),
    };
    let device = device().autodiff();
    let words: Vec<i32> = tokens(rows * time, WORDS)
        .iter()
        .map(|&t| t as i32)
        .collect();
    let noise =
        Tensor::<2>::from_data(TensorData::new(numbers(rows * CODE), [rows, CODE]), &device);
    timed(net.train(), repeats, |net, _| {
        let tokens =
            Tensor::<1, Int>::from_data(TensorData::new(words.clone(), [rows * time]), &device);
        let x = ensuite::internals::embedding(net.embedding.val(), vec![tokens]);
        let nothing = Tensor::zeros([rows, WIDTH], &device);
        let states = net.encoder.run(x.clone(), None, nothing, time);
        let last = states
            .reshape([rows, time, WIDTH])
            .narrow(1, time - 1, 1)
            .reshape([rows, WIDTH]);
        let code = linear(last, net.code.val(), net.code_bias.val(), false);
        let (mean, log_variance) = (code.clone().narrow(1, 0, CODE), code.narrow(1, CODE, CODE));
        let z = mean.clone() + (log_variance.clone() * 0.5).exp() * noise.clone();
        let divergence =
            (log_variance.clone().exp() + mean.powi_scalar(2) - log_variance - 1.0).sum() * 0.5;
        let initial = z.clone().matmul(net.initial.val()).tanh();
        let condition = z.matmul(net.conditioning.val());
        let states = net.decoder.run(x, Some(condition), initial, time);
        let logits = linear(states, net.logits.val(), net.logits_bias.val(), false);
        (cross_entropy(logits, &words) + divergence) / rows as f64
    })
}

/// 64 pictures of 28×28 in black and white; convolutions of 32 and 64 channels, a dense layer of 256, codes of 32 numbers.
/// Everything that a step of `train image-vae` does.
fn image_vae(repeats: usize) -> Vec<f64> {
    const SIDE: usize = 28;
    let mut recipe = Recipe::image_vae("small", ImageDecoder::Conv, [SIDE, SIDE]).expect("small");
    if let ModelSpec::ImageVae { network, .. } = &mut recipe.model {
        network.latent = 32;
    }
    whole_task(&recipe, 2, repeats)
}

/// 64 grey pictures of 28×28 of no class; both networks with convolutions of 64 and 128 channels and a dense layer of 1,024 (Lucic
/// et al. 2018, table 5); one update of the discriminator and one of the generator. Everything that a step of `train gan` does.
fn gan(objective: Objective, repeats: usize) -> Vec<f64> {
    let greys = (0..=255).map(|grey| [grey; 3]).collect();
    let mut recipe = Recipe::gan("medium", objective, [28, 28], greys).expect("medium");
    if let ModelSpec::Gan { adversarial, .. } = &mut recipe.model {
        adversarial.discriminator_steps = 1;
    }
    whole_task(&recipe, 256, repeats)
}

/// Times whole steps of a recipe on pictures of 28×28 in random colours.
fn whole_task(recipe: &Recipe, colors: usize, repeats: usize) -> Vec<f64> {
    const PIXELS: usize = 28 * 28;
    let model = recipe.model.build(interface(colors), 1, &device());
    let mut task = recipe
        .task(model.expect("a network"), None)
        .expect("a task");
    let rows = recipe.batches.rows;
    let pictures = tokens(rows * PIXELS, colors);
    let pictures: Vec<&[u32]> = pictures.chunks(PIXELS).collect();
    let batch = Batch::of(&pictures, &vec![&[][..]; rows], interface(colors).alphabet);
    let mut times = Vec::new();
    for step in 0..repeats as u64 + 2 {
        let begun = Instant::now();
        let at = StepContext {
            step,
            batch: step,
            planned: Some(1000),
            learning_rate: 1e-3,
        };
        task.step(batch.clone(), at).expect("a step");
        device().sync().expect("a device at work");
        if step >= 2 {
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    times
}

fn timed<N: Module>(mut net: N, repeats: usize, loss: impl Fn(&N, u64) -> Tensor<1>) -> Vec<f64> {
    let mut optimizer = AdamW::new(&net);
    let settings = OptimizerSettings::default();
    let mut times = Vec::new();
    for step in 0..repeats + 2 {
        let begun = Instant::now();
        let gradients = GradientsParams::from_grads(loss(&net, step as u64).backward(), &net);
        (net, _) = optimizer.step(net.clone(), gradients, 1e-3, &settings);
        device().sync().expect("a device at work");
        if step >= 2 {
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    times
}

/// The device of all tensors. Default: the CPU.
static DEVICE: OnceLock<Device> = OnceLock::new();

fn device() -> Device {
    DEVICE.get_or_init(Device::flex).clone()
}

fn interface(size: usize) -> Interface {
    Interface {
        alphabet: Alphabet {
            size,
            start: 0,
            stop: None,
        },
        side_inputs: SideInputs::default(),
        condition: 0,
    }
}

fn numbers(count: usize) -> Vec<f32> {
    let mut state = 7_u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn tokens(count: usize, classes: usize) -> Vec<u32> {
    numbers(count)
        .iter()
        .map(|x| ((x + 1.0) * 0.5 * classes as f32) as u32)
        .collect()
}

fn weights<const D: usize>(shape: [usize; D]) -> Param<Tensor<D>> {
    let values = numbers(shape.iter().product())
        .iter()
        .map(|x| x / (shape[0] as f32).sqrt())
        .collect::<Vec<f32>>();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &device()))
}

/// Peak resident memory of this process in MiB; 0 if the system does not report it.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
