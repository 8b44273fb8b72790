/*! How real a picture of given classes is. */

use burn::module::Param;
use burn::prelude::*;

use crate::models::gan::config::GanConfig;
use crate::models::gan::generator::{Generator, Noise};
use crate::models::gan::objective::AdversarialSettings;
use crate::models::init::Init;
use crate::models::layers::{Layer, SLOPE, dense, of};
use crate::models::picture_reader::PictureReader;
use crate::ops::ConvolutionShape;

/// Convolutions, then a dense layer, then a score; with leaky ReLUs between them. The score of a picture of a class adds
/// the product of the class's vector with the features (Miyato & Koyama 2018, "cGANs with projection discriminator").
#[derive(Module, Debug)]
pub(crate) struct Discriminator {
    reader: PictureReader,
    /// `[hidden, 1]`; in an autoencoder `[hidden, noise]`.
    output: Layer,
    /// `[classes, hidden]`.
    classes: Option<Param<Tensor<2>>>,
    /// Of an autoencoder, from the code back to the picture.
    decoder: Option<Generator>,
    #[module(skip)]
    batch_norm: bool,
    #[module(skip)]
    last: ConvolutionShape,
}

/// A batch of pictures as a discriminator sees them.
pub(crate) struct Judged {
    /// The score of each picture, `[rows]`; of an autoencoder minus its mean absolute error.
    pub(crate) scores: Tensor<1>,
    /// What the reader put out.
    trace: Vec<Tensor<2>>,
    /// Of the last layer: the score without classes, `[rows, 1]`, or an autoencoder's code.
    output: Tensor<2>,
}

impl Discriminator {
    /// One for pictures of some classes, which scores or, where `reconstructs` is set, is an autoencoder (Berthelot et al.
    /// 2017, "BEGAN").
    pub(super) fn new(
        config: &GanConfig,
        classes: usize,
        settings: &AdversarialSettings,
        init: &mut Init,
    ) -> Self {
        let reconstructs = settings.objective.reconstructs();
        let outputs = if reconstructs { config.noise } else { 1 };
        let last = dense(config.hidden, outputs);
        Self {
            reader: PictureReader::new(
                config.sides(),
                config.planes(),
                &config.channels,
                config.hidden,
                init,
            ),
            output: Layer::down(init, last),
            classes: (classes > 0 && !reconstructs)
                .then(|| init.dense([classes, config.hidden], config.hidden)),
            decoder: reconstructs.then(|| {
                let code = Noise {
                    classes,
                    uniform: false,
                };
                Generator::new(config, code, init)
            }),
            batch_norm: settings.batch_norm,
            last,
        }
    }

    /// Judges pictures `[rows, height · width · planes]`, each of its classes `[rows, classes]`. So many `kinds` of as many
    /// pictures each stand one after another; batch normalisation never mixes them.
    pub(crate) fn judge(
        &self,
        pictures: &Tensor<2>,
        classes: Option<&Tensor<2>>,
        kinds: usize,
    ) -> Judged {
        let [rows, _] = pictures.dims();
        let trace = if self.batch_norm {
            self.reader.read_normalised(pictures, kinds)
        } else {
            self.reader.read(pictures)
        };
        let x = trace.last().expect("a dense layer");
        let output = self.output.convolve(x.clone(), of(&self.last, rows), SLOPE);
        let scores = match &self.decoder {
            Some(decoder) => {
                let code = match classes {
                    Some(classes) => Tensor::cat(vec![classes.clone(), output.clone()], 1),
                    None => output.clone(),
                };
                let error = (pictures.clone() - decoder.pictures(code)).abs();
                error.mean_dim(1).neg()
            }
            None => self.projected(x, &output, classes),
        };
        Judged {
            scores: scores.reshape([rows]),
            trace,
            output,
        }
    }

    /// The scores that the first pictures have with other classes, `[rows]`; `classes` has a row for each of them.
    pub(crate) fn scores_as(&self, judged: &Judged, classes: &Tensor<2>) -> Tensor<1> {
        let [rows, _] = classes.dims();
        let features = judged.trace.last().expect("a dense layer");
        let [features, output] = [features, &judged.output].map(|x| x.clone().narrow(0, 0, rows));
        let scores = self.projected(&features, &output, Some(classes));
        scores.reshape([rows])
    }

    /// The score without classes, and the product of the classes' vector with the features, `[rows, 1]`.
    fn projected(
        &self,
        features: &Tensor<2>,
        output: &Tensor<2>,
        classes: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        match self.vectors(classes) {
            Some(vectors) => output.clone() + (leaky(features.clone()) * vectors).sum_dim(1),
            None => output.clone(),
        }
    }

    /// The vector of each row's classes, `[rows, hidden]`.
    fn vectors(&self, classes: Option<&Tensor<2>>) -> Option<Tensor<2>> {
        let table = self.classes.as_ref()?;
        Some(classes?.clone().matmul(table.val()))
    }

    /// ∇ₓ of each picture's score, `[rows, height · width · planes]`, in first-order operations, so that a loss may depend on
    /// it.
    ///
    /// # Panics
    /// For an autoencoder, which no objective penalises, and with batch normalisation, where no picture is judged alone.
    pub(crate) fn input_gradient(&self, judged: &Judged, classes: Option<&Tensor<2>>) -> Tensor<2> {
        assert!(
            self.decoder.is_none() && !self.batch_norm,
            "a score of each picture alone"
        );
        let rows = judged.scores.dims()[0];
        let ones = Tensor::ones([rows, 1], &judged.scores.device());
        let mut delta = self.output.input_gradient(ones, of(&self.last, rows));
        if let Some(vectors) = self.vectors(classes) {
            delta = delta + vectors;
        }
        self.reader.input_gradient(&judged.trace, delta)
    }
}

fn leaky(x: Tensor<2>) -> Tensor<2> {
    burn::tensor::activation::leaky_relu(x, f64::from(SLOPE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::gan::objective::Objective;
    use crate::models::values;

    #[test]
    fn batch_normalisation_never_mixes_kinds_of_pictures() {
        let config = GanConfig {
            width: 8,
            height: 8,
            colors: vec![[0; 3], [255; 3]],
            noise: 4,
            channels: vec![4, 8],
            hidden: 16,
        };
        let device = Device::flex();
        let mut init = Init::new(3, &device);
        let settings = Objective::Ns.settings();
        let net = Discriminator::new(&config, 0, &settings, &mut init);
        let real = Tensor::random([3, 64], burn::tensor::Distribution::Default, &device);
        let scores_of_real = |made: Tensor<2>, kinds| {
            let both = Tensor::cat(vec![real.clone(), made], 0);
            values(net.judge(&both, None, kinds).scores)[..3].to_vec()
        };
        let [dark, bright] = [0.1, 0.9].map(|x| {
            let noise = Tensor::random([3, 64], burn::tensor::Distribution::Default, &device);
            noise * 0.2 + x
        });
        assert_eq!(
            scores_of_real(dark.clone(), 2),
            scores_of_real(bright.clone(), 2)
        );
        assert_ne!(scores_of_real(dark, 1), scores_of_real(bright, 1));
    }
}
