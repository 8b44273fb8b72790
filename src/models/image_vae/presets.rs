use crate::models::image_vae::config::{ImageDecoder, ImageVaeConfig};
use crate::models::preset::Size;
use crate::models::{RecurrentConfig, SequenceConfig, WaveNetConfig};

impl ImageVaeConfig {
    /// For pictures of this width and height.
    pub(crate) fn preset(size: Size, decoder: ImageDecoder, [width, height]: [usize; 2]) -> Self {
        let channels: [&[usize]; 4] = [&[16, 32], &[32, 64], &[32, 64, 128], &[64, 128, 256]];
        // The narrowest pictures keep two pixels in a row and in a column.
        let halvings = width.min(height).max(1).ilog2().saturating_sub(1) as usize;
        let mut channels = size.of(channels).to_vec();
        channels.truncate(match decoder {
            ImageDecoder::Dense => 0,
            _ => halvings,
        });
        Self {
            pixels: width * height,
            width,
            latent: 10,
            embedding: size.of([4, 8, 8, 16]),
            channels,
            hidden: size.of([100, 256, 512, 1024]),
            guide: match decoder {
                ImageDecoder::Conv | ImageDecoder::Dense => None,
                ImageDecoder::WaveNet | ImageDecoder::Lstm => Some(size.of([8, 16, 32, 64])),
            },
            decoder: match decoder {
                ImageDecoder::Conv | ImageDecoder::Dense => None,
                ImageDecoder::WaveNet => {
                    Some(SequenceConfig::WaveNet(local_wavenet(size, width, height)))
                }
                ImageDecoder::Lstm => Some(SequenceConfig::Lstm(small_lstm(size))),
            },
        }
    }
}

/// It sees few pixels, on the left and above, so that the rest has to be in the code (Chen et al. 2017, "Variational lossy
/// autoencoder", §3.1).
fn local_wavenet(size: Size, width: usize, height: usize) -> WaveNetConfig {
    let (residual, skip, head) =
        size.of([(16, 32, 64), (32, 64, 128), (64, 128, 256), (64, 256, 256)]);
    let mut dilations = vec![1, 2, width.saturating_sub(1), width];
    dilations.retain(|dilation| (1..width * height).contains(dilation));
    dilations.dedup();
    WaveNetConfig {
        layers: dilations.len().max(1),
        cycle: 1,
        dilations,
        residual,
        skip,
        head,
    }
}

fn small_lstm(size: Size) -> RecurrentConfig {
    let hidden = size.of([64, 128, 256, 512]);
    RecurrentConfig {
        embedding: hidden / 2,
        hidden,
        layers: 1,
        tied: false,
        dropout: 0.0,
        stride: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_for_pictures_of_any_sides_are_valid() {
        for decoder in [
            ImageDecoder::Conv,
            ImageDecoder::Dense,
            ImageDecoder::WaveNet,
            ImageDecoder::Lstm,
        ] {
            for size in [Size::Tiny, Size::Small, Size::Medium, Size::Large] {
                for sides in [[28, 28], [1, 1], [2, 40], [5, 3], [20, 20], [64, 64]] {
                    let config = ImageVaeConfig::preset(size, decoder, sides);
                    config.validate().unwrap();
                }
            }
        }
        let halved = ImageVaeConfig::preset(Size::Small, ImageDecoder::Conv, [28, 28]);
        assert_eq!(halved.channels, [32, 64]);
    }
}
