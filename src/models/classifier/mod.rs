/*!
A classifier of pictures: convolutions, a dense layer whose outputs are the features of a picture, and a score for each class.
It judges what other models make (Heusel et al. 2017, and Kynkäänniemi et al. 2019, compare sets of pictures by the features of a
classifier).
*/

mod config;
mod presets;

pub use config::ClassifierConfig;

use burn::prelude::*;
use burn::tensor::activation;

use crate::error::{Error, Result};
use crate::models::dropout::Dropout;
use crate::models::init::Init;
use crate::models::layers::{Layer, SLOPE, dense, of};
use crate::models::picture_numbers::{brightness, planes};
use crate::models::picture_reader::PictureReader;
use crate::models::{Interface, device_of, values};

/// Names the classes of a picture.
#[derive(Module, Debug)]
pub struct Classifier {
    reader: PictureReader,
    output: Layer,
    #[module(skip)]
    config: ClassifierConfig,
}

/// What a classifier finds in pictures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Classified {
    /// The features of each picture.
    pub features: Vec<Vec<f32>>,
    /// The likeliest value of each group of classes.
    pub classes: Vec<Vec<usize>>,
}

impl Classifier {
    /// New weights drawn from `seed`. The alphabet of `interface` is that of the colours, and its condition that of the classes.
    ///
    /// # Errors
    /// A usage error when a size is invalid, or there are no classes.
    pub fn new(
        config: ClassifierConfig,
        interface: &Interface,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        if config.groups.iter().sum::<usize>() != interface.condition
            || config.colors.len() != interface.alphabet.size
        {
            return Err(Error::usage(
                "the classifier was made for other classes or colours",
            ));
        }
        let mut init = Init::new(seed, device);
        let sides = [config.height, config.width];
        let planes = planes(&config.colors);
        let reader = PictureReader::new(sides, planes, &config.channels, config.hidden, &mut init);
        let output = Layer::down(&mut init, dense(config.hidden, interface.condition));
        Ok(Self {
            reader,
            output,
            config,
        })
    }

    pub(crate) fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// Pixels of a picture.
    pub(crate) fn pixels(&self) -> usize {
        self.config.width * self.config.height
    }

    /// Multiply-adds of a picture.
    pub(crate) fn multiply_adds(&self) -> usize {
        self.reader.multiply_adds()
    }

    /// The features of pictures `[rows, height · width · planes]`, `[rows, hidden]`.
    pub(crate) fn features(&self, pictures: &Tensor<2>) -> Tensor<2> {
        let outputs = self.reader.read(pictures);
        let last = outputs.last().expect("a dense layer");
        activation::leaky_relu(last.clone(), f64::from(SLOPE))
    }

    /// As [`features`](Self::features), with some of them dropped and the others made larger.
    pub(crate) fn features_in_training(&self, pictures: &Tensor<2>, seed: u64) -> Tensor<2> {
        let features = self.features(pictures);
        if self.config.dropout == 0.0 {
            return features;
        }
        let rows = features.dims()[0];
        Dropout::new(self.config.dropout, seed).apply(features, [rows, 1])
    }

    /// The log-probabilities of each group's values, from features: `[rows, values]` each.
    pub(crate) fn log_probabilities(&self, features: Tensor<2>) -> Vec<Tensor<2>> {
        let rows = features.dims()[0];
        let groups = &self.config.groups;
        let shape = dense(self.config.hidden, groups.iter().sum());
        let scores = self.output.convolve(features, of(&shape, rows), 1.0);
        let mut first = 0;
        let group = |&count: &usize| {
            let scores = scores.clone().narrow(1, first, count);
            first += count;
            activation::log_softmax(scores, 1)
        };
        groups.iter().map(group).collect()
    }

    /// What it finds in pictures of its size: red, green and blue of each pixel, row by row.
    pub fn classify(&self, pictures: &[Vec<[u8; 3]>]) -> Classified {
        /// Pictures at once.
        const TOGETHER: usize = 256;
        let device = device_of(self);
        let planes = planes(&self.config.colors);
        let mut found = Classified::default();
        for some in pictures.chunks(TOGETHER) {
            let numbers: Vec<f32> = some.iter().flat_map(|p| brightness(p, planes)).collect();
            let shape = [some.len(), numbers.len() / some.len()];
            let pictures = Tensor::from_data(TensorData::new(numbers, shape), &device);
            let features = self.features(&pictures);
            let groups = self.log_probabilities(features.clone());
            let likeliest: Vec<Vec<usize>> = groups.into_iter().map(likeliest).collect();
            let rows = values(features);
            found
                .features
                .extend(rows.chunks(self.config.hidden).map(<[f32]>::to_vec));
            let of_row = |row| likeliest.iter().map(|group| group[row]).collect();
            found.classes.extend((0..some.len()).map(of_row));
        }
        found
    }
}

/// The column of each row's largest number.
pub(crate) fn likeliest(scores: Tensor<2>) -> Vec<usize> {
    let [_, columns] = scores.dims();
    let largest = |row: &[f32]| (0..row.len()).fold(0, |a, b| if row[b] > row[a] { b } else { a });
    values(scores).chunks(columns).map(largest).collect()
}
