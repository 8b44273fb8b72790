/*! Penalties on the gradient of the discriminator's score by its picture. */

use burn::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::models::{Discriminator, Objective};

/// Under the root of a norm, whose slope at zero has no bound.
const LEAST: f64 = 1e-12;

/// Which penalty, and where the run is.
pub(super) struct Penalty {
    pub(super) objective: Objective,
    /// λ, or γ at the start.
    pub(super) weight: f64,
    /// How far γ has fallen, from 0 to 1: the share of the planned steps that is done; 0 where it stays.
    pub(super) fallen: f64,
}

impl Penalty {
    /// What `r3gan` adds to the loss of the discriminator, `[1]`, for the gradients of the scores of real pictures and as many
    /// made ones.
    pub(super) fn at_pictures(&self, gradient: Tensor<2>) -> Tensor<1> {
        // To a tenth over the run (Huang et al. 2024, appendix D).
        let gamma = self.weight * 0.1_f64.powf(self.fallen.clamp(0.0, 1.0));
        // γ/2 of the mean over real pictures and of that over made ones.
        squared_norms(gradient).mean() * gamma
    }

    /// What objectives that judge further pictures add to the loss of the discriminator, `[1]`; `None` of others.
    ///
    /// * `pictures`: real and made ones; `classes`: of the real pictures, and of the made ones.
    pub(super) fn beside_pictures(
        &self,
        net: &Discriminator,
        [real, made]: [&Tensor<2>; 2],
        classes: Option<&Tensor<2>>,
        random: &mut ChaCha8Rng,
    ) -> Option<Tensor<1>> {
        if self.weight == 0.0 {
            return None;
        }
        match self.objective {
            Objective::WganGp => {
                // Between a real and a made picture (Gulrajani et al. 2017, algorithm 1).
                let rows = real.dims()[0];
                let shares = uniform(random, rows);
                let shares = Tensor::from_data(TensorData::new(shares, [rows, 1]), &real.device());
                let between = made.clone() + (real.clone() - made.clone()) * shares;
                Some(self.distance_of_norms_from_one(net, &between, classes))
            }
            Objective::Dragan => {
                // Round a real picture (Kodali et al. 2017, §2.3): half the deviation of the batch.
                let dims = real.dims();
                let noise = uniform(random, dims[0] * dims[1]);
                let noise = Tensor::from_data(TensorData::new(noise, dims), &real.device());
                let mean = real.clone().mean();
                let away = real.clone() - mean.unsqueeze();
                let deviation = (away.clone() * away).mean().sqrt() * 0.5;
                let moved = real.clone() + noise * deviation.unsqueeze();
                Some(self.distance_of_norms_from_one(net, &moved, classes))
            }
            _ => None,
        }
    }

    /// λ (‖∇D(x)‖ − 1)², the mean over pictures.
    fn distance_of_norms_from_one(
        &self,
        net: &Discriminator,
        pictures: &Tensor<2>,
        classes: Option<&Tensor<2>>,
    ) -> Tensor<1> {
        let gradient = net.differentiate(pictures, classes).gradient();
        let norms = (squared_norms(gradient) + LEAST).sqrt();
        let away = norms - 1.0;
        (away.clone() * away).mean() * self.weight
    }
}

/// ‖·‖² of each row, `[rows]`.
fn squared_norms(gradient: Tensor<2>) -> Tensor<1> {
    let rows = gradient.dims()[0];
    (gradient.clone() * gradient).sum_dim(1).reshape([rows])
}

