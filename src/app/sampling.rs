/*! Seeds, classes and items: what generating and completing share. */

use rand_core::Rng;

use crate::app::OpenModel;
use crate::base::labels::{Classes, Label, describe};
use crate::base::rng::rng_stream;
use crate::checkpoint::Medium;
use crate::error::{Error, Result};
use crate::sequence::{Item, Sampler, Sampling, Token};

/// A new seed, short enough to type.
pub fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos() as u64);
    (now ^ u64::from(std::process::id()) << 20) % 1_000_000
}

/// The labels of item `item`: the given ones, the others drawn from the seed.
pub(crate) fn labels_of_item(
    classes: &Classes,
    given: &[Label],
    seed: u64,
    item: u64,
) -> Vec<Label> {
    let mut rng = rng_stream(seed, *b"classes ", item);
    classes.complete(given, |count| (rng.next_u64() % count as u64) as usize)
}

/// The min-p of pictures in colour: their stray pixels come from the many colours that are each unlikely. A higher one
/// leaves many pictures empty, because each colour is unlikely on the background, also where a figure begins.
const MIN_P_OF_COLORS: f32 = 0.002;

/// How tokens are drawn: as asked, and without any filter as suits the medium.
pub(crate) fn sampling_for(medium: &Medium, asked: Sampling) -> Sampling {
    let filtered = asked.top_k.is_some() || asked.top_p.is_some() || asked.min_p.is_some();
    match medium {
        Medium::Pictures(format) if !filtered && format.codec.palette().has_colors() => Sampling {
            min_p: Some(MIN_P_OF_COLORS),
            ..asked
        },
        _ => asked,
    }
}

/// `number` items to generate from one seed, and the labels of each in words.
pub(crate) fn items(
    model: &OpenModel,
    number: u64,
    given: &[Label],
    sampling: Sampling,
    seed: u64,
    prompt: &[Token],
) -> Result<(Vec<Item>, Vec<String>)> {
    let classes = &model.manifest.classes;
    let sampling = sampling_for(&model.manifest.medium, sampling);
    (0..number)
        .map(|item| {
            let labels = labels_of_item(classes, given, seed, item);
            let made = Item {
                sampler: Sampler::new(sampling, seed, item)?,
                condition: model.manifest.condition(&labels)?,
                prompt: prompt.to_vec(),
            };
            Ok((made, describe(&labels)))
        })
        .collect::<Result<Vec<_>>>()
        .map(|all| all.into_iter().unzip())
}

/// Refuses lengths of sound that are not possible.
pub(crate) fn check_seconds(seconds: f64) -> Result<()> {
    if seconds.is_finite() && seconds > 0.0 && seconds <= 1e6 {
        return Ok(());
    }
    Err(Error::usage(format!("--seconds {seconds} is not possible"))
        .with_hint("a length is above 0 and at most 1000000 seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Fit, Labelled, Palette, PictureFormat, PixelCodec, Size};

    #[test]
    fn only_pictures_in_colour_are_filtered_and_only_where_no_filter_is_asked_for() {
        let pictures = |palette| {
            Medium::Pictures(PictureFormat {
                codec: PixelCodec::new(Size::new(4, 4).expect("a size"), palette),
                fit: Fit::Crop,
                background: [255; 3],
                grey: false,
                binarize: None,
                labelled: Labelled::ByPath,
                augment: false,
            })
        };
        let colors = pictures(Palette::new(vec![[0; 3], [200, 0, 0]]).expect("two colours"));
        let plain = Sampling::default();
        let greys = pictures(Palette::binary());
        assert_eq!(sampling_for(&greys, plain), plain);
        let cool = Sampling {
            temperature: 0.7,
            ..plain
        };
        assert_eq!(
            sampling_for(&colors, cool),
            Sampling {
                min_p: Some(MIN_P_OF_COLORS),
                ..cool
            }
        );
        for asked in [
            Sampling {
                min_p: Some(0.0),
                ..plain
            },
            Sampling {
                top_k: Some(5),
                ..plain
            },
            Sampling {
                top_p: Some(0.9),
                ..plain
            },
        ] {
            assert_eq!(sampling_for(&colors, asked), asked);
        }
    }
}
