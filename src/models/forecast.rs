/*!
What a network has beside its layers where it reads a [`Prediction`](crate::sequence::Prediction): a hidden layer for the
condition, which changes many times in a sequence, and a table on the logits.
*/

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::activation::relu;

use crate::models::forecast_step::{FEATURES, ForecastWeights};
use crate::models::init::Init;
use crate::models::{Interface, values};
use crate::ops::{add_windows, linear};
use crate::sequence::{Forecast, Prediction};

/// The length of the vector that conditions the layers: the condition itself, or the features of it.
pub(crate) fn conditioning_width(interface: &Interface) -> usize {
    match interface.side_inputs.prediction {
        Some(_) => FEATURES,
        None => interface.condition,
    }
}

/// The parameters.
#[derive(Module, Debug)]
pub(crate) struct ForecastHead {
    /// `[condition, features]` and `[features]`: a rectified layer. The condition is what stands behind the parameters of the
    /// prediction, whose numbers are of other sizes.
    features: Param<Tensor<2>>,
    features_bias: Param<Tensor<1>>,
    /// `[levels, 2 · classes − 1]`: added to the logit of each class, by its distance from the predicted class.
    table: Param<Tensor<2>>,
}

impl ForecastHead {
    /// `None` where the network reads no prediction. At first the table is a Laplacian about the predicted class, as wide
    /// as the level says.
    pub(crate) fn new(init: &mut Init, interface: &Interface) -> Option<Self> {
        let prediction = interface.side_inputs.prediction.as_ref()?;
        let classes = interface.alphabet.size;
        let condition = interface.condition - prediction.parameters();
        let width = 2 * classes - 1;
        Some(Self {
            // About a tenth of a condition's numbers are not zero.
            features: init.dense([condition, FEATURES], condition / 10 + 1),
            features_bias: init.zeros([FEATURES]),
            table: init.constant([prediction.levels, width], |index| {
                let (level, place) = (index / width, index % width);
                let distance = place.abs_diff(classes - 1) as f32;
                -distance / (Prediction::error_of(level) + 0.4)
            }),
        })
    }

    /// What conditions the layers, `[rows, features]`, of conditions `[rows, condition]`.
    pub(crate) fn features(&self, condition: Tensor<2>) -> Tensor<2> {
        let ([_, whole], [read, _]) = (condition.dims(), self.features.val().dims());
        let condition = condition.narrow(1, whole - read, read);
        relu(linear(
            condition,
            self.features.val(),
            self.features_bias.val(),
            false,
        ))
    }

    /// Logits `[rows, classes]` plus the table's, which the forecasts of the rows choose.
    pub(crate) fn add_table(&self, logits: Tensor<2>, forecasts: &[Forecast]) -> Tensor<2> {
        let place = |forecast: &Forecast| (forecast.level, forecast.class);
        let places: Vec<_> = forecasts.iter().map(place).collect();
        add_windows(logits, self.table.val(), &places)
    }

    /// The parameters as plain arrays.
    pub(crate) fn weights(&self) -> ForecastWeights {
        let [inputs, _] = self.features.val().dims();
        let [levels, width] = self.table.val().dims();
        ForecastWeights {
            inputs,
            levels,
            classes: width.div_ceil(2),
            features: values(self.features.val()),
            features_bias: values(self.features_bias.val()),
            table: values(self.table.val()),
        }
    }
}
