//! The lecture's comparison of a GAN and a VAE on mixtures of two-dimensional Gaussians (Hung-yi Lee, Machine Learning and having
//! it deep and structured, 2018): a VAE puts points between the modes, a GAN may lose modes. Prints how many modes are found
//! and how many points are near one (Lin et al. 2018, "PacGAN", §4.1), and draws both.
//!
//! usage: mixtures SHEET.png [OBJECTIVE] [RUNS] [STEPS]     (default: r3gan 10 100000)

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::f64::consts::TAU;
use std::path::PathBuf;
use std::thread;

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::activation::leaky_relu;
use ensuite::Objective;
use ensuite::internals::{
    AdamW, ContactSheet, Normals, OptimizerSettings, Picture, linear, loss_of_discriminator,
    loss_of_generator,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SLOPE: f64 = 0.2;
const HIDDEN: usize = 64;
const NOISE: usize = 2;
const BATCH: usize = 128;
/// Points that are judged.
const POINTS: usize = 2500;
/// γ of r3gan at the start, which falls to a tenth.
const PENALTY: f64 = 0.02;
/// The side of a drawing in pixels.
const SIDE: u32 = 320;

/// Gaussians of equal weight.
struct Mixture {
    name: &'static str,
    centers: Vec<[f64; 2]>,
    deviation: f64,
    /// The largest coordinate that is drawn.
    reach: f64,
}

/// A small network of dense layers with leaky ReLUs between them.
#[derive(Module, Debug)]
struct Mlp {
    weights: Vec<Param<Tensor<2>>>,
    biases: Vec<Param<Tensor<1>>>,
}

/// A VAE with a normal decoder, whose deviation is learned.
#[derive(Module, Debug)]
struct Vae {
    encoder: Mlp,
    decoder: Mlp,
    log_deviation: Param<Tensor<1>>,
}

/// How well points match a mixture.
struct Found {
    modes: usize,
    near: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    ensuite::keep_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let sheet = PathBuf::from(
        arguments
            .first()
            .ok_or("usage: mixtures SHEET.png [OBJECTIVE] [RUNS] [STEPS]")?,
    );
    let objective = Objective::named(arguments.get(1).map_or("r3gan", String::as_str))?;
    let number = |at: usize, usual: u64| arguments.get(at).map_or(Ok(usual), |text| text.parse());
    let (runs, steps) = (number(2, 10)?, number(3, 100_000)?);
    let ring = (0..8).map(|mode| TAU * f64::from(mode) / 8.0);
    let grid = (0..25).map(|mode| [mode / 5, mode % 5].map(|at| 2.0 * f64::from(at) - 4.0));
    let mixtures = [
        Mixture {
            name: "ring",
            centers: ring.map(|angle| [angle.cos(), angle.sin()]).collect(),
            deviation: 0.01,
            reach: 1.4,
        },
        Mixture {
            name: "grid",
            centers: grid.collect(),
            deviation: 0.05,
            reach: 5.5,
        },
    ];
    let mut pictures = Vec::new();
    for mixture in &mixtures {
        let all = mixture.centers.len();
        let real = mixture.points(POINTS, *b"real    ", 0);
        println!(
            "{}: {all} modes; real points: {}",
            mixture.name,
            mixture.judge(&real)
        );
        pictures.push(mixture.draw(&real));
        // So small a network keeps one core busy at most.
        let made: Vec<_> = thread::scope(|scope| {
            let run = |seed| scope.spawn(move || mixture.gan(objective, seed, steps));
            let runs: Vec<_> = (1..=runs).map(run).collect();
            let points = |run: thread::ScopedJoinHandle<_>| run.join().expect("points");
            runs.into_iter().map(points).collect()
        });
        let found: Vec<_> = made.iter().map(|made| mixture.judge(made)).collect();
        for (judged, seed) in found.iter().zip(1..) {
            println!("  GAN, seed {seed}: {judged}");
        }
        pictures.extend(made.first().map(|made| mixture.draw(made)));
        let mean = |of: &dyn Fn(&Found) -> f64| found.iter().map(of).sum::<f64>() / runs as f64;
        let (modes, near) = (mean(&|found| found.modes as f64), mean(&|found| found.near));
        println!("  GAN, mean: {modes:.1} modes, {:.1} % near", 100.0 * near);
        let made = mixture.vae(1, steps);
        println!("  VAE: {}", mixture.judge(&made));
        pictures.push(mixture.draw(&made));
    }
    ContactSheet::grid(pictures, Some(3)).write_png(&sheet)?;
    println!("real points, GAN, VAE: {}", sheet.display());
    Ok(())
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} modes, {:.1} % near", self.modes, 100.0 * self.near)
    }
}

