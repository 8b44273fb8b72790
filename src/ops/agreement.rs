/*!
Compares both forms of every operation with burn's autodiff: the values, and the gradients of all inputs. Tests only.
*/

use burn::prelude::*;
use burn::tensor::activation;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::kernels::RecurrentCell;
use crate::ops::convolution::{Direction, composed as composed_convolution};
use crate::ops::form::testing;
use crate::ops::*;

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

/// The result of the fused form, then of the composed form.
fn both<const D: usize>(run: impl Fn() -> Tensor<D>) -> [Tensor<D>; 2] {
    [run(), testing::composed(&run)]
}

/// Compares outputs and, through a fixed random projection, gradients with those of the reference.
macro_rules! agree {
    ($what:expr, $ours:expr, $reference:expr, $($input:ident),+) => {{
      for fused in both(|| $ours) {
        let composed = $reference;
        assert_close(&fused, &composed, concat!($what, ": output"));
        let weights = Numbers(ChaCha8Rng::seed_from_u64(5)).tensor(fused.dims()).detach();
        let a = (fused * weights.clone()).sum().backward();
        let b = (composed * weights).sum().backward();
        $(
            let left = $input.grad(&a).expect(concat!($what, ": fused gradient of ", stringify!($input)));
            let right = $input.grad(&b).expect(concat!($what, ": composed gradient of ", stringify!($input)));
            assert_close(&left, &right, concat!($what, ": gradient of ", stringify!($input)));
        )+
      }
    }};
}

#[test]
fn windows_agree_with_their_definition() {
    let mut numbers = Numbers::new();
    for (rows, classes, levels) in [(7, 5, 3), (300, 16, 2), (1, 1, 1)] {
        let x = numbers.tensor([rows, classes]);
        let table = numbers.tensor([levels, 2 * classes - 1]);
        let places: Vec<_> = (0..rows).map(|i| (i % levels, i * i % classes)).collect();
        let reference = || {
            let of_row = |&(level, class): &(usize, usize)| {
                let row: Tensor<2> = table.clone().narrow(0, level, 1);
                row.narrow(1, classes - 1 - class, classes)
            };
            x.clone() + Tensor::cat(places.iter().map(of_row).collect(), 0)
        };
        agree!(
            "windows",
            add_windows(x.clone(), table.clone(), &places),
            reference(),
            x,
            table
        );
    }
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
        let condition = numbers.tensor([batch, layers * 2 * r]);
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
                Some(condition.clone()),
                &dilations,
                time
            ),
            crate::ops::wavenet::composed(
                x.clone(),
                &weights,
                Some(condition.clone()),
                &dilations,
                time
            ),
            x,
            conv,
            conv_bias,
            out,
            out_bias,
            condition
        );
        agree!(
            "stack",
            residual_stack(x.clone(), &weights, None, &dilations, time),
            crate::ops::wavenet::composed(x.clone(), &weights, None, &dilations, time),
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
            crate::ops::linear::composed(x.clone(), weight.clone(), bias.clone(), relu),
            x,
            weight,
            bias
        );
    }
}

