/*! The smoothness of generated pictures, beside that of the dataset: a cheap sign that a model has learned something. */

use crate::error::Result;
use crate::image::dataset::PictureDataset;
use crate::sequence::SequenceDataset;

/// The share of pixels that have the colour of their left neighbour, from 0 to 1.
pub fn smoothness(indices: &[u8], width: usize) -> f64 {
    let pairs = indices.chunks(width).flat_map(|row| row.windows(2));
    let (mut same, mut all) = (0, 0_u32);
    for pair in pairs {
        same += u32::from(pair[0] == pair[1]);
        all += 1;
    }
    f64::from(same) / f64::from(all.max(1))
}

/// The mean [`smoothness`] of up to 500 pictures, evenly spread over the dataset.
///
/// # Errors
/// When reading fails.
pub fn mean_smoothness(dataset: &PictureDataset<'_>) -> Result<f64> {
    /// Enough for two digits.
    const SAMPLED: usize = 500;
    let width = dataset.width();
    let sampled = (0..dataset.count()).step_by(dataset.count().div_ceil(SAMPLED));
    let (mut sum, mut count) = (0.0, 0.0);
    for index in sampled {
        sum += smoothness(&dataset.indices(index)?, width);
        count += 1.0;
    }
    Ok(sum / count)
}

/// A sentence about the smoothness of generated pictures: empty, still noise, or like the dataset.
pub fn verdict(generated: f64, dataset: f64) -> String {
    let figures = format!(
        "{:.0} % of neighbouring pixels agree, {:.0} % in the dataset",
        100.0 * generated,
        100.0 * dataset
    );
    if generated > 0.995 && dataset < 0.98 {
        format!("empty: nearly every pixel is of one colour ({figures})")
    } else if generated < dataset - 0.25 * dataset.min(1.0 - dataset).max(0.05) {
        format!("still noise: neighbouring pixels agree less often than in the dataset ({figures})")
    } else {
        format!("as smooth as the dataset ({figures})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_emptiness_and_good_pictures_get_different_sentences() {
        let width = 20;
        let noise: Vec<u8> = (0_u32..400).map(|i| (i * i * 31 % 167) as u8).collect();
        let empty = vec![3; 400];
        let blocks: Vec<u8> = (0..400).map(|i| (i / 5 % 3) as u8).collect();
        let dataset = smoothness(&blocks, width);
        let said = |picture: &[u8]| verdict(smoothness(picture, width), dataset);
        assert!(said(&noise).starts_with("still noise"), "{}", said(&noise));
        assert!(said(&empty).starts_with("empty"), "{}", said(&empty));
        assert!(said(&blocks).starts_with("as smooth"), "{}", said(&blocks));
    }
}
