/*! Every fused operation against its composed form: values and the gradients of all inputs. Tests only. */

use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

/// Of the largest value.
const TOLERANCE: f32 = 1e-4;

struct Numbers(ChaCha8Rng);

impl Numbers {
    fn new() -> Self {
        Self(ChaCha8Rng::seed_from_u64(11))
    }

    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| (self.0.next_u32() >> 8) as f32 / 8_388_608.0 - 1.0)
            .collect();
        let device = Device::flex().autodiff();
        Tensor::from_data(TensorData::new(values, shape), &device).require_grad()
    }
}

fn assert_close<const D: usize>(a: &Tensor<D>, b: &Tensor<D>, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}: shapes");
    let values = |tensor: &Tensor<D>| tensor.to_data().try_into_vec::<f32>().expect("f32");
    let (a, b) = (values(a), values(b));
    let largest = a.iter().chain(&b).fold(1e-6_f32, |m, x| m.max(x.abs()));
    let apart = a
        .iter()
        .zip(&b)
        .fold(0.0_f32, |m, (x, y)| m.max((x - y).abs()));
    assert!(
        apart <= TOLERANCE * largest,
        "{what}: {apart} apart, largest {largest}"
    );
}

/// Runs both forms on the same tensors and compares outputs and, through a fixed random projection, gradients.
macro_rules! agree {
    ($what:expr, $fused:expr, $composed:expr, $($input:ident),+) => {{
        let (fused, composed) = ($fused, $composed);
        assert_close(&fused, &composed, concat!($what, ": output"));
        let weights = Numbers(ChaCha8Rng::seed_from_u64(5)).tensor(fused.dims()).detach();
        let a = (fused * weights.clone()).sum().backward();
        let b = (composed * weights).sum().backward();
        $(
            let left = $input.grad(&a).expect(concat!($what, ": fused gradient of ", stringify!($input)));
            let right = $input.grad(&b).expect(concat!($what, ": composed gradient of ", stringify!($input)));
            assert_close(&left, &right, concat!($what, ": gradient of ", stringify!($input)));
        )+
    }};
}

#[test]
fn residual_stack_agrees_with_its_composed_form() {
    let mut numbers = Numbers::new();
    // A dilation longer than the sequence sees only zeros.
    for (batch, time, r, s, dilations) in [
        (3, 11, 5, 7, vec![1, 2, 4, 16]),
        (2, 300, 32, 48, vec![1, 2, 64]),
        (1, 1, 2, 3, vec![1]),
    ] {
        let layers = dilations.len();
        let x = numbers.tensor([batch * time, r]);
        let conv = numbers.tensor([layers, 2 * r, 2 * r]);
        let conv_bias = numbers.tensor([layers, 2 * r]);
        let out = numbers.tensor([layers, r, r + s]);
        let out_bias = numbers.tensor([layers, r + s]);
        let steering = numbers.tensor([batch, layers * 2 * r]);
        let weights = ResidualStack {
            conv: conv.clone(),
            conv_bias: conv_bias.clone(),
            out: out.clone(),
            out_bias: out_bias.clone(),
        };
        agree!(
            "conditioned stack",
            residual_stack(
                x.clone(),
                &weights,
                Some(steering.clone()),
                &dilations,
                time
            ),
            super::wavenet::composed(
                x.clone(),
                &weights,
                Some(steering.clone()),
                &dilations,
                time
            ),
            x,
            conv,
            conv_bias,
            out,
            out_bias,
            steering
        );
        agree!(
            "stack",
            residual_stack(x.clone(), &weights, None, &dilations, time),
            super::wavenet::composed(x.clone(), &weights, None, &dilations, time),
            x,
            conv,
            conv_bias,
            out,
            out_bias
        );
    }
}

#[test]
fn linear_agrees_with_its_composed_form() {
    let mut numbers = Numbers::new();
    let (x, weight, bias) = (
        numbers.tensor([37, 9]),
        numbers.tensor([9, 13]),
        numbers.tensor([13]),
    );
    for relu in [false, true] {
        agree!(
            "linear",
            linear(x.clone(), weight.clone(), bias.clone(), relu),
            super::linear::composed(x.clone(), weight.clone(), bias.clone(), relu),
            x,
            weight,
            bias
        );
    }
}

