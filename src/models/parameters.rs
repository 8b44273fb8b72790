/*! The parameters of a module as named plain arrays, in module order: for the optimizer, the averages and the files. */

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;

use crate::models::values;

/// One parameter tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its path in the module, as in `conv_bias`.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// All parameters, in module order.
pub fn parameters<M: Module>(module: &M) -> Vec<Parameter> {
    let mut reader = Reader::default();
    module.visit(&mut reader);
    reader.found
}

/// The module with new values of its parameters, given in module order.
///
/// # Panics
/// If there are fewer arrays than parameters, or an array has another size.
pub fn with_values<M: Module>(module: M, values: impl IntoIterator<Item = Vec<f32>>) -> M {
    module.map(&mut Writer {
        values: values.into_iter(),
    })
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    found: Vec<Parameter>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, container: &str) {
        // The variant of the `Model` enum is not part of the names.
        let name = if container.starts_with("Enum:") {
            ""
        } else {
            name
        };
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let parts: Vec<&str> = self
            .path
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        self.found.push(Parameter {
            name: parts.join("."),
            shape: tensor.dims().to_vec(),
            values: values(tensor),
        });
    }
}

struct Writer<I> {
    values: I,
}

impl<I: Iterator<Item = Vec<f32>>> ModuleMapper for Writer<I> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let values = self.values.next().expect("values for every parameter");
        param.map(|tensor| {
            let data = TensorData::new(values, tensor.dims());
            let fresh = Tensor::from_data(data, &tensor.device());
            if tensor.is_require_grad() {
                fresh.require_grad()
            } else {
                fresh
            }
        })
    }
}
