/*! Everything a task needs to continue exactly: tensors and counters by name. Knows no files. */

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// A named tensor's shape and its values, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct StateTensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// As many values as the product of the dimensions.
    pub values: Vec<f32>,
}

/// The state of a task. Names of tensors are paths with dots, such as `momentum.decoder.embedding`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateDict {
    /// Weights, moments and averages.
    pub tensors: BTreeMap<String, StateTensor>,
    /// Whole numbers, such as the optimizer's steps.
    pub counters: BTreeMap<String, u64>,
}

impl StateDict {
    /// Adds a tensor.
    pub fn put(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) {
        self.tensors.insert(name, StateTensor { shape, values });
    }

    /// Removes a tensor and returns its values.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(tensor) = self.tensors.remove(name) else {
            return Err(Error::usage(format!(
                "the tensor '{name}' is missing: the file belongs to another network"
            )));
        };
        if tensor.shape != shape {
            return Err(Error::usage(format!(
                "the tensor '{name}' has the shape {:?}, but the network of model.json has {shape:?}",
                tensor.shape
            )));
        }
        Ok(tensor.values)
    }

    /// Removes a counter; 0 where it is missing, as in states of programs that did not have it.
    pub fn take_counter(&mut self, name: &str) -> u64 {
        self.counters.remove(name).unwrap_or(0)
    }

    /// Refuses tensors that nothing took.
    ///
    /// # Errors
    /// When any is left, with the name of one.
    pub fn expect_empty(&self) -> Result<()> {
        match self.tensors.keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::usage(format!(
                "the tensor '{name}' does not belong to the network of model.json"
            ))),
        }
    }
}
