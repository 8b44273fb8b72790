use crate::models::energy::EnergyConfig;
use crate::models::layers::channels_of;
use crate::models::preset::Size;

impl EnergyConfig {
    /// For pictures of this width and height; the colours are still to come.
    pub(crate) fn preset(size: Size, [width, height]: [usize; 2]) -> Self {
        Self {
            width,
            height,
            colors: Vec::new(),
            channels: channels_of(size, [width, height]),
            hidden: size.of([64, 128, 256, 512]),
        }
    }
}