#[test]
fn convolutions_agree_with_their_composed_forms() {
    let mut numbers = Numbers::new();
    for (pictures, sides, channels, kernel, stride, padding) in [
        (2, [7, 5], [3, 4], 3, 1, 1),
        (3, [7, 9], [5, 1], 4, 2, 1),
        (2, [6, 7], [1, 64], 5, 3, 2),
        (2, [8, 8], [2, 3], 2, 2, 0),
    ] {
        let shape = ConvolutionShape {
            pictures,
            sides,
            channels,
            kernel,
            stride,
            padding,
        };
        let [of_wide, of_narrow] = shape.floats();
        let wide = numbers.tensor([pictures, of_wide]);
        let narrow = numbers.tensor([pictures, of_narrow]);
        let weight = numbers.tensor([shape.depth(), channels[1]]);
        let [of_up, of_down] = channels.map(|channels| numbers.tensor([channels]));
        for slope in [1.0, 0.2, 0.0] {
            agree!(
                "convolution",
                convolution(wide.clone(), weight.clone(), of_down.clone(), shape, slope),
                composed_convolution(
                    Direction::Down,
                    wide.clone(),
                    weight.clone(),
                    of_down.clone(),
                    shape,
                    slope
                ),
                wide,
                weight,
                of_down
            );
            agree!(
                "transposed convolution",
                transposed_convolution(narrow.clone(), weight.clone(), of_up.clone(), shape, slope),
                composed_convolution(
                    Direction::Up,
                    narrow.clone(),
                    weight.clone(),
                    of_up.clone(),
                    shape,
                    slope
                ),
                narrow,
                weight,
                of_up
            );
        }
    }
}

/// Each group by itself, from the definitions of mean and variance.
fn batch_norm_by_groups(x: &Tensor<2>, bias: &Tensor<1>, groups: usize) -> Tensor<2> {
    let ([rows, width], [channels]) = (x.dims(), bias.dims());
    let of_group = |group: usize| {
        let rows = rows / groups;
        let x = x.clone().narrow(0, group * rows, rows);
        let pixels: Tensor<2> = x.reshape([rows * width / channels, channels]);
        let (variance, mean) = pixels.clone().var_mean_bias(0);
        let normal = (pixels - mean) / (variance + 1e-5).sqrt() + bias.clone().unsqueeze();
        normal.reshape([rows, width])
    };
    Tensor::cat((0..groups).map(of_group).collect(), 0)
}

#[test]
fn batch_normalisation_agrees_with_its_definition() {
    let mut numbers = Numbers::new();
    for (rows, pixels, channels, groups) in [(2, 3, 1, 1), (6, 1, 5, 2), (4, 150, 7, 2)] {
        let x = numbers.tensor([rows, pixels * channels]);
        let bias = numbers.tensor([channels]);
        agree!(
            "batch normalisation",
            batch_norm(x.clone(), bias.clone(), groups),
            batch_norm_by_groups(&x, &bias, groups),
            x,
            bias
        );
    }
}

#[test]
fn the_gradient_of_a_leaky_relu_agrees_with_its_composed_form() {
    let mut numbers = Numbers::new();
    for width in [1, 5, 300] {
        let [gradient, x] = [0, 1].map(|_| numbers.tensor([3, width]));
        let sum = leaky_relu_gradient(gradient.clone(), x.clone(), 0.2).sum();
        let nothing = x.grad(&sum.backward());
        assert!(nothing.is_none_or(|of_x| of_x.abs().sum().into_scalar::<f32>() == 0.0));
        agree!(
            "the gradient of a leaky ReLU",
            leaky_relu_gradient(gradient.clone(), x.clone(), 0.2),
            crate::ops::leaky_relu::composed(gradient.clone(), x.clone(), 0.2),
            gradient
        );
    }
}

fn embedding_by_autodiff(table: &Tensor<2>, sources: Vec<Tensor<1, Int>>) -> Tensor<2> {
    let looked_up = sources
        .into_iter()
        .map(|source| table.clone().select(0, source));
    looked_up.reduce(|sum, rows| sum + rows).expect("a source")
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
        embedding_by_autodiff(&table, sources()),
        table
    );
}

#[test]
fn cross_entropy_agrees_with_its_composed_form() {
    let mut numbers = Numbers::new();
    let logits = numbers.tensor([6, 10]) * 5.0;
    let logits = logits.detach().require_grad();
    let targets = [3, IGNORED, 0, 9, IGNORED, 9];
    for sequences in [1, 3] {
        agree!(
            "cross entropy",
            cross_entropy_of_sequences(logits.clone(), &targets, sequences),
            crate::ops::cross_entropy::composed(logits.clone(), &targets, sequences),
            logits
        );
    }
    let all_ignored = cross_entropy(logits.clone(), &[IGNORED; 6]);
    assert_eq!(all_ignored.into_scalar::<f32>(), 0.0);
}

