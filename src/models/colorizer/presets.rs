use crate::models::colorizer::ColorizerConfig;
use crate::models::layers::channels_of;
use crate::models::preset::Size;

impl ColorizerConfig {
    /// For pictures of this width and height; the colours are still to come.
    pub(crate) fn preset(size: Size, [width, height]: [usize; 2]) -> Self {
        Self {
            width,
            height,
            colors: Vec::new(),
            channels: channels_of(size, [width, height]),
        }
    }
}
