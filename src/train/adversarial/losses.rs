/*! The losses of both networks, from the scores of real and of made pictures. */

use burn::prelude::*;
use burn::tensor::activation::softplus;

use crate::models::Objective;

/// What the discriminator minimises, `[1]`, without penalties. `real` and `made` are `[rows]`; `balance` is κ of BEGAN.
pub fn of_discriminator(
    objective: Objective,
    real: Tensor<1>,
    made: Tensor<1>,
    balance: f64,
) -> Tensor<1> {
    match objective {
        Objective::Ns | Objective::Mm | Objective::Dragan => {
            softplus(real.neg(), 1.0).mean() + softplus(made, 1.0).mean()
        }
        Objective::Lsgan => (half_square(real - 1.0) + half_square(made)).mean(),
        Objective::Wgan | Objective::WganGp => (made - real).mean(),
        // A score is minus the error of the reconstruction.
        Objective::Began => made.mean() * balance - real.mean(),
        Objective::R3gan => softplus(made - real, 1.0).mean(),
    }
}

/// What the generator minimises, `[1]`; `real` is used by `r3gan` alone.
pub fn of_generator(objective: Objective, real: Option<Tensor<1>>, made: Tensor<1>) -> Tensor<1> {
    match objective {
        Objective::Ns | Objective::Dragan => softplus(made.neg(), 1.0).mean(),
        Objective::Mm => softplus(made, 1.0).mean().neg(),
        Objective::Lsgan => half_square(made - 1.0).mean(),
        Objective::Wgan | Objective::WganGp | Objective::Began => made.mean().neg(),
        Objective::R3gan => {
            let real = real.expect("r3gan compares with real pictures");
            softplus(real - made, 1.0).mean()
        }
    }
}

fn half_square(x: Tensor<1>) -> Tensor<1> {
    x.clone() * x * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::values;

    fn scores(values: [f32; 2]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex().autodiff()).require_grad()
    }

    /// ln (1 + e^x).
    fn sp(x: f32) -> f32 {
        x.exp().ln_1p()
    }

    fn mean(a: f32, b: f32) -> f32 {
        f32::midpoint(a, b)
    }

    fn sigmoid(x: f32) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    fn close(found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (f, e) in found.iter().zip(expected) {
            assert!(
                (f - e).abs() < 1e-5,
                "{what}: {found:?} instead of {expected:?}"
            );
        }
    }

    /// r = (2, −1), f = (0.5, −3); κ = 0.25. Values and slopes by hand.
    #[test]
    fn losses_and_their_slopes_are_those_worked_out_by_hand() {
        let (r, f) = ([2.0, -1.0], [0.5, -3.0]);
        let half = |a: f32, b: f32| [a / 2.0, b / 2.0];
        let logistic = (
            mean(sp(-2.0) + sp(0.5), sp(1.0) + sp(-3.0)),
            half(-sigmoid(-2.0), -sigmoid(1.0)),
            half(sigmoid(0.5), sigmoid(-3.0)),
        );
        let wasserstein = (mean(0.5 - 2.0, -3.0 + 1.0), [-0.5, -0.5], [0.5, 0.5]);
        let least = (
            mean(0.5 * (1.0 + 4.0), 0.5 * (0.25 + 9.0)),
            half(1.0, -2.0),
            half(0.5, -3.0),
        );
        let began = (0.25 * -1.25 - 0.5, [-0.5, -0.5], [0.125, 0.125]);
        let relative = (
            mean(sp(-1.5), sp(-2.0)),
            half(-sigmoid(-1.5), -sigmoid(-2.0)),
            half(sigmoid(-1.5), sigmoid(-2.0)),
        );
        let generator_ns = (mean(sp(-0.5), sp(3.0)), half(-sigmoid(-0.5), -sigmoid(3.0)));
        let generator_mm = (
            -mean(sp(0.5), sp(-3.0)),
            half(-sigmoid(0.5), -sigmoid(-3.0)),
        );
        let generator_least = (0.5 * (0.25 + 16.0) / 2.0, half(-0.5, -4.0));
        let generator_score = (1.25, [-0.5, -0.5]);
        let generator_relative = (mean(sp(1.5), sp(2.0)), half(-sigmoid(1.5), -sigmoid(2.0)));
        for (objective, (loss, of_real, of_made), (generator, slope)) in [
            (Objective::Ns, logistic, generator_ns),
            (Objective::Mm, logistic, generator_mm),
            (Objective::Dragan, logistic, generator_ns),
            (Objective::Lsgan, least, generator_least),
            (Objective::Wgan, wasserstein, generator_score),
            (Objective::WganGp, wasserstein, generator_score),
            (Objective::Began, began, generator_score),
            (Objective::R3gan, relative, generator_relative),
        ] {
            let what = format!("{objective:?}");
            let (real, made) = (scores(r), scores(f));
            let found = of_discriminator(objective, real.clone(), made.clone(), 0.25);
            close(&values(found.clone()), &[loss], &what);
            let slopes = found.backward();
            close(&values(real.grad(&slopes).unwrap()), &of_real, &what);
            close(&values(made.grad(&slopes).unwrap()), &of_made, &what);
            let made = scores(f);
            let found = of_generator(objective, Some(scores(r)), made.clone());
            close(&values(found.clone()), &[generator], &what);
            let slopes = found.backward();
            close(&values(made.grad(&slopes).unwrap()), &slope, &what);
        }
    }
}
