/*! Generating pictures: one sheet, single files, or a GIF of one being drawn. */

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::maker::{Maker, shown};
use super::nearest::Known;
use super::options::GenerateOptions;
use crate::app::drawing::{LANES, PixelSampling, decode, draw, draw_side_by_side};
use crate::app::sampling::{items, labels_of_item};
use crate::app::{Observer, OpenModel};
use crate::base::files::write_output;
use crate::base::labels::describe;
use crate::error::{Error, IoContext, Result};
use crate::image::{ContactSheet, Indexed, Picture, PictureFormat, Size, gif};

/// Draws pictures in palette indices.
pub(super) fn generate(
    model: &OpenModel,
    format: &PictureFormat,
    options: &GenerateOptions,
    seed: u64,
) -> Result<Vec<Indexed>> {
    if options.prompt.is_some() {
        return Err(
            Error::usage("--prompt does not apply to a model of pictures")
                .with_hint("to complete a picture: ensuite complete MODEL IMAGE --keep 0.5"),
        );
    }
    let (mut items, _) = items(
        model,
        options.number,
        &options.classes,
        options.sampling,
        seed,
        &[],
    )?;
    if let Some(latent) = model.latent_size() {
        let mixture = options.codes.mixture(model)?;
        for (item, number) in items.iter_mut().zip(0..) {
            let condition = item.condition.get_or_insert_default();
            let classes = condition.len().saturating_sub(latent);
            let code = &mut condition[classes..];
            options.codes.truncate(code, seed, number);
            if let Some(mixture) = &mixture {
                code.copy_from_slice(&mixture.draw(code, seed, number));
            }
        }
    }
    if model.manifest.recipe.model.makes_pictures_from_noise() {
        let net = model.load(&options.device.resolve_one()?)?;
        let conditions = items
            .into_iter()
            .map(|item| item.condition.unwrap_or_default());
        let how = PixelSampling {
            temperature: None,
            seed,
        };
        return decode(&net, conditions.collect(), how, format);
    }
    let maker = Maker::new(model, &options.device, options.precision)?;
    if maker.on_gpu {
        let mut stepper = maker.stepper(maker.side_by_side(items.len(), LANES, 1))?;
        draw_side_by_side(&mut *stepper, &mut items, format)
    } else {
        draw(&|lanes| maker.stepper(lanes), &mut items, format)
    }
}

/// Draws pictures and writes them.
pub(super) fn write(
    model: &OpenModel,
    format: &PictureFormat,
    options: &GenerateOptions,
    output: Option<&Path>,
    observer: &mut dyn Observer,
) -> Result<Vec<PathBuf>> {
    if options.gif && options.number > 1 {
        return Err(Error::usage("--gif shows one picture being drawn")
            .with_hint("omit -n, or make each with its own seed"));
    }
    let extension = if options.gif { "gif" } else { "png" };
    let files = if options.separate { options.number } else { 1 };
    let outputs = model.outputs(output, files, extension)?;
    check_extension(&outputs[0], options.gif)?;
    let codec = &format.codec;
    let size = codec.size();
    check_scale(options.scale, size)?;
    if !options.separate && options.number > 1 {
        // Whether there is room for all is known before any is drawn.
        let mut blank = Picture::filled(size.width(), size.height(), [0; 3]);
        if options.nearest.is_some() {
            blank = blank.beside(&blank);
        }
        sheet(options, size, vec![blank; options.number as usize]).check()?;
    }
    let known = match &options.nearest {
        Some(path) => Some(Known::read(path, format, observer)?),
        None => None,
    };
    let seed = options.seed_or_fresh();
    let begun = Instant::now();
    let made = generate(model, format, options, seed)?;
    let seconds = begun.elapsed().as_secs_f64();
    let scale = options
        .scale
        .unwrap_or_else(|| comfortable(size.width(), size.height()));
    let mut painted: Vec<Picture> = made.iter().map(|picture| codec.paint(picture)).collect();
    let nearest = known.map(|known| known.put_beside(&made, &mut painted));
    if options.gif {
        gif::write_gif(&made[0], codec.palette(), 0, scale, &outputs[0])?;
    } else if options.separate || options.number == 1 {
        for (path, picture) in outputs.iter().zip(&painted) {
            write_png(&picture.enlarged(scale), path)?;
        }
    } else {
        write_png(&sheet(options, size, painted).draw()?, &outputs[0])?;
    }
    let classes = match options.number {
        1 => labels_of_item(&model.manifest.classes, &options.classes, seed, 0),
        _ => Vec::new(),
    };
    let classes = match describe(&classes) {
        none if none.is_empty() => none,
        classes => format!(", {classes}"),
    };
    let files = match outputs.as_slice() {
        [first, .., last] => format!("{} to {}", shown(first), shown(last)),
        _ => shown(&outputs[0]),
    };
    observer.info(format!(
        "{files}: {} of {size} pixels in {seconds:.2} s ({:.1} pictures/s), seed {seed}{classes}",
        if made.len() == 1 {
            "a picture".into()
        } else {
            format!("{} pictures", made.len())
        },
        made.len() as f64 / seconds
    ));
    for line in nearest.into_iter().flatten() {
        observer.info(line);
    }
    Ok(outputs)
}

