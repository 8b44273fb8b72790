/*! Drawing whole pictures: pixel by pixel with a sequence model, or at once with a generator. */

use rayon::prelude::*;

use crate::app::SamplingOptions;
use crate::error::Result;
use crate::image::{Indexed, PictureFormat};
use crate::models::{Model, PictureGenerator};
use crate::sequence::{Codec, Item, Sampler, Stepper, Token, generate_many};

/// How the pixels of pictures are drawn from what a code says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PixelSampling {
    /// 0 takes the likeliest colour of each pixel. `None` is as [`SamplingOptions::temperature`] says.
    pub(crate) temperature: Option<f32>,
    /// The same random numbers for every picture, so that only codes differ.
    pub(crate) seed: u64,
}

/// The pictures of conditions, each a class vector and then a code.
pub(crate) fn decode(
    model: &Model,
    conditions: Vec<Vec<f32>>,
    how: PixelSampling,
    format: &PictureFormat,
) -> Result<Vec<Indexed>> {
    if let Some(generator) = model.pictures() {
        return Ok(imagine(generator, &conditions, format));
    }
    let independent = matches!(model, Model::ImageVae(vae) if vae.has_independent_pixels());
    let sampling = SamplingOptions {
        temperature: how.temperature,
        ..SamplingOptions::default()
    }
    .of_pictures(format, independent);
    let mut items = conditions
        .into_iter()
        .map(|condition| {
            Ok(Item {
                stream: None,
                sampler: Sampler::new(sampling, how.seed, 0)?,
                condition: Some(condition),
                prompt: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    draw(
        &|lanes| model.require_sequence()?.stepper(lanes),
        &mut items,
        format,
    )
}

/// The pictures of conditions, each a class vector and then noise, in the nearest colours of the palette.
pub(crate) fn imagine(
    generator: &dyn PictureGenerator,
    conditions: &[Vec<f32>],
    format: &PictureFormat,
) -> Vec<Indexed> {
    let views: Vec<&[f32]> = conditions.iter().map(Vec::as_slice).collect();
    let codec = &format.codec;
    let index = |pixels: Vec<[u8; 3]>| {
        let mut indices = vec![0; pixels.len()];
        codec.palette().nearest_all(&pixels, &mut indices);
        Indexed {
            size: codec.size(),
            indices,
        }
    };
    generator.draw(&views).into_iter().map(index).collect()
}

/// The most pictures side by side in one thread.
pub(crate) const LANES: usize = 64;

/// Fewer pictures than this are not worth a thread of their own.
const WORTH_A_THREAD: usize = 4;

/// Draws whole pictures: each item's prompt, then what the model makes of it. `stepper` makes one of so many lanes; each
/// thread gets its own, which changes no pixel.
pub(crate) fn draw(
    stepper: &(dyn Fn(usize) -> Result<Box<dyn Stepper>> + Sync),
    items: &mut [Item],
    format: &PictureFormat,
) -> Result<Vec<Indexed>> {
    let threads = rayon::current_num_threads().min(items.len() / WORTH_A_THREAD);
    let share = items.len().div_ceil(threads.max(1)).max(1);
    let parts = items
        .par_chunks_mut(share)
        .map(|items| draw_side_by_side(&mut *stepper(items.len().min(LANES))?, items, format))
        .collect::<Result<Vec<_>>>()?;
    Ok(parts.concat())
}

/// The same in one thread.
pub(crate) fn draw_side_by_side(
    stepper: &mut dyn Stepper,
    items: &mut [Item],
    format: &PictureFormat,
) -> Result<Vec<Indexed>> {
    let area = format.codec.size().area();
    let mut tokens: Vec<Vec<Token>> = items.iter().map(|item| item.prompt.clone()).collect();
    let missing = area - tokens.iter().map(Vec::len).min().unwrap_or(0);
    generate_many(stepper, items, missing, &mut |item, token| {
        tokens[item].push(token);
        Ok(())
    })?;
    tokens
        .iter()
        .map(|tokens| format.codec.decode(tokens))
        .collect()
}
