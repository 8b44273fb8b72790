/*! The device that holds the tensors: the CPU, or a GPU if this build supports CUDA. */

use std::str::FromStr;

use burn::backend::DispatchDevice;
use burn::prelude::*;

use crate::error::{Error, Result};

/// The value of `--device`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU, or the CPU if there is none.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA GPUs with these numbers, at least one.
    Cuda(Vec<usize>),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let allowed = || {
            format!("'{text}' is not one of auto, cpu, cuda, cuda:1, or cuda:0,1 for several GPUs")
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(vec![0])),
            _ => {
                let numbers = text.strip_prefix("cuda:").ok_or_else(allowed)?;
                let mut gpus = Vec::new();
                for number in numbers.split(',') {
                    let number = number.parse().map_err(|_| allowed())?;
                    if gpus.contains(&number) {
                        return Err(format!("'{text}' names GPU {number} twice"));
                    }
                    gpus.push(number);
                }
                Ok(Self::Cuda(gpus))
            }
        }
    }
}

impl DeviceChoice {
    /// The first of [`resolve_all`](Self::resolve_all).
    ///
    /// # Errors
    /// As for `resolve_all`.
    pub fn resolve(&self) -> Result<Device> {
        Ok(self.resolve_all()?.swap_remove(0))
    }

    /// All devices, at least one, without autodiff. Nothing relies on burn's default device.
    ///
    /// # Errors
    /// If this build or machine lacks the GPU, or several GPUs are named and NCCL is missing.
    pub fn resolve_all(&self) -> Result<Vec<Device>> {
        match self {
            Self::Cpu => Ok(vec![Device::flex()]),
            Self::Auto => Ok(vec![gpus().into_iter().next().unwrap_or_else(Device::flex)]),
            Self::Cuda(numbers) => {
                let all = gpus();
                let gpu = |&number: &usize| {
                    let gpu = all.get(number).cloned();
                    gpu.ok_or_else(|| missing_gpu(number, all.len()))
                };
                let gpus: Vec<Device> = numbers.iter().map(gpu).collect::<Result<_>>()?;
                if gpus.len() > 1 && !gpus.iter().all(has_nccl) {
                    return Err(Error::Device {
                        message:
                            "several GPUs need the library NCCL to exchange gradients, and it is missing"
                                .into(),
                        hint: Some("install libnccl2, or train on one GPU".into()),
                    });
                }
                Ok(gpus)
            }
        }
    }

    /// The device of a command that uses only one.
    ///
    /// # Errors
    /// If several GPUs are named, or as for [`resolve`](Self::resolve).
    pub fn resolve_one(&self) -> Result<Device> {
        match self {
            Self::Cuda(numbers) if numbers.len() > 1 => {
                Err(Error::usage("only training can use several GPUs")
                    .with_hint("name one GPU, as in --device cuda:0"))
            }
            _ => self.resolve(),
        }
    }
}

fn missing_gpu(number: usize, found: usize) -> Error {
    let (message, hint) = if !cfg!(feature = "cuda") {
        (
            "this program was built without CUDA".to_owned(),
            "omit --device to use the CPU, or build with --features cuda",
        )
    } else if found == 0 {
        (
            "no CUDA GPU was found on this machine".to_owned(),
            "omit --device to use the CPU; a GPU needs its driver installed",
        )
    } else {
        (
            format!("there is no CUDA GPU {number}"),
            "`ensuite devices` lists them",
        )
    };
    Error::Device {
        message,
        hint: Some(hint.into()),
    }
}

/// All GPUs that burn finds, by number.
#[cfg(feature = "cuda")]
fn gpus() -> Vec<Device> {
    Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec()
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> Vec<Device> {
    Vec::new()
}

/// Whether a GPU can exchange gradients with others.
#[cfg(feature = "cuda")]
fn has_nccl(gpu: &Device) -> bool {
    match gpu.as_dispatch() {
        DispatchDevice::Cube(cube) => cube.client().has_device_transport(),
        _ => false,
    }
}

#[cfg(not(feature = "cuda"))]
fn has_nccl(_gpu: &Device) -> bool {
    false
}

/// A GPU as `ensuite devices` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its name for `--device`.
    pub device: String,
    /// The vendor's name.
    pub name: String,
    /// Its memory in bytes, if the driver reports it.
    pub memory: Option<u64>,
}

/// All GPUs that this build can use.
#[cfg(feature = "cuda")]
pub fn list_gpus() -> Vec<Gpu> {
    let describe = |(number, gpu): (usize, Device)| {
        let identity = gpu.identity();
        let memory = match gpu.as_dispatch() {
            DispatchDevice::Cube(cube) => cube.client().properties().memory.max_memory(),
            _ => None,
        };
        Gpu {
            device: format!("cuda:{number}"),
            name: identity.map_or_else(|| "unnamed GPU".into(), |i| i.name),
            memory,
        }
    };
    gpus().into_iter().enumerate().map(describe).collect()
}

/// All GPUs that this build can use: none without CUDA.
#[cfg(not(feature = "cuda"))]
pub fn list_gpus() -> Vec<Gpu> {
    Vec::new()
}

/// Whether this is the CPU.
pub fn is_cpu(device: &Device) -> bool {
    matches!(
        device.clone().inner().as_dispatch(),
        DispatchDevice::Flex(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(vec![0])));
        assert_eq!("cuda:1".parse(), Ok(DeviceChoice::Cuda(vec![1])));
        assert_eq!("cuda:0,2".parse(), Ok(DeviceChoice::Cuda(vec![0, 2])));
        for wrong in ["gpu", "cuda:", "cuda:x", "cuda:0,", "cuda:1,1", "CPU", ""] {
            assert!(wrong.parse::<DeviceChoice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_gpu_auto_is_the_cpu_and_cuda_is_an_error() {
        assert!(is_cpu(&DeviceChoice::Cpu.resolve().unwrap()));
        assert!(is_cpu(&Device::flex().autodiff()));
        let found = list_gpus().len();
        let auto = DeviceChoice::Auto.resolve().unwrap();
        assert_eq!(is_cpu(&auto), found == 0);
        let missing = DeviceChoice::Cuda(vec![found]).resolve().unwrap_err();
        assert!(missing.hint().is_some() && !missing.is_usage());
        let several = DeviceChoice::Cuda(vec![0, 1]).resolve_one().unwrap_err();
        assert!(several.is_usage());
    }
}