/// All pictures of this size on one sheet, each perhaps with another beside it.
fn sheet(options: &GenerateOptions, size: Size, pictures: Vec<Picture>) -> ContactSheet {
    let mut sheet = ContactSheet::grid(pictures, None);
    let usual = ContactSheet::comfortable(size.width().max(size.height()));
    sheet.scale = options.scale.unwrap_or(usual);
    sheet
}

/// How much a pixel is enlarged so that a picture is comfortable to look at.
pub(crate) fn comfortable(width: u32, height: u32) -> u32 {
    (256 / width.max(height)).max(1)
}

/// The longest side of one enlarged picture.
const LONGEST: u32 = 8192;

/// Refuses to enlarge beyond what can be looked at.
pub(crate) fn check_scale(scale: Option<u32>, size: Size) -> Result<()> {
    let side = size.width().max(size.height());
    match scale {
        Some(scale) if scale * side > LONGEST => Err(Error::usage(format!(
            "--scale {scale} makes pictures of {size} pixels longer than {LONGEST}"
        ))
        .with_hint(format!("at most --scale {}", LONGEST / side))),
        _ => Ok(()),
    }
}

/// A GIF is called so, and nothing else is.
pub(crate) fn check_extension(path: &Path, gif: bool) -> Result<()> {
    let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    let named_gif = extension.as_deref() == Some("gif".as_ref());
    if gif && path == Path::new("-") {
        return Err(Error::usage("a GIF cannot go to standard output")
            .with_hint("give a file name, such as -o drawn.gif"));
    }
    if gif && !named_gif {
        return Err(
            Error::usage(format!("{} is no name for a GIF", path.display()))
                .with_hint("give -o a name that ends in .gif"),
        );
    }
    if named_gif && !gif {
        return Err(
            Error::usage(format!("{} would be a GIF", path.display())).with_hint(
                "add --gif to show a picture being drawn, or give a name that ends in .png",
            ),
        );
    }
    match extension {
        Some(extension) if !gif && extension != "png" => Err(Error::usage(format!(
            "{} is no name for a PNG",
            path.display()
        ))
        .with_hint("give -o a name that ends in .png")),
        _ => Ok(()),
    }
}

/// Writes a PNG to a file, or to standard output for `-`.
pub(crate) fn write_png(picture: &Picture, path: &Path) -> Result<()> {
    let bytes = picture.png()?;
    if path == Path::new("-") {
        return std::io::stdout()
            .write_all(&bytes)
            .writing(Path::new("standard output"));
    }
    write_output(path, &bytes)
}
