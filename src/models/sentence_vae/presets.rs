use crate::models::RecurrentCell;
use crate::models::sentence_vae::SentenceVaeConfig;

impl SentenceVaeConfig {
    /// `anchor` or `poem`, with a decoder of this cell; `None` for an unknown name.
    pub(crate) fn preset(name: &str, unit: RecurrentCell) -> Option<Self> {
        let (latent, dropout) = match name {
            "anchor" => (32, 0.5),
            "poem" => (128, 0.1),
            _ => return None,
        };
        Some(Self {
            unit,
            embedding: 256,
            hidden: 512,
            encoder: 256,
            latent,
            dropout,
        })
    }
}
