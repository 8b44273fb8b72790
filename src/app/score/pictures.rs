/*! Scoring a picture: bits of each pixel as a heat map. */

use std::fmt::Write as _;

use burn::prelude::*;

use super::options::ScoreOptions;
use crate::app::generate::comfortable;
use crate::app::import::import_picture;
use crate::app::{Observer, OpenModel};
use crate::base::files::write_output;
use crate::error::Result;
use crate::image::{ContactSheet, PictureFormat, heatmap};
use crate::sequence::{Codec, Conditions, nll_per_token};

pub(super) fn score(
    model: &OpenModel,
    pictures: &PictureFormat,
    options: &ScoreOptions,
    observer: &mut dyn Observer,
) -> Result<String> {
    let format = options.format(&["png", "csv"])?;
    let condition = options.condition(model)?;
    let codec = &pictures.codec;
    let indexed = import_picture(&options.file, pictures, false, observer)?;
    let net = model.load(&Device::flex())?;
    let tokens = codec.encode(&indexed)?;
    let bits: Vec<f32> = nll_per_token(
        &mut *net.require_sequence()?.stepper(1)?,
        Conditions::whole(condition.as_deref().unwrap_or_default()),
        &tokens,
    )
    .into_iter()
    .map(|nats| (nats / std::f64::consts::LN_2) as f32)
    .collect();
    let size = codec.size();
    match format {
        "csv" => {
            let mut table = String::from("row,column,bits\n");
            for (index, bits) in bits.iter().enumerate() {
                let width = size.width() as usize;
                let _ = writeln!(table, "{},{},{bits:.4}", index / width, index % width);
            }
            write_output(&options.output, table.as_bytes())?;
        }
        _ => {
            let most = heatmap::greatest(&bits);
            let drawn = heatmap::draw(&bits, size, most);
            let mut sheet = ContactSheet::grid(vec![codec.paint(&indexed), drawn], Some(2));
            sheet.scale = comfortable(size.width(), size.height());
            sheet.write_png(&options.output)?;
            observer.info(format!(
                "{}: the picture, and its NLL from 0 (black) to {most:.1} bits (lightest)",
                options.output.display()
            ));
        }
    }
    Ok(format!(
        "{:.3} bits/pixel over {} pixels, {} colours",
        bits.iter().map(|&b| f64::from(b)).sum::<f64>() / bits.len() as f64,
        bits.len(),
        codec.palette().len()
    ))
}