/// The layer of burn's own operations, and its gradients by autodiff alone: the reference.
fn recurrent_by_autodiff(
    recurrence: &Recurrence,
    input: Tensor<2>,
    tokens: Option<Tensor<1, Int>>,
    condition: Option<Tensor<2>>,
    initial: Tensor<2>,
    time: usize,
) -> Tensor<2> {
    let [batch, hidden] = initial.dims();
    let rows = match tokens {
        Some(tokens) => input.select(0, tokens),
        None => input,
    };
    let [_, width] = rows.dims();
    let rows =
        crate::ops::recurrent::conditioned(rows, condition.as_ref()).reshape([batch, time, width]);
    let mut h = initial;
    let mut c = h.zeros_like();
    let mut states = Vec::with_capacity(time);
    for x in rows.iter_dim(1) {
        let x = x.reshape([batch, width]);
        let past = h.clone().matmul(recurrence.weight.clone());
        let gate = |from: &Tensor<2>, index: usize| from.clone().narrow(1, index * hidden, hidden);
        h = match recurrence.cell {
            RecurrentCell::Lstm => {
                let p = x + past;
                let kept = activation::sigmoid(gate(&p, 1)) * c;
                c = kept + activation::sigmoid(gate(&p, 0)) * activation::tanh(gate(&p, 2));
                activation::sigmoid(gate(&p, 3)) * activation::tanh(c.clone())
            }
            RecurrentCell::Gru => {
                let r = activation::sigmoid(gate(&x, 0) + gate(&past, 0));
                let z = activation::sigmoid(gate(&x, 1) + gate(&past, 1));
                let n = activation::tanh(
                    gate(&x, 2) + r * (gate(&past, 2) + recurrence.bias().unsqueeze()),
                );
                n.clone() + z * (h - n)
            }
        };
        states.push(h.clone());
    }
    Tensor::stack::<3>(states, 1).reshape([batch * time, hidden])
}

fn recurrence(gru: bool, weight: &Tensor<2>, bias: &Tensor<1>) -> Recurrence {
    Recurrence {
        cell: if gru {
            RecurrentCell::Gru
        } else {
            RecurrentCell::Lstm
        },
        weight: weight.clone(),
        bias: gru.then(|| bias.clone()),
    }
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
        let rows = numbers.tensor([batch * time, width]);
        let u = numbers.tensor([hidden, width]);
        let layer = recurrence(gru, &u, &bias);
        let h = numbers.tensor([batch, hidden]);
        let c = numbers.tensor([batch, width]);
        let input = GateInput::Rows(rows.clone());
        agree!(
            "recurrent rows",
            recurrent(&layer, input.clone(), Some(c.clone()), h.clone(), time),
            recurrent_by_autodiff(&layer, rows.clone(), None, Some(c.clone()), h.clone(), time),
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
        let table = numbers.tensor([9, width]);
        let u = numbers.tensor([hidden, width]);
        let layer = recurrence(gru, &u, &bias);
        let h = numbers.tensor([batch, hidden]);
        let c = numbers.tensor([batch, width]);
        let tokens = || {
            let tokens: Vec<i32> = (0..batch * time).map(|i| (i * 5 % 9) as i32).collect();
            let device = Device::flex().autodiff();
            Tensor::<1, Int>::from_data(TensorData::new(tokens, [batch * time]), &device)
        };
        let fused = |condition: Option<Tensor<2>>| {
            let input = GateInput::Table(table.clone(), tokens());
            recurrent(&layer, input, condition, h.clone(), time)
        };
        let composed = |condition: Option<Tensor<2>>| {
            recurrent_by_autodiff(
                &layer,
                table.clone(),
                Some(tokens()),
                condition,
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
