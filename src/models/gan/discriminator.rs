/*! How real a picture of given classes is. */

use burn::module::Param;
use burn::prelude::*;

use crate::models::gan::config::GanConfig;
use crate::models::gan::generator::{Generator, Noise};
use crate::models::gan::objective::AdversarialSettings;
use crate::models::init::Init;
use crate::models::layers::{Layer, SLOPE, dense, of};
use crate::models::picture_reader::{InputGradient, PictureReader};
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
    /// What the reader put out at last, before the leaky ReLU, `[rows, hidden]`.
    features: Tensor<2>,
    /// Of the last layer: the score without classes, `[rows, 1]`, or an autoencoder's code.
    output: Tensor<2>,
}

/// A batch of pictures and the gradients of their scores.
pub(crate) struct Differentiated<'a> {
    net: &'a Discriminator,
    pictures: Tensor<2>,
    gradient: InputGradient,
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
        let features = trace.last().expect("a dense layer").clone();
        let shape = of(&self.last, rows);
        let output = self.output.convolve(features.clone(), shape, SLOPE);
        let scores = match &self.decoder {
            Some(decoder) => {
                let code = match classes {
                    Some(classes) => Tensor::cat(vec![classes.clone(), output.clone()], 1),
                    None => output.clone(),
                };
                let error = (pictures.clone() - decoder.pictures(code)).abs();
                error.mean_dim(1).neg()
            }
            None => self.projected(&features, &output, classes),
        };
        Judged {
            scores: scores.reshape([rows]),
            features,
            output,
        }
    }

    /// The scores that the first pictures have with other classes, `[rows]`; `classes` has a row for each of them.
    pub(crate) fn scores_as(&self, judged: &Judged, classes: &Tensor<2>) -> Tensor<1> {
        let [rows, _] = classes.dims();
        let [features, output] =
            [&judged.features, &judged.output].map(|x| x.clone().narrow(0, 0, rows));
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

    /// The gradients of the scores of pictures `[rows, height · width · planes]`, each of its classes `[rows, classes]`, in
    /// first-order operations, so that a loss may depend on them; and the scores computed from these gradients, so that one pass
    /// backward serves a loss of both.
    ///
    /// # Panics
    /// For an autoencoder, which no objective penalises, and with batch normalisation, where no picture is judged alone.
    pub(crate) fn differentiate(
        &self,
        pictures: &Tensor<2>,
        classes: Option<&Tensor<2>>,
    ) -> Differentiated<'_> {
        assert!(
            self.decoder.is_none() && !self.batch_norm,
            "a score of each picture alone"
        );
        let rows = pictures.dims()[0];
        let pictures = pictures.clone().detach();
        // Only the slopes of the leaky ReLUs are read from these outputs.
        let outputs = self.reader.clone().no_grad().read(&pictures);
        let ones = Tensor::ones([rows, 1], &pictures.device());
        let mut delta = self.output.input_gradient(ones, of(&self.last, rows));
        if let Some(vectors) = self.vectors(classes) {
            delta = delta + vectors;
        }
        let gradient = self.reader.input_gradient(&outputs, delta);
        Differentiated {
            net: self,
            pictures,
            gradient,
        }
    }
}

impl Differentiated<'_> {
    /// `[rows, height · width · planes]`.
    pub(crate) fn gradient(&self) -> Tensor<2> {
        self.gradient.pictures.clone()
    }

    /// The scores, `[rows]`.
    pub(crate) fn scores(&self) -> Tensor<1> {
        let scores = self
            .net
            .reader
            .linear_output(&self.pictures, &self.gradient);
        scores + self.net.output.bias()
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