impl Mixture {
    /// Points of the mixture, in units in which a network learns them fast: most are within −6 and 6.
    fn points(&self, count: usize, purpose: [u8; 8], item: u64) -> Vec<f32> {
        let mut normals = Normals::new(purpose, 1, item);
        let numbers = normals.code(3 * count);
        let point = |numbers: &[f32]| {
            // A normal number far behind its point is as good as uniform.
            let mode = (f64::from(numbers[2]).abs() * 1e5) as usize % self.centers.len();
            let center = self.centers[mode];
            [0, 1].map(|axis| {
                let place = center[axis] + self.deviation * f64::from(numbers[axis]);
                (place / self.scale()) as f32
            })
        };
        numbers.chunks(3).flat_map(point).collect()
    }

    fn scale(&self) -> f64 {
        0.15 * self.reach
    }

    fn judge(&self, points: &[f32]) -> Found {
        let mut hits = vec![0; self.centers.len()];
        for point in points.chunks(2) {
            let away = |center: &[f64; 2]| {
                let part = |axis: usize| f64::from(point[axis]) * self.scale() - center[axis];
                part(0).hypot(part(1))
            };
            let near = |center: &[f64; 2]| away(center) < 3.0 * self.deviation;
            if let Some(mode) = self.centers.iter().position(near) {
                hits[mode] += 1;
            }
        }
        Found {
            modes: hits.iter().filter(|&&hits| hits > 0).count(),
            near: f64::from(hits.iter().sum::<u32>()) / (points.len() / 2) as f64,
        }
    }

    /// Points of a GAN's averaged generator.
    fn gan(&self, objective: Objective, seed: u64, steps: u64) -> Vec<f32> {
        let mut random = Normals::new(*b"weights ", seed, 0);
        let mut generator = Mlp::new(&[NOISE, HIDDEN, HIDDEN, HIDDEN, 2], &mut random);
        let mut discriminator = Mlp::new(&[2, HIDDEN, HIDDEN, HIDDEN, 1], &mut random);
        let [mut of_generator, mut of_discriminator] = [&generator, &discriminator].map(AdamW::new);
        let settings = OptimizerSettings {
            beta1: 0.5,
            beta2: 0.99,
            clip_norm: 1e6,
            ..OptimizerSettings::default()
        };
        let noise =
            |purpose, step| tensor(Normals::new(purpose, seed, step).code(BATCH * NOISE), NOISE);
        for step in 0..steps {
            let progress = step as f64 / steps as f64;
            let rate = 4e-3 * (1.0 - progress).max(0.01);
            let real = tensor(self.points(BATCH, *b"batch   ", seed << 32 | step), 2);
            let made = generator.of(&noise(*b"noise  D", step)).output.detach();
            let both = Tensor::cat(vec![real.clone(), made], 0);
            let judged = discriminator.of(&both);
            let [r, f] = [0, 1].map(|half| judged.output.clone().narrow(0, half * BATCH, BATCH));
            let [r, f] = [r, f].map(|scores| scores.reshape([BATCH]));
            let mut loss = loss_of_discriminator(objective, r, f, 0.0);
            if objective == Objective::R3gan {
                let gradient = discriminator.input_gradient(&judged);
                let squares = (gradient.clone() * gradient).sum_dim(1).mean();
                loss = loss + squares * (PENALTY * 0.1_f64.powf(progress));
            }
            let gradients = GradientsParams::from_grads(loss.backward(), &discriminator);
            (discriminator, _) = of_discriminator.step(discriminator, gradients, rate, &settings);
            let judge = discriminator.clone().no_grad();
            let made = generator.of(&noise(*b"noise  G", step)).output;
            let score = |points: &Tensor<2>| judge.of(points).output.reshape([BATCH]);
            let of_real = (objective == Objective::R3gan).then(|| score(&real));
            let loss = loss_of_generator(objective, of_real, score(&made));
            let gradients = GradientsParams::from_grads(loss.backward(), &generator);
            (generator, _) = of_generator.step(generator, gradients, rate, &settings);
        }
        let noise = Normals::new(*b"made    ", seed, 0).code(POINTS * NOISE);
        values(
            of_generator
                .averaged(&generator)
                .of(&plain(noise, NOISE))
                .output,
        )
    }

