//! Measures generation in samples per second on one core, sampling included: one stream in f32, one in int8, and
//! sixteen lanes in int8.
//!
//! `cargo bench --bench making`

#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use burn::prelude::*;
use ensuite::internals::{
    Alphabet, Conditions, Interface, Recurrent, RecurrentCell, RecurrentConfig, Sampler, Sampling,
    SequenceModel, SideInputs, Stepper, Token, WaveNet, WaveNetConfig,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of layers, residual channels and skip channels.
const SHAPES: [(usize, usize, usize); 3] = [(20, 32, 128), (20, 64, 128), (40, 64, 256)];

fn main() {
    println!("| network | f32 | int8 | int8, 16 lanes together |");
    println!("|---|---|---|---|");
    for (layers, residual, skip) in SHAPES {
        let config = WaveNetConfig {
            layers,
            cycle: 10,
            dilations: Vec::new(),
            residual,
            skip,
            head: 256,
        };
        let net = WaveNet::new(config, interface(), 1, &Device::flex()).expect("a network");
        let tokens: Vec<Token> = (0..2000).map(|i| i * i % 256).collect();
        let calibration = net
            .calibrate(&[(&tokens, Conditions::default())])
            .expect("tokens of the alphabet");
        let calibration = calibration.expect("a WaveNet has an int8 stepper");
        let int8 = |lanes| net.int8_stepper(&calibration, lanes).expect("a stepper");
        println!(
            "| WaveNet {layers} × {residual}/{skip} | {} | {} | {} |",
            speed(&mut *net.stepper(1).expect("a stepper")),
            speed(&mut *int8(1)),
            speed(&mut *int8(16)),
        );
    }
    let config = RecurrentConfig {
        embedding: 64,
        hidden: 512,
        layers: 1,
        tied: false,
        dropout: 0.0,
        stride: 1,
    };
    let net = Recurrent::new(RecurrentCell::Lstm, config, interface(), 1, &Device::flex())
        .expect("a network");
    println!(
        "| LSTM 512 | {} | | |",
        speed(&mut *net.stepper(1).expect("a stepper"))
    );
}

/// Samples per second over all lanes: the best of several runs, to reduce the effect of other programs.
fn speed(stepper: &mut dyn Stepper) -> u64 {
    const STRETCH: Duration = Duration::from_millis(300);
    let lanes = stepper.lanes();
    let classes = stepper.alphabet().size;
    let sampler =
        |lane| Sampler::new(Sampling::default(), 1, lane as u64).expect("default settings");
    let mut samplers: Vec<Sampler> = (0..lanes).map(sampler).collect();
    let mut tokens = vec![stepper.alphabet().start; lanes];
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let begun = Instant::now();
        let mut steps = 0;
        while begun.elapsed() < STRETCH {
            for _ in 0..100 {
                let logits = stepper.step(&tokens);
                for ((token, sampler), logits) in tokens
                    .iter_mut()
                    .zip(&mut samplers)
                    .zip(logits.chunks(classes))
                {
                    *token = sampler.choose(logits);
                }
            }
            steps += 100;
        }
        best = best.max((steps * lanes) as f64 / begun.elapsed().as_secs_f64());
    }
    best as u64
}

fn interface() -> Interface {
    Interface {
        alphabet: Alphabet {
            size: 256,
            start: 256,
            stop: None,
        },
        side_inputs: SideInputs::default(),
        condition: 0,
    }
}
