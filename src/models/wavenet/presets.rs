use crate::models::preset::Size;
use crate::models::wavenet::WaveNetConfig;

impl WaveNetConfig {
    /// The same for every medium.
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
            residual,
            skip,
            head,
        }
    }
}
