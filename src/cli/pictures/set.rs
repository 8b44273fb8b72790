/*! Pictures as sequences: what `train pictures` and `eval` share. */

use crate::base::files::hash_parts;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::base::labels::{Classes, LabelRule};
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::image;
use crate::image::binarize::{Binarize, Drawn};
use crate::image::{ImportSettings, IndexedPictures, LabelSource};
use crate::image::{Labelled, PictureFormat};
use crate::sequence::{SequenceDataset, Token};

/// Pictures of a model, in an order of our own.
pub(super) struct PictureSet<'a> {
    pictures: &'a image::Pictures,
    /// All pictures in palette indices; `None` where they are drawn anew.
    indexed: Option<IndexedPictures>,
    order: Vec<usize>,
    seed: u64,
}

impl<'a> PictureSet<'a> {
    /// The pictures `order` of a library, in the model's colours.
    pub(super) fn new(
        pictures: &'a image::Pictures,
        form: &PictureFormat,
        order: Vec<usize>,
        seed: u64,
    ) -> Result<Self> {
        let indexed = match form.binarize {
            Some(Binarize::Dynamic) => None,
            _ => Some(form.codec.index_all(pictures)?),
        };
        Ok(Self {
            pictures,
            indexed,
            order,
            seed,
        })
    }

    /// One condition vector for each picture.
    pub(super) fn conditions(&self, classes: &Classes) -> Result<Vec<Vec<f32>>> {
        self.order
            .iter()
            .map(|&picture| {
                if classes.width() == 0 {
                    return Ok(Vec::new());
                }
                classes.vector(&self.pictures.labels()[picture])
            })
            .collect()
    }

    /// Pixels in a row.
    pub(super) fn width(&self) -> usize {
        self.pictures.size().width() as usize
    }

    /// Picture `index` in palette indices, drawn as measuring sees it.
    pub(super) fn indices(&self, index: usize) -> Result<Vec<u8>> {
        let mut tokens = vec![0; self.length(index)];
        let end = tokens.len();
        self.read(index, 0..end, &mut tokens)?;
        Ok(tokens.into_iter().map(|token| token as u8).collect())
    }

    fn draw(&self, epoch: u64, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let index = self.order[index];
        match &self.indexed {
            Some(indexed) => indexed.read(index, range, out),
            None => Drawn::new(self.pictures, self.seed, epoch).read(index, range, out),
        }
    }
}

impl SequenceDataset for PictureSet<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn length(&self, _: usize) -> usize {
        self.pictures.size().area()
    }

    /// Draw 0, which no epoch of training sees.
    fn read(&self, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        self.draw(0, index, range, out)
    }

    fn read_in_epoch(
        &self,
        epoch: u64,
        index: usize,
        range: Range<usize>,
        out: &mut [Token],
    ) -> Result<()> {
        self.draw(epoch + 1, index, range, out)
    }
}

/// Where a model's labels are, given the file the person named, if any.
pub(super) fn label_source(
    labelled: Labelled,
    rule: &LabelRule,
    file: Option<&PathBuf>,
) -> Result<LabelSource> {
    let file = file.filter(|path| path.as_path() != Path::new("beside"));
    match (labelled, file) {
        (Labelled::ByPath, None) => Ok(LabelSource::Paths(rule.clone())),
        (_, Some(path)) => Ok(LabelSource::File {
            path: path.clone(),
            pattern: match rule {
                LabelRule::Pattern(regex) => Some(regex.clone()),
                _ => None,
            },
        }),
        (Labelled::Beside, None) => Ok(LabelSource::Beside),
        (Labelled::ByFile, None) => Err(Error::usage(
            "this model learned its classes from a file of labels",
        )
        .with_hint("give the labels of these pictures with --labels FILE")),
    }
}

/// What tells the data of a model from any other: a hash over names, pixels and labels.
pub(super) fn fingerprint(pictures: &image::Pictures) -> String {
    let labels = pictures.labels().iter().flatten();
    let labels = labels.flat_map(|(name, value)| [name.as_str(), value]);
    hash_parts(std::iter::once(pictures.digest()).chain(labels))
}

/// Reads pictures and says what was found.
pub(super) fn import(path: &Path, settings: &ImportSettings, ui: &Ui) -> Result<image::Pictures> {
    let live = ui.live();
    let progress = |done: usize, total: usize| {
        live.set_message(format!("reading {done} of {total} pictures"));
    };
    let pictures = image::Pictures::import(path, settings, &progress, &|_| true);
    live.finish_and_clear();
    let pictures = pictures?;
    ui.say(pictures.summary().to_string());
    Ok(pictures)
}
