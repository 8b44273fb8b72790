/*! `ensuite complete` on pictures: the given pixels are a prompt. */

use burn::prelude::*;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::arguments::labels_of_item;
use crate::cli::complete::Args;
use crate::cli::pictures::generate::draw;
use crate::cli::pictures::{check_extension, check_scale, comfortable, write_png};
use crate::cli::precision;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::image::PictureFormat;
use crate::image::{ContactSheet, Indexed, Picture, gif};
use crate::sequence::{Codec, Item, Sampler};

/// Continuations on a sheet.
const USUAL: u64 = 5;

pub(in crate::cli) fn run(
    args: &Args,
    pictures: &PictureFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let number = args.number.unwrap_or(if args.gif { 1 } else { USUAL });
    if args.gif && number > 1 {
        return Err(Error::usage("--gif shows one picture being drawn").with_hint("leave -n away"));
    }
    let codec = &pictures.codec;
    let size = codec.size();
    if size.area() < 2 {
        return Err(Error::usage(
            "a picture of one pixel has nothing to complete",
        ));
    }
    check_extension(&args.output, args.gif)?;
    check_scale(args.scale, size)?;
    let truth = read(args, pictures, ui)?;
    let given = ((args.keep * truth.indices.len() as f64).round() as usize)
        .clamp(1, truth.indices.len() - 1);
    let net = folder.load(manifest, &Device::flex())?;
    let seed = args.sampling.seed();
    let prompt = codec.encode(&truth)?[..given].to_vec();
    let mut items = (0..number)
        .map(|item| {
            let labels = labels_of_item(&manifest.classes, &args.classes, seed, item);
            Ok(Item {
                sampler: Sampler::new(args.sampling.sampling()?, seed, item)?,
                condition: (!labels.is_empty())
                    .then(|| manifest.classes.vector(&labels))
                    .transpose()?,
                prompt: prompt.clone(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let stepper = |lanes| precision::stepper(&net, manifest, args.precision, lanes);
    let made = draw(&stepper, &mut items, pictures)?;
    if args.gif {
        let scale = args
            .scale
            .unwrap_or_else(|| comfortable(size.width(), size.height()));
        gif::write_gif(&made[0], codec.palette(), given, scale, &args.output)?;
    } else {
        let painted = made.iter().map(|picture| codec.paint(picture)).collect();
        let mut sheet = ContactSheet::completions(vec![(codec.paint(&truth), painted)], given);
        sheet.scale = args.scale.unwrap_or(sheet.scale);
        write_png(&sheet.draw()?, &args.output)?;
    }
    ui.say(format!(
        "{}: {given} of {} pixels given, {} continuations, seed {seed}",
        args.output.display(),
        size.area(),
        made.len()
    ));
    Ok(())
}

/// The picture in the model's size and colours, with a warning for each that had to be changed.
fn read(args: &Args, pictures: &PictureFormat, ui: &Ui) -> Result<Indexed> {
    let picture = Picture::read(&args.image, pictures.background)?;
    let (indexed, warnings) = pictures.codec.adapt(
        &picture,
        &args.image,
        pictures.fit,
        pictures.background,
        args.strict,
    )?;
    for warning in warnings {
        ui.warn(format!("{}: {warning}", args.image.display()));
    }
    Ok(indexed)
}