    /// Points of a VAE's averaged decoder.
    fn vae(&self, seed: u64, steps: u64) -> Vec<f32> {
        let mut random = Normals::new(*b"weights ", seed, 0);
        let mut vae = Vae {
            encoder: Mlp::new(&[2, HIDDEN, HIDDEN, HIDDEN, 2 * NOISE], &mut random),
            decoder: Mlp::new(&[NOISE, HIDDEN, HIDDEN, HIDDEN, 2], &mut random),
            // From 1 on, the code would never be used.
            log_deviation: Param::from_tensor(Tensor::full([1], -2.5, &device())),
        };
        let mut optimizer = AdamW::new(&vae);
        let settings = OptimizerSettings::default();
        for step in 0..steps {
            let rate = 1e-3 * (1.0 - step as f64 / steps as f64).max(0.01);
            let points = tensor(self.points(BATCH, *b"batch   ", seed << 32 | step), 2);
            let code = vae.encoder.of(&points).output;
            let [mean, log_variance] = [0, NOISE].map(|from| code.clone().narrow(1, from, NOISE));
            let noise = tensor(
                Normals::new(*b"codes   ", seed, step).code(BATCH * NOISE),
                NOISE,
            );
            let z = mean.clone() + (log_variance.clone() * 0.5).exp() * noise;
            let away = points - vae.decoder.of(&z).output;
            let log_deviation: Tensor<2> = vae.log_deviation.val().clamp(-6.0, 2.0).unsqueeze();
            let precision = (log_deviation.clone() * -2.0).exp();
            let error = ((away.clone() * away * precision) * 0.5 + log_deviation).sum();
            let kl = (log_variance.clone().exp() + mean.clone() * mean - log_variance - 1.0).sum();
            let loss = (error + kl * 0.5) / BATCH as f64;
            let gradients = GradientsParams::from_grads(loss.backward(), &vae);
            (vae, _) = optimizer.step(vae, gradients, rate, &settings);
        }
        let vae = optimizer.averaged(&vae);
        let mut normals = Normals::new(*b"made    ", seed, 0);
        let means = vae
            .decoder
            .of(&plain(normals.code(POINTS * NOISE), NOISE))
            .output;
        let deviation = values(vae.log_deviation.val())[0].exp();
        let noise = normals.code(POINTS * 2);
        values(means)
            .iter()
            .zip(noise)
            .map(|(mean, noise)| mean + deviation * noise)
            .collect()
    }

    /// Points as dots, the centres as crosses.
    fn draw(&self, points: &[f32]) -> Picture {
        let mut picture = Picture::filled(SIDE, SIDE, [255; 3]);
        let mut dot = |[x, y]: [f64; 2], color| {
            let at = |place: f64| (f64::midpoint(place / self.reach, 1.0) * f64::from(SIDE)) as i64;
            let (x, y) = (at(x), i64::from(SIDE) - 1 - at(y));
            let inside = |place: i64| (0..i64::from(SIDE)).contains(&place);
            if inside(x) && inside(y) {
                picture.pixels[(y * i64::from(SIDE) + x) as usize] = color;
            }
        };
        for center in &self.centers {
            for step in -3..=3 {
                let arm = f64::from(step) * 2.0 * self.reach / f64::from(SIDE);
                dot([center[0] + arm, center[1]], [230, 160, 160]);
                dot([center[0], center[1] + arm], [230, 160, 160]);
            }
        }
        for point in points.chunks(2) {
            dot(
                [point[0], point[1]].map(|x| f64::from(x) * self.scale()),
                [20, 60, 160],
            );
        }
        picture
    }
}

/// What a network computed.
struct Computed {
    output: Tensor<2>,
    /// Before each leaky ReLU.
    hidden: Vec<Tensor<2>>,
}

impl Mlp {
    fn new(widths: &[usize], random: &mut Normals) -> Self {
        let layers = widths.windows(2);
        let weight = |sizes: &[usize]| {
            let scale = (2.0 / sizes[0] as f64).sqrt() as f32;
            let numbers = random.code(sizes[0] * sizes[1]);
            let scaled: Vec<f32> = numbers.iter().map(|number| scale * number).collect();
            let data = TensorData::new(scaled, [sizes[0], sizes[1]]);
            Param::from_tensor(Tensor::from_data(data, &device()))
        };
        let bias = |sizes: &[usize]| Param::from_tensor(Tensor::zeros([sizes[1]], &device()));
        Self {
            weights: layers.clone().map(weight).collect(),
            biases: layers.map(bias).collect(),
        }
    }

    fn of(&self, x: &Tensor<2>) -> Computed {
        let mut output = x.clone();
        let mut hidden: Vec<Tensor<2>> = Vec::new();
        for (index, (weight, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            if index > 0 {
                hidden.push(output.clone());
                output = leaky_relu(output, SLOPE);
            }
            output = linear(output, weight.val(), bias.val(), false);
        }
        Computed { output, hidden }
    }

    /// The gradient of the only output by the input, in operations that a loss may depend on.
    fn input_gradient(&self, computed: &Computed) -> Tensor<2> {
        let rows = computed.output.dims()[0];
        let mut delta = Tensor::ones([rows, 1], &computed.output.device());
        for (index, weight) in self.weights.iter().enumerate().rev() {
            delta = delta.matmul(weight.val().transpose());
            if index > 0 {
                let above = computed.hidden[index - 1]
                    .clone()
                    .detach()
                    .greater_elem(0.0)
                    .float();
                delta = delta * (above * (1.0 - SLOPE) + SLOPE);
            }
        }
        delta
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn tensor(values: Vec<f32>, width: usize) -> Tensor<2> {
    let shape = [values.len() / width, width];
    Tensor::from_data(TensorData::new(values, shape), &device())
}

fn plain(values: Vec<f32>, width: usize) -> Tensor<2> {
    tensor(values, width).inner()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("floats")
}
