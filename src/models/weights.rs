/*! Checks of the sizes of a network, and of its weights before a stepper indexes into them. */

use crate::error::{Error, Result};
use crate::sequence::{Alphabet, SideInputs};

/// The longest lag or dilation, in steps: it bounds the memory that a damaged model file can ask for.
pub(crate) const LONGEST_REACH: usize = 1 << 20;

/// Refuses a size outside 1..=most of an `architecture` ("a WaveNet"); `sizes` are its names, values and bounds.
pub(crate) fn check_sizes(architecture: &str, sizes: &[(&str, usize, usize)]) -> Result<()> {
    match sizes
        .iter()
        .find(|(_, size, most)| !(1..=*most).contains(size))
    {
        None => Ok(()),
        Some((name, size, most)) => Err(Error::usage(format!(
            "{architecture} with {name} = {size} is not possible"
        ))
        .with_hint(format!("{name} is a whole number from 1 to {most}"))),
    }
}

/// Refuses a tensor whose length is not the product of `shape`.
pub(crate) fn check_shape(name: &str, values: &[f32], shape: &[usize]) -> Result<()> {
    let wanted = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    if wanted == Some(values.len()) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the weights {name} have {} values, but the shape {shape:?} was declared",
        values.len()
    )))
}

/// Refuses a width of zero.
pub(crate) fn check_width(name: &str, width: usize) -> Result<()> {
    if width > 0 {
        return Ok(());
    }
    Err(Error::usage(format!("{name} must be at least 1, not 0")))
}

/// Refuses a lag or a dilation of zero, or one beyond [`LONGEST_REACH`].
pub(crate) fn check_reach(name: &str, steps: &[usize]) -> Result<()> {
    match steps.iter().find(|s| !(1..=LONGEST_REACH).contains(*s)) {
        None => Ok(()),
        Some(step) => Err(Error::usage(format!(
            "{name} must lie between 1 and {LONGEST_REACH} steps, not {step}"
        ))),
    }
}

/// Refuses an empty alphabet, and lags or clocks out of range.
pub(crate) fn check_inputs(alphabet: Alphabet, side_inputs: &SideInputs) -> Result<()> {
    check_width("the size of the alphabet", alphabet.size)?;
    for clock in &side_inputs.clocks {
        check_reach("the period of a clock", &[clock.every, clock.states])?;
    }
    check_reach("a lag", &side_inputs.lags)
}

/// Refuses a stepper without lanes.
pub(crate) fn check_lanes(lanes: usize) -> Result<()> {
    check_width("the number of lanes", lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_length_is_refused_and_the_right_one_is_not() {
        assert!(check_shape("w", &[0.0; 6], &[2, 3]).is_ok());
        let error = check_shape("w", &[0.0; 5], &[2, 3]).unwrap_err();
        assert!(error.to_string().contains("w have 5"), "{error}");
        assert!(check_shape("w", &[], &[usize::MAX, 2]).is_err());
    }

    #[test]
    fn reaches_of_zero_and_beyond_memory_are_refused() {
        assert!(check_reach("a lag", &[1, 20, LONGEST_REACH]).is_ok());
        assert!(check_reach("a lag", &[1, 0]).is_err());
        assert!(check_reach("a lag", &[LONGEST_REACH + 1]).is_err());
    }
}
