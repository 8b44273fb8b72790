/*! `ensuite score` on pictures: how surprising each pixel is. */

use std::fmt::Write as _;

use burn::prelude::*;

use crate::base::files::write_atomic;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::pictures::comfortable;
use crate::cli::score::Args;
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::image::PictureFormat;
use crate::image::{ContactSheet, Picture, heatmap};
use crate::sequence::{Codec, nll_per_token};

pub(super) fn run(
    args: &Args,
    pictures: &PictureFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let format = args.format(&["png", "csv"])?;
    let condition = args.condition(manifest)?;
    let codec = &pictures.codec;
    let picture = Picture::read(&args.file, pictures.background)?;
    let (indexed, warnings) = codec.adapt(
        &picture,
        &args.file,
        pictures.fit,
        pictures.background,
        false,
    )?;
    for warning in warnings {
        ui.warn(format!("{}: {warning}", args.file.display()));
    }
    let net = folder.load(manifest, &Device::flex())?;
    let tokens = codec.encode(&indexed)?;
    let bits: Vec<f32> = nll_per_token(
        &mut *net.require_sequence()?.stepper(1)?,
        condition.as_deref(),
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
            write_atomic(&args.output, table.as_bytes())?;
        }
        _ => {
            let most = heatmap::greatest(&bits);
            let drawn = heatmap::draw(&bits, size, most);
            let mut sheet = ContactSheet::grid(vec![codec.paint(&indexed), drawn], Some(2));
            sheet.scale = comfortable(size.width(), size.height());
            sheet.write_png(&args.output)?;
            ui.say(format!(
                "{}: the picture, and its nll from 0 (black) to {most:.1} bits (lightest)",
                args.output.display()
            ));
        }
    }
    ui::print(&format!(
        "{:.3} bits/pixel over {} pixels, {} colours",
        bits.iter().map(|&b| f64::from(b)).sum::<f64>() / bits.len() as f64,
        bits.len(),
        codec.palette().len()
    ))
}
