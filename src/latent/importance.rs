/*! The likelihood of one item, estimated with importance weights of many latent codes. */

use super::posteriors::log_mean_exp;
use crate::latent::{Gaussian, Normals};

/// Latent codes drawn from the posterior of an item x.
#[derive(Debug, Clone)]
pub struct WeightedCodes {
    codes: Vec<Vec<f32>>,
    /// ln q(z|x) − ln p(x|z) of each.
    costs: Vec<f64>,
}

impl WeightedCodes {
    /// Draws `count` codes; `nll` finds −ln p(x|z) of each in nats.
    pub fn draw(
        posterior: Gaussian,
        count: usize,
        normals: &mut Normals,
        nll: impl FnOnce(&[Vec<f32>]) -> Vec<f64>,
    ) -> Self {
        let codes: Vec<Vec<f32>> = (0..count).map(|_| posterior.sample(normals)).collect();
        let found = nll(&codes).into_iter().zip(&codes);
        let costs = found.map(|(nats, code)| posterior.log_density(code) + nats);
        Self {
            costs: costs.collect(),
            codes,
        }
    }

    /// ln w = ln p(x|z) + ln p(z) − ln q(z|x) of each code.
    fn log_weights(&self, log_prior: impl Fn(&[f32]) -> f64) -> Vec<f64> {
        let both = self.codes.iter().zip(&self.costs);
        both.map(|(code, cost)| log_prior(code) - cost).collect()
    }

    /// The NLL of the item in nats, estimated with all K codes: −ln 1/K Σ w (Burda et al. 2016, "Importance weighted autoencoders",
    /// eq. 8). Its expectation is an upper bound that falls with K to the true value.
    pub fn nll(&self, log_prior: impl Fn(&[f32]) -> f64) -> f64 {
        -log_mean_exp(&self.log_weights(log_prior))
    }

    /// −ELBO in nats, estimated with the same codes: the mean of −ln w.
    pub fn negative_elbo(&self, log_prior: impl Fn(&[f32]) -> f64) -> f64 {
        -self.log_weights(log_prior).iter().sum::<f64>() / self.codes.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::standard_log_density;

    /// p(z) = N(0, 1), p(x|z) = N(z, 1/2): p(x) = N(0, 3/2), and the true posterior is N(2x/3, 1/3).
    fn drawn(x: f32, posterior: Gaussian, count: usize, normals: &mut Normals) -> WeightedCodes {
        let nll = |code: &Vec<f32>| -Gaussian::new(code, &[0.5_f32.ln()]).log_density(&[x]);
        WeightedCodes::draw(posterior, count, normals, |codes| {
            codes.iter().map(nll).collect()
        })
    }

    #[test]
    fn the_bound_is_tight_for_the_true_posterior_and_in_the_limit_for_others() {
        let x = 0.9_f32;
        let exact = -Gaussian::new(&[0.0], &[1.5_f32.ln()]).log_density(&[x]);
        let mut normals = Normals::new(*b"testing ", 6, 0);
        let (mean, log_variance) = ([0.6], [(1.0_f32 / 3.0).ln()]);
        let truth = Gaussian::new(&mean, &log_variance);
        for count in [1, 5] {
            let codes = drawn(x, truth, count, &mut normals);
            assert!((codes.nll(standard_log_density) - exact).abs() < 1e-5);
            assert!((codes.negative_elbo(standard_log_density) - exact).abs() < 1e-5);
        }
        // For another posterior, the bound of one code is looser by KL(q ‖ truth).
        let (mean, log_variance) = ([0.0], [0.0]);
        let prior = Gaussian::new(&mean, &log_variance);
        let mut mean_of = |count: usize, estimate: fn(&WeightedCodes) -> f64| {
            let repeats = 40_000 / count;
            let drawn = (0..repeats).map(|_| estimate(&drawn(x, prior, count, &mut normals)));
            drawn.sum::<f64>() / repeats as f64
        };
        let nlls = [1, 5, 500].map(|count| mean_of(count, |codes| codes.nll(standard_log_density)));
        let kl = 0.5 * (3.0 + 3.0 * 0.36 - 1.0 - 3_f64.ln());
        assert!((nlls[0] - exact - kl).abs() < 0.03, "{nlls:?}: {exact}");
        assert!(nlls[0] > nlls[1] + 0.1 && nlls[1] > nlls[2] + 0.02);
        assert!((nlls[2] - exact).abs() < 0.02, "{nlls:?}: {exact}");
        let elbo = mean_of(500, |codes| codes.negative_elbo(standard_log_density));
        assert!((elbo - exact - kl).abs() < 0.03, "{elbo}: {exact}");
    }
}
