use crate::models::classifier::config::ClassifierConfig;
use crate::models::layers::channels_of;
use crate::models::preset::Size;

impl ClassifierConfig {
    /// For pictures of this width and height; colours and classes are still to come.
    pub(crate) fn preset(size: Size, [width, height]: [usize; 2]) -> Self {
        Self {
            width,
            height,
            colors: Vec::new(),
            groups: Vec::new(),
            channels: channels_of(size, [width, height]),
            hidden: size.of([64, 128, 256, 512]),
            dropout: 0.5,
        }
    }
}
