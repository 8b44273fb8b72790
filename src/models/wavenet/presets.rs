use crate::models::preset::Size;
use crate::models::wavenet::{MAX_DILATION, WaveNetConfig};

impl WaveNetConfig {
    /// The same for sound and text.
    pub(crate) fn preset(size: Size) -> Self {
        let (layers, cycle, residual, skip, head) = size.of([
            (16, 8, 16, 64, 128),
            (20, 10, 32, 128, 256),
            (20, 10, 64, 128, 256),
            (40, 10, 64, 256, 256),
        ]);
        Self {
            layers,
            cycle,
            dilations: Vec::new(),
            residual,
            skip,
            head,
        }
    }

    /// The preset of this size for pictures: its layers look at 1, 2, 4 … pixels on the left, then 1, 2, 4 … rows above.
    pub(crate) fn preset_for_pixels(size: Size, width: usize, height: usize) -> Self {
        let doubling = |from: usize, below: usize| {
            std::iter::successors(Some(from), |x| Some(2 * x)).take_while(move |x| *x < below)
        };
        let rows = doubling(width, (width * height).min(MAX_DILATION + 1));
        Self {
            dilations: doubling(1, width).chain(rows).collect(),
            ..Self::preset(size)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dilations_for_pictures_are_distinct_and_within_the_picture() {
        let dilations =
            |width, height| WaveNetConfig::preset_for_pixels(Size::Small, width, height).dilations;
        assert_eq!(dilations(28, 28), [1, 2, 4, 8, 16, 28, 56, 112, 224, 448]);
        assert_eq!(dilations(3, 9), [1, 2, 3, 6, 12, 24]);
        assert_eq!(dilations(20, 1), [1, 2, 4, 8, 16]);
        assert_eq!(dilations(1, 5), [1, 2, 4]);
        assert_eq!(dilations(1, 1), [0; 0]);
        for (width, height) in [(28, 28), (3, 9), (20, 1), (1, 5), (1, 1), (1024, 1024)] {
            let config = WaveNetConfig::preset_for_pixels(Size::Small, width, height);
            config.validate().unwrap();
            assert_eq!(config.dilations().len(), config.layers);
        }
    }
}
