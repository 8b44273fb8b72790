use crate::models::preset::Size;
use crate::models::rnn::RecurrentConfig;

impl RecurrentConfig {
    /// For the samples of a sound.
    pub(crate) fn preset_for_samples(size: Size) -> Self {
        one_layer(64, size.of([96, 192, 384, 768]))
    }

    /// For the pixels of a picture.
    pub(crate) fn preset_for_pixels(size: Size) -> Self {
        one_layer(64, size.of([128, 256, 512, 1024]))
    }

    /// For the tokens of a text: tied embeddings, and dropout against overfitting.
    pub(crate) fn preset_for_text(size: Size) -> Self {
        Self {
            tied: true,
            dropout: size.of([0.1, 0.2, 0.4, 0.5]),
            ..one_layer(size.of([96, 192, 256, 512]), size.of([192, 384, 512, 1024]))
        }
    }
}

fn one_layer(embedding: usize, hidden: usize) -> RecurrentConfig {
    RecurrentConfig {
        embedding,
        hidden,
        layers: 1,
        tied: false,
        dropout: 0.0,
        stride: 1,
    }
}