/// From 0 to below 1.
fn uniform(random: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count)
        .map(|_| (random.next_u32() >> 8) as f32 / 16_777_216.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::{ALPHABET, scrambled};
    use crate::models::{Gan, GanConfig, Interface, Objective, parameters, values, with_values};
    use crate::sequence::SideInputs;

    fn discriminator(classes: usize) -> Discriminator {
        let config = GanConfig {
            width: 5,
            height: 4,
            colors: (0..11).map(|token| [token * 20; 3]).collect(),
            noise: 3,
            channels: vec![3, 4],
            hidden: 6,
        };
        let interface = Interface {
            alphabet: ALPHABET,
            side_inputs: SideInputs::default(),
            condition: classes,
        };
        let settings = Objective::R3gan.settings();
        let gan = Gan::new(config, &settings, &interface, 3, &Device::flex().autodiff());
        gan.unwrap().discriminator
    }

    fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
    }

    fn noise(count: usize) -> Vec<f32> {
        crate::base::rng::testing::Lcg(7).values(count, 1.0)
    }

    #[test]
    fn the_gradient_of_a_score_is_that_of_autodiff() {
        for classes in [0, 2] {
            let net = discriminator(classes);
            let of_classes = (classes > 0).then(|| tensor(vec![1.0, 0.0, 0.0, 1.0], [2, 2]));
            let pictures: Tensor<2> = tensor(noise(40), [2, 20]).require_grad();
            let judged = net.judge(&pictures, of_classes.as_ref(), 1);
            let differentiated = net.differentiate(&pictures, of_classes.as_ref());
            let ours = values(differentiated.gradient());
            let gradients = judged.scores.sum().backward();
            let expected = values(pictures.grad(&gradients).unwrap());
            for (ours, expected) in ours.iter().zip(&expected) {
                assert!(
                    (ours - expected).abs() < 1e-5,
                    "{ours} instead of {expected}"
                );
            }
            assert!(expected.iter().any(|g| g.abs() > 1e-3));
        }
    }

    /// Scores with gradients are the scores, and so are their derivatives by the weights.
    #[test]
    fn scores_with_gradients_are_the_scores() {
        let net = scrambled(discriminator(2));
        let classes: Tensor<2> = tensor(vec![1.0, 0.0, 0.0, 1.0], [2, 2]);
        let pictures: Tensor<2> = tensor(noise(40), [2, 20]);
        let judged = net.judge(&pictures, Some(&classes), 1).scores;
        let differentiated = net.differentiate(&pictures, Some(&classes)).scores();
        let found = [judged, differentiated].map(|scores| {
            let gradients = (scores.clone() * tensor(vec![1.0, -3.0], [2]))
                .sum()
                .backward();
            let gradients = burn::optim::GradientsParams::from_grads(gradients, &net);
            let mut of_weights = Vec::new();
            collect(&net, &gradients, &mut of_weights);
            [vec![values(scores)], of_weights].concat().concat()
        });
        assert!(found[0].iter().filter(|g| g.abs() > 1e-3).count() > 100);
        for (of_judged, of_differentiated) in found[0].iter().zip(&found[1]) {
            assert!(
                (of_judged - of_differentiated).abs() < 1e-4,
                "{of_differentiated} instead of {of_judged}"
            );
        }
    }

    /// The gradient of each penalty by the weights, beside differences of the penalty.
    #[test]
    fn gradients_of_penalties_agree_with_differences() {
        for (objective, weight) in [
            (Objective::R3gan, 2.0),
            (Objective::WganGp, 10.0),
            (Objective::Dragan, 10.0),
        ] {
            let net = discriminator(2);
            let classes: Tensor<2> = tensor(vec![1.0, 0.0, 0.0, 1.0], [2, 2]);
            let numbers = noise(80);
            let real: Tensor<2> = tensor(numbers[..40].to_vec(), [2, 20]);
            let made: Tensor<2> = tensor(numbers[40..].to_vec(), [2, 20]);
            let of = |net: &Discriminator| {
                let penalty = Penalty {
                    objective,
                    weight,
                    fallen: 0.5,
                };
                if objective == Objective::R3gan {
                    let both = Tensor::cat(vec![real.clone(), made.clone()], 0);
                    let twice = Tensor::cat(vec![classes.clone(), classes.clone()], 0);
                    return penalty.at_pictures(net.differentiate(&both, Some(&twice)).gradient());
                }
                let mut random = crate::base::rng::rng_stream(5, *b"penalty ", 0);
                let beside =
                    penalty.beside_pictures(net, [&real, &made], Some(&classes), &mut random);
                beside.expect("a penalty")
            };
            let gradients = of(&net).backward();
            let gradients = burn::optim::GradientsParams::from_grads(gradients, &net);
            let weights: Vec<Vec<f32>> = parameters(&net).into_iter().map(|p| p.values).collect();
            // One step along the gradient lowers the penalty by its squared norm.
            let mut found = Vec::new();
            collect(&net, &gradients, &mut found);
            let squares: f64 = found.iter().flatten().map(|&g| f64::from(g).powi(2)).sum();
            assert!(squares > 1e-6, "{objective:?}: {squares}");
            let at = |step: f64| {
                let moved = weights.iter().zip(&found).map(|(weights, gradient)| {
                    let scale = step / squares.sqrt();
                    let moved = weights.iter().zip(gradient);
                    moved
                        .map(|(&w, &g)| w + (scale * f64::from(g)) as f32)
                        .collect()
                });
                let moved: Vec<Vec<f32>> = moved.collect();
                f64::from(of(&with_values(net.clone(), moved)).into_scalar::<f32>())
            };
            let slope = (at(2e-3) - at(-2e-3)) / 4e-3;
            assert!(
                (slope - squares.sqrt()).abs() < 0.02 * squares.sqrt(),
                "{objective:?}: {slope} instead of {}",
                squares.sqrt()
            );
        }
    }

    /// The gradients of all parameters in module order; zeros where a parameter has none.
    fn collect(
        net: &Discriminator,
        gradients: &burn::optim::GradientsParams,
        found: &mut Vec<Vec<f32>>,
    ) {
        struct Collect<'a>(&'a burn::optim::GradientsParams, &'a mut Vec<Vec<f32>>);
        impl burn::module::ModuleVisitor for Collect<'_> {
            fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
                let count = param.val().shape().num_elements();
                let gradient = self.0.get::<D>(param.id);
                self.1
                    .push(gradient.map_or_else(|| vec![0.0; count], values));
            }
        }
        burn::module::Module::visit(net, &mut Collect(gradients, found));
    }

    /// ‖∇‖² = 10 for the case worked out by hand: W = [[1, −2], [3, 1]], b = (½, −1), w = (2, −1), x = (1, 1), slope 0.2.
    #[test]
    fn the_case_worked_out_by_hand_is_met() {
        use crate::models::layers::testing::{matrix, weight};
        use crate::models::layers::{Layer, dense, of};
        let x: Tensor<2> = tensor(vec![1.0, 1.0], [1, 2]);
        // Rows of a layer here are inputs: the transpose of W and of w.
        let first = matrix(&[&[1.0, 3.0], &[-2.0, 1.0]], &[0.5, -1.0]);
        let last = matrix(&[&[2.0], &[-1.0]], &[0.0]);
        let [inner, outer] = [dense(2, 2), dense(2, 1)].map(|shape| of(&shape, 1));
        let hidden = first.convolve(x, inner, 1.0);
        let above = hidden.clone().detach().greater_elem(0.0).float();
        let slopes = above * 0.8 + 0.2;
        let delta = last.input_gradient(tensor(vec![1.0], [1, 1]), outer) * slopes;
        let gradient = first.input_gradient(delta, inner);
        let found = values(gradient.clone());
        for (found, expected) in found.iter().zip([-2.6, -1.8]) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{found} instead of {expected}"
            );
        }
        let half = squared_norms(gradient) * 0.5;
        let slopes = half.backward();
        let slope_of = |layer: &Layer| values(weight(layer).grad(&slopes).unwrap());
        for (found, expected) in [
            (slope_of(&last), vec![0.2, -9.6]),
            (slope_of(&first), vec![-1.04, 2.6, -0.72, 1.8]),
        ] {
            for (found, expected) in found.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{found} instead of {expected}"
                );
            }
        }
    }
}
