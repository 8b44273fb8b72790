/*! Where tensors live: the CPU, or a card when there is one and this build knows it. */

use std::str::FromStr;

use burn::prelude::*;

use crate::error::{Error, Result};

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A card where one answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA card number n.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let allowed = || format!("'{text}' is not one of auto, cpu, cuda, cuda:0, cuda:1, …");
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(allowed),
        }
    }
}

impl DeviceChoice {
    /// The device itself, without autodiff. burn's own default device is never relied on.
    ///
    /// # Errors
    /// When a card is asked for and this build or machine has none.
    pub fn resolve(self) -> Result<Device> {
        match self {
            Self::Auto | Self::Cpu => Ok(Device::flex()),
            Self::Cuda(_) => Err(Error::Device {
                message: "this program was built without CUDA".into(),
                hint: Some("leave --device away to use the CPU".into()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        assert_eq!("cuda:1".parse(), Ok(DeviceChoice::Cuda(1)));
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU", ""] {
            assert!(wrong.parse::<DeviceChoice>().is_err(), "{wrong}");
        }
        assert!(
            DeviceChoice::Cuda(0)
                .resolve()
                .unwrap_err()
                .hint()
                .is_some()
        );
    }
}
