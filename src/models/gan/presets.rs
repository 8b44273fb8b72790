use crate::models::gan::config::GanConfig;
use crate::models::layers::channels_of;
use crate::models::preset::Size;

impl GanConfig {
    /// For pictures of this width and height in these colours.
    pub(crate) fn preset(size: Size, [width, height]: [usize; 2], colors: Vec<[u8; 3]>) -> Self {
        Self {
            width,
            height,
            colors,
            noise: size.of([32, 64, 64, 128]),
            channels: channels_of(size, [width, height]),
            hidden: size.of([128, 256, 1024, 1024]),
        }
    }
}
