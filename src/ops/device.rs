/*! Where tensors live: the CPU, or a card when there is one and this build knows it. */

use std::str::FromStr;

use burn::backend::DispatchDevice;
use burn::prelude::*;

use crate::error::{Error, Result};

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A card where one answers, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA cards with these numbers, at least one.
    Cuda(Vec<usize>),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let allowed = || {
            format!("'{text}' is not one of auto, cpu, cuda, cuda:1, or cuda:0,1 for several cards")
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(vec![0])),
            _ => {
                let numbers = text.strip_prefix("cuda:").ok_or_else(allowed)?;
                let mut cards = Vec::new();
                for number in numbers.split(',') {
                    let number = number.parse().map_err(|_| allowed())?;
                    if cards.contains(&number) {
                        return Err(format!("'{text}' names card {number} twice"));
                    }
                    cards.push(number);
                }
                Ok(Self::Cuda(cards))
            }
        }
    }
}

impl DeviceChoice {
    /// The device itself, without autodiff: the first where several cards are named. burn's own default device is never
    /// relied on.
    ///
    /// # Errors
    /// When a card is asked for and this build or machine has none.
    pub fn resolve(&self) -> Result<Device> {
        Ok(self.resolve_all()?.swap_remove(0))
    }

    /// All devices, at least one.
    ///
    /// # Errors
    /// When a card is asked for and this build or machine has none.
    pub fn resolve_all(&self) -> Result<Vec<Device>> {
        match self {
            Self::Cpu => Ok(vec![Device::flex()]),
            Self::Auto => Ok(vec![
                cards().into_iter().next().unwrap_or_else(Device::flex),
            ]),
            Self::Cuda(numbers) => {
                let cards = cards();
                let card = |&number: &usize| {
                    let card = cards.get(number).cloned();
                    card.ok_or_else(|| no_card(number, cards.len()))
                };
                let cards: Vec<Device> = numbers.iter().map(card).collect::<Result<_>>()?;
                if cards.len() > 1 && !cards.iter().all(exchanges) {
                    return Err(Error::Device {
                        message:
                            "these cards cannot exchange gradients: the library NCCL is missing"
                                .into(),
                        hint: Some("install libnccl2, or train on one card".into()),
                    });
                }
                Ok(cards)
            }
        }
    }

    /// The same for what goes to one device only.
    ///
    /// # Errors
    /// When several cards are named, or as for [`resolve`](Self::resolve).
    pub fn resolve_one(&self) -> Result<Device> {
        match self {
            Self::Cuda(numbers) if numbers.len() > 1 => {
                Err(Error::usage("only training goes to several cards at once")
                    .with_hint("name one card, as in --device cuda:0"))
            }
            _ => self.resolve(),
        }
    }
}

fn no_card(number: usize, found: usize) -> Error {
    let (message, hint) = if !cfg!(feature = "cuda") {
        (
            "this program was built without CUDA".to_owned(),
            "leave --device away to use the CPU, or build with --features cuda",
        )
    } else if found == 0 {
        (
            "no CUDA card answers on this machine".to_owned(),
            "leave --device away to use the CPU; for a card, its driver must be installed",
        )
    } else {
        (
            format!("there is no CUDA card {number}"),
            "`ensuite devices` lists them",
        )
    };
    Error::Device {
        message,
        hint: Some(hint.into()),
    }
}

/// All cards that answer, by number; none where this build knows none.
#[cfg(feature = "cuda")]
fn cards() -> Vec<Device> {
    Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec()
}

#[cfg(not(feature = "cuda"))]
fn cards() -> Vec<Device> {
    Vec::new()
}

/// Whether a card can exchange gradients with others.
#[cfg(feature = "cuda")]
fn exchanges(card: &Device) -> bool {
    match card.as_dispatch() {
        DispatchDevice::Cube(cube) => cube.client().has_device_transport(),
        _ => false,
    }
}

#[cfg(not(feature = "cuda"))]
fn exchanges(_card: &Device) -> bool {
    false
}

/// A card as `ensuite devices` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// What `--device` calls it.
    pub device: String,
    /// What its maker calls it.
    pub name: String,
    /// Its memory in bytes, where it says so.
    pub memory: Option<u64>,
}

/// All cards that answer.
#[cfg(feature = "cuda")]
pub fn list_cards() -> Vec<Card> {
    let describe = |(number, card): (usize, Device)| {
        let identity = card.identity();
        let memory = match card.as_dispatch() {
            DispatchDevice::Cube(cube) => cube.client().properties().memory.max_memory(),
            _ => None,
        };
        Card {
            device: format!("cuda:{number}"),
            name: identity.map_or_else(|| "a card without a name".into(), |i| i.name),
            memory,
        }
    };
    cards().into_iter().enumerate().map(describe).collect()
}

/// All cards that answer: none that this build knows.
#[cfg(not(feature = "cuda"))]
pub fn list_cards() -> Vec<Card> {
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
    fn without_a_card_the_cpu_is_chosen_and_a_card_refused() {
        assert!(is_cpu(&DeviceChoice::Cpu.resolve().unwrap()));
        assert!(is_cpu(&Device::flex().autodiff()));
        let found = list_cards().len();
        let auto = DeviceChoice::Auto.resolve().unwrap();
        assert_eq!(is_cpu(&auto), found == 0);
        let missing = DeviceChoice::Cuda(vec![found]).resolve().unwrap_err();
        assert!(missing.hint().is_some() && !missing.is_usage());
        let several = DeviceChoice::Cuda(vec![0, 1]).resolve_one().unwrap_err();
        assert!(several.is_usage());
    }
}
