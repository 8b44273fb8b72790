/*! `ensuite generate` on pictures. */

use std::time::Instant;

use rayon::prelude::*;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::generate::{Args, shown};
use crate::cli::pictures::{LANES, check_extension, check_scale, comfortable, write_png};
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::image::PictureFormat;
use crate::image::{ContactSheet, Indexed, Picture, gif};
use crate::sequence::{Codec, Item, Stepper, Token, generate_many};

pub(super) fn run(
    args: &Args,
    pictures: &PictureFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    if args.prompt.is_some() {
        return Err(
            Error::usage("--prompt means nothing for a model of pictures")
                .with_hint("to finish a picture: ensuite complete MODEL IMAGE --keep 0.5"),
        );
    }
    if args.gif && args.number > 1 {
        return Err(Error::usage("--gif shows one picture being drawn")
            .with_hint("leave -n away, or make each with its own seed"));
    }
    let extension = if args.gif { "gif" } else { "png" };
    let files = if args.separate { args.number } else { 1 };
    let outputs = args.outputs(files, extension)?;
    check_extension(&outputs[0], args.gif)?;
    let codec = &pictures.codec;
    let size = codec.size();
    check_scale(args.scale, size)?;
    if !args.separate && args.number > 1 {
        // Whether there is room for all is known before any is drawn.
        sheet(
            args,
            vec![Picture::filled(size.width(), size.height(), [0; 3]); args.number as usize],
        )
        .check()?;
    }
    let maker = args.maker(folder, manifest)?;
    let (seed, mut items, _) = args.items(manifest, &[])?;
    let begun = Instant::now();
    let made = if maker.on_card {
        let mut stepper = maker.stepper(maker.side_by_side(items.len(), LANES, 1))?;
        draw_side_by_side(&mut *stepper, &mut items, pictures)?
    } else {
        draw(&|lanes| maker.stepper(lanes), &mut items, pictures)?
    };
    let seconds = begun.elapsed().as_secs_f64();
    let scale = args
        .scale
        .unwrap_or_else(|| comfortable(size.width(), size.height()));
    if args.gif {
        gif::write_gif(&made[0], codec.palette(), 0, scale, &outputs[0])?;
    } else if args.separate || args.number == 1 {
        for (path, picture) in outputs.iter().zip(&made) {
            write_png(&codec.paint(picture).enlarged(scale), path)?;
        }
    } else {
        let painted = made.iter().map(|picture| codec.paint(picture)).collect();
        write_png(&sheet(args, painted).draw()?, &outputs[0])?;
    }
    ui.say(format!(
        "{}: {} of {size} pixels in {seconds:.2} s ({:.1} pictures/s), seed {seed}",
        shown(&outputs[0]),
        if made.len() == 1 {
            "a picture".into()
        } else {
            format!("{} pictures", made.len())
        },
        made.len() as f64 / seconds
    ));
    Ok(())
}

/// All pictures on one sheet.
fn sheet(args: &Args, pictures: Vec<Picture>) -> ContactSheet {
    let mut sheet = ContactSheet::grid(pictures, None);
    sheet.scale = args.scale.unwrap_or(sheet.scale);
    sheet
}

/// Fewer pictures than this are not worth a thread of their own.
const WORTH_A_THREAD: usize = 4;

/// Draws whole pictures: each item's prompt, then what the model makes of it. `stepper` makes one of so many lanes; each
/// thread gets its own, which changes no pixel.
pub(super) fn draw(
    stepper: &(dyn Fn(usize) -> Result<Box<dyn Stepper>> + Sync),
    items: &mut [Item],
    pictures: &PictureFormat,
) -> Result<Vec<Indexed>> {
    let threads = rayon::current_num_threads().min(items.len() / WORTH_A_THREAD);
    let share = items.len().div_ceil(threads.max(1)).max(1);
    let parts = items
        .par_chunks_mut(share)
        .map(|items| draw_side_by_side(&mut *stepper(items.len().min(LANES))?, items, pictures))
        .collect::<Result<Vec<_>>>()?;
    Ok(parts.concat())
}

fn draw_side_by_side(
    stepper: &mut dyn Stepper,
    items: &mut [Item],
    pictures: &PictureFormat,
) -> Result<Vec<Indexed>> {
    let area = pictures.codec.size().area();
    let mut tokens: Vec<Vec<Token>> = items.iter().map(|item| item.prompt.clone()).collect();
    let missing = area - tokens.iter().map(Vec::len).min().unwrap_or(0);
    generate_many(stepper, items, missing, &mut |item, token| {
        tokens[item].push(token);
        Ok(())
    })?;
    tokens
        .iter()
        .map(|tokens| pictures.codec.decode(tokens))
        .collect()
}
