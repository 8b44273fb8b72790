use crate::models::gan::config::GanConfig;
use crate::models::preset::Size;

impl GanConfig {
    /// For pictures of this width and height in these colours.
    pub(crate) fn preset(size: Size, [width, height]: [usize; 2], colors: Vec<[u8; 3]>) -> Self {
        let channels: [&[usize]; 4] = [
            &[16, 32, 64, 128],
            &[32, 64, 128, 256],
            &[64, 128, 256, 512],
            &[128, 256, 512, 1024],
        ];
        // The narrowest pictures have sides of four to seven pixels.
        let halvings = (width.min(height).max(1).ilog2() as usize)
            .saturating_sub(2)
            .max(1);
        let channels = size.of(channels);
        Self {
            width,
            height,
            colors,
            noise: size.of([32, 64, 64, 128]),
            channels: channels[..channels.len().min(halvings)].to_vec(),
            hidden: size.of([128, 256, 1024, 1024]),
        }
    }
}
