use crate::models::image_vae::ImageVaeConfig;
use crate::models::preset::Size;

impl ImageVaeConfig {
    /// For pictures of this many pixels.
    pub(crate) fn preset(size: Size, pixels: usize) -> Self {
        Self {
            pixels,
            latent: 10,
            embedding: size.of([4, 8, 8, 16]),
            hidden: size.of([100, 256, 512, 1024]),
        }
    }
}