#[test]
fn embedding_agrees_with_its_composed_form() {
    let mut numbers = Numbers::new();
    let table = numbers.tensor([7, 5]);
    let sources = || -> Vec<Tensor<1, Int>> {
        [[0, 6, 6, 2, 1, 3], [4, 4, 4, 0, 6, 5]]
            .map(|rows| Tensor::from_data(rows, &Device::flex().autodiff()))
            .into()
    };
    agree!(
        "embedding",
        embedding(table.clone(), sources()),
        super::embedding::composed(table.clone(), sources()),
        table
    );
}

#[test]
fn cross_entropy_agrees_with_its_composed_form() {
    let mut numbers = Numbers::new();
    let logits = numbers.tensor([6, 10]) * 5.0;
    let logits = logits.detach().require_grad();
    let targets = [3, IGNORED, 0, 9, IGNORED, 9];
    agree!(
        "cross entropy",
        cross_entropy(logits.clone(), &targets),
        super::cross_entropy::composed(logits.clone(), &targets),
        logits
    );
    let all_ignored = cross_entropy(logits.clone(), &[IGNORED; 6]);
    assert_eq!(all_ignored.into_scalar::<f32>(), 0.0);
}

/// Batch, time and hidden units of the recurrent layers compared; LSTM and GRU of each.
fn recurrent_cases() -> impl Iterator<Item = (usize, usize, usize, bool)> {
    [(3, 7, 5), (2, 1, 4), (4, 20, 24)]
        .into_iter()
        .flat_map(|(batch, time, hidden)| [false, true].map(|gru| (batch, time, hidden, gru)))
}

#[test]
fn recurrent_layers_over_rows_agree_with_their_composed_form() {
    let mut numbers = Numbers::new();
    for (batch, time, hidden, gru) in recurrent_cases() {
        let width = if gru { 3 } else { 4 } * hidden;
        let bias = numbers.tensor([hidden]);
        let cell = if gru { Cell::Gru { bias } } else { Cell::Lstm };
        let rows = numbers.tensor([batch * time, width]);
        let u = numbers.tensor([hidden, width]);
        let h = numbers.tensor([batch, hidden]);
        let c = numbers.tensor([batch, width]);
        let input = GateInput::Rows(rows.clone());
        agree!(
            "recurrent rows",
            recurrent(&cell, input, Some(c.clone()), u.clone(), h.clone(), time),
            super::recurrent::composed(
                &cell,
                rows.clone(),
                None,
                Some(c.clone()),
                u.clone(),
                h.clone(),
                time
            ),
            rows,
            u,
            h,
            c
        );
    }
}

#[test]
fn recurrent_layers_over_a_table_agree_with_their_composed_form() {
    let mut numbers = Numbers::new();
    for (batch, time, hidden, gru) in recurrent_cases() {
        let width = if gru { 3 } else { 4 } * hidden;
        let bias = numbers.tensor([hidden]);
        let cell = if gru {
            Cell::Gru { bias: bias.clone() }
        } else {
            Cell::Lstm
        };
        let table = numbers.tensor([9, width]);
        let u = numbers.tensor([hidden, width]);
        let h = numbers.tensor([batch, hidden]);
        let c = numbers.tensor([batch, width]);
        let tokens = || {
            let tokens: Vec<i32> = (0..batch * time).map(|i| (i * 5 % 9) as i32).collect();
            let device = Device::flex().autodiff();
            Tensor::<1, Int>::from_data(TensorData::new(tokens, [batch * time]), &device)
        };
        let fused = |condition: Option<Tensor<2>>| {
            let input = GateInput::Table(table.clone(), tokens());
            recurrent(&cell, input, condition, u.clone(), h.clone(), time)
        };
        let composed = |condition: Option<Tensor<2>>| {
            super::recurrent::composed(
                &cell,
                table.clone(),
                Some(tokens()),
                condition,
                u.clone(),
                h.clone(),
                time,
            )
        };
        agree!(
            "recurrent table",
            fused(Some(c.clone())),
            composed(Some(c.clone())),
            table,
            u,
            h,
            c
        );
        agree!(
            "recurrent without condition",
            fused(None),
            composed(None),
            table,
            u,
            h
        );
        if gru {
            agree!("recurrent bias", fused(None), composed(None), bias);
        }
    }
}
