/*! Safetensors files: named tensors in single or half precision, and text metadata. */

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, Result};
use crate::train::StateTensor;

/// What a file holds: tensors by name, in single precision, and its metadata.
pub(super) type Content = (BTreeMap<String, StateTensor>, HashMap<String, String>);

/// Reads the bytes of the file at `path`.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Content> {
    let damaged = |error| Error::model(path, format!("it is truncated or damaged ({error})"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(damaged)?.iter() {
        let values = values(&view).ok_or_else(|| {
            let kind = view.dtype();
            let reason =
                format!("its tensor '{name}' is {kind:?}, not in single or half precision");
            Error::model(path, reason)
        })?;
        if values.iter().any(|value| !value.is_finite()) {
            let reason = format!("its tensor '{name}' has NaN or infinite values");
            return Err(Error::model(path, reason));
        }
        let shape = view.shape().to_vec();
        tensors.insert(name.to_owned(), StateTensor { shape, values });
    }
    Ok((tensors, metadata))
}

fn values(view: &TensorView) -> Option<Vec<f32>> {
    match view.dtype() {
        Dtype::F16 => {
            let (pairs, _) = view.data().as_chunks();
            let values = pairs
                .iter()
                .map(|bytes| f16::from_le_bytes(*bytes).to_f32());
            Some(values.collect())
        }
        Dtype::F32 => {
            let (fours, _) = view.data().as_chunks();
            Some(
                fours
                    .iter()
                    .map(|bytes| f32::from_le_bytes(*bytes))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// The bytes of a file for `path`, in half precision where `half` is true.
pub(super) fn serialize<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])>,
    metadata: HashMap<String, String>,
    half: bool,
) -> Result<Vec<u8>> {
    let failed = |reason: String| Error::Write {
        path: path.into(),
        source: std::io::Error::other(reason),
    };
    let mut all: Vec<(&str, &[usize], Vec<u8>)> = Vec::new();
    for (name, shape, values) in tensors {
        let bytes = if half {
            let halves = values.iter().map(|&value| f16::from_f32(value));
            if halves.clone().any(|half| !half.is_finite()) {
                return Err(failed(format!(
                    "'{name}' has values too large for half precision"
                )));
            }
            halves.flat_map(f16::to_le_bytes).collect()
        } else {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        all.push((name, shape, bytes));
    }
    let kind = if half { Dtype::F16 } else { Dtype::F32 };
    let views = all.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(kind, shape.to_vec(), bytes);
        (*name, view.expect("as many bytes as its shape says"))
    });
    safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))
}
