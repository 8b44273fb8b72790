/*! A loaded model, its steppers, and the files it writes to. */

use std::path::{Path, PathBuf};

use burn::prelude::*;

use crate::app::precision::Precision;
use crate::app::{OpenModel, precision};
use crate::checkpoint::ModelManifest;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::ops::device::{DeviceChoice, is_cpu};
use crate::sequence::Stepper;

/// A loaded model and how its steppers are made.
pub(crate) struct Maker<'a> {
    pub(crate) model: Model,
    /// Whether it computes on a GPU.
    pub(crate) on_gpu: bool,
    manifest: &'a ModelManifest,
    precision: Option<Precision>,
}

/// The most lanes side by side on a GPU.
const GPU_LANES: usize = 4096;

impl<'a> Maker<'a> {
    pub(crate) fn new(
        model: &'a OpenModel,
        device: &DeviceChoice,
        precision: Option<Precision>,
    ) -> Result<Self> {
        // A GPU is used only where it is asked for: a few items are faster on the CPU.
        let device = match device {
            DeviceChoice::Auto => Device::flex(),
            asked => asked.resolve_one()?,
        };
        if !is_cpu(&device) && precision == Some(Precision::Int8) {
            return Err(Error::usage("a GPU generates in f32 only").with_hint("omit --precision"));
        }
        Ok(Self {
            model: model.load(&device)?,
            on_gpu: !is_cpu(&device),
            manifest: &model.manifest,
            precision,
        })
    }

    /// A stepper of this many lanes.
    pub(crate) fn stepper(&self, lanes: usize) -> Result<Box<dyn Stepper>> {
        if self.on_gpu {
            return self.model.require_sequence()?.batched_stepper(lanes);
        }
        precision::stepper(&self.model, self.manifest, self.precision, lanes)
    }

    /// How many items go side by side that need `each` lanes: up to `most` lanes on the CPU, thousands on a GPU.
    pub(crate) fn side_by_side(&self, items: usize, most: usize, each: usize) -> usize {
        let most = if self.on_gpu { GPU_LANES } else { most };
        items.clamp(1, (most / each).max(1))
    }
}

/// A path as messages show it.
pub(super) fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard output".into()
    } else {
        path.display().to_string()
    }
}

impl OpenModel {
    /// A path for each of `number` files, checked before any work is done.
    pub(super) fn outputs(
        &self,
        output: Option<&Path>,
        number: u64,
        extension: &str,
    ) -> Result<Vec<PathBuf>> {
        let base = match output {
            Some(path) => path.to_owned(),
            None => {
                let path = self.folder.path();
                let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                PathBuf::from(full.file_name().unwrap_or("made".as_ref())).with_extension(extension)
            }
        };
        if base == Path::new("-") {
            if number > 1 {
                return Err(Error::usage("several files cannot go to standard output")
                    .with_hint("give a file name with -o"));
            }
            return Ok(vec![base]);
        }
        if base.is_dir() {
            return Err(Error::usage(format!("{} is a folder", base.display()))
                .with_hint(format!("give a file name, such as more.{extension}")));
        }
        if let Some(parent) = base.parent()
            && !parent.as_os_str().is_empty()
            && !parent.is_dir()
        {
            return Err(Error::input(parent, "there is no such folder to write to"));
        }
        if number == 1 {
            return Ok(vec![base]);
        }
        let digits = number.to_string().len();
        let stem = base.file_stem().unwrap_or_default().to_string_lossy();
        let extension = base
            .extension()
            .map_or(extension.into(), |e| e.to_string_lossy().into_owned());
        Ok((1..=number)
            .map(|number| base.with_file_name(format!("{stem}-{number:0digits$}.{extension}")))
            .collect())
    }
}
