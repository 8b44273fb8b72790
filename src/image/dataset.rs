/*! Pictures as training data: a split of a library as sequences of tokens, with their labels. */

use std::ops::Range;
use std::path::Path;

use crate::base::files::hash_parts;
use crate::base::labels::{Classes, LabelRule};
use crate::error::{Error, Result};
use crate::image::binarize::{Binarize, Drawn};
use crate::image::{Augmentation, IndexedPictures, LabelSource, Labelled, PictureFormat, Pictures};
use crate::sequence::{SequenceDataset, Token};

/// The pictures of a library in a given order, each a sequence of palette indices in raster order.
pub struct PictureDataset<'a> {
    pictures: &'a Pictures,
    /// All pictures in palette indices; `None` where binarisation samples them, on each read.
    indexed: Option<IndexedPictures>,
    binarize: Option<Binarize>,
    order: Vec<usize>,
    seed: u64,
    /// What the epochs of training change.
    augmentation: Option<Augmentation>,
}

impl<'a> PictureDataset<'a> {
    /// Sequence i is picture `order[i]` of the library, in the format's palette. `seed` drives sampled binarisation
    /// and augmentation.
    ///
    /// # Errors
    /// A usage error when the pictures do not have the format's size.
    pub fn new(
        pictures: &'a Pictures,
        format: &PictureFormat,
        order: Vec<usize>,
        seed: u64,
    ) -> Result<Self> {
        let indexed = match format.binarize {
            Some(Binarize::Fixed | Binarize::Dynamic) => None,
            Some(Binarize::Threshold) | None => Some(format.codec.index_all(pictures)?),
        };
        Ok(Self {
            pictures,
            indexed,
            binarize: format.binarize,
            order,
            seed,
            augmentation: format.augment.then(|| {
                let codec = &format.codec;
                Augmentation::new(codec.size(), codec.palette(), seed)
            }),
        })
    }

    /// The condition vector of each sequence as it is; empty vectors without classes and augmentation.
    ///
    /// # Errors
    /// A usage error when a picture has a label that is not in `classes`, or lacks one.
    pub fn conditions(&self, classes: &Classes) -> Result<Vec<Vec<f32>>> {
        self.order
            .iter()
            .map(|&picture| {
                let mut condition = match classes.width() {
                    0 => Vec::new(),
                    _ => classes.vector(&self.pictures.labels()[picture])?,
                };
                if self.augmentation.is_some() {
                    condition.extend([0.0; Augmentation::COLUMNS]);
                }
                Ok(condition)
            })
            .collect()
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.pictures.size().width() as usize
    }

    /// Palette indices of sequence `index`, `[height, width]`, as evaluation reads them.
    ///
    /// # Errors
    /// When reading fails.
    pub fn indices(&self, index: usize) -> Result<Vec<u8>> {
        let mut tokens = vec![0; self.length(index)];
        let end = tokens.len();
        self.read(index, 0..end, &mut tokens)?;
        Ok(tokens.into_iter().map(|token| token as u8).collect())
    }

    fn draw(&self, draw: u64, index: usize, range: Range<usize>, out: &mut [Token]) -> Result<()> {
        let index = self.order[index];
        let draw = match self.binarize {
            Some(Binarize::Fixed) => 0,
            _ => draw,
        };
        match &self.indexed {
            Some(indexed) => indexed.read(index, range, out),
            None => Drawn::new(self.pictures, self.seed, draw).read(index, range, out),
        }
    }
}

impl SequenceDataset for PictureDataset<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn length(&self, _: usize) -> usize {
        self.pictures.size().area()
    }

    /// Reads binarisation 0; where it is dynamic, the epochs of training read 1, 2, and so on.
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
        let Some(augmentation) = &self.augmentation else {
            return self.draw(epoch + 1, index, range, out);
        };
        let mut whole = vec![0; self.length(index)];
        let end = whole.len();
        self.draw(epoch + 1, index, 0..end, &mut whole)?;
        let mut indices: Vec<u8> = whole.into_iter().map(|token| token as u8).collect();
        let how = augmentation.draw(epoch, self.order[index]);
        augmentation.apply(how, &mut indices);
        for (token, &index) in out.iter_mut().zip(&indices[range]) {
            *token = Token::from(index);
        }
        Ok(())
    }

    fn condition_in_epoch(&self, epoch: u64, index: usize, condition: &mut [f32]) {
        if let Some(augmentation) = &self.augmentation {
            let classes = condition.len() - Augmentation::COLUMNS;
            let how = augmentation.draw(epoch, self.order[index]);
            how.tell(&mut condition[classes..]);
        }
    }
}

/// Where the labels of a model's pictures are read from. `file` is the label file that the user named; `beside` stands
/// for the IDX label file beside the pictures.
///
/// # Errors
/// A usage error when the model's labels come from a label file and `file` names none.
pub fn label_source(
    labelled: Labelled,
    rule: &LabelRule,
    file: Option<&Path>,
) -> Result<LabelSource> {
    let file = file.filter(|path| *path != Path::new("beside"));
    match (labelled, file) {
        (Labelled::ByPath, None) => Ok(LabelSource::Paths(rule.clone())),
        (_, Some(path)) => Ok(LabelSource::File {
            path: path.into(),
            rule: rule.clone(),
        }),
        (Labelled::Beside, None) => Ok(LabelSource::Beside(rule.clone())),
        (Labelled::ByFile, None) => Err(Error::usage(
            "this model learned its classes from a file of labels",
        )
        .with_hint("give the labels of these pictures with --labels FILE")),
    }
}

/// SHA-256 over names, pixels and labels, in hexadecimal: a model is resumed only with the data it was trained on.
pub fn fingerprint(pictures: &Pictures) -> String {
    let labels = pictures.labels().iter().flatten();
    let labels = labels.flat_map(|(name, value)| [name.as_str(), value]);
    hash_parts(std::iter::once(pictures.digest()).chain(labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Fit, Palette, PixelCodec};

    fn format(pictures: &Pictures, binarize: Option<Binarize>) -> PictureFormat {
        PictureFormat {
            codec: PixelCodec::new(pictures.size(), Palette::binary()),
            fit: Fit::Crop,
            background: [255; 3],
            grey: true,
            binarize,
            labelled: Labelled::ByPath,
            augment: false,
        }
    }

    fn pictures() -> Pictures {
        let size = "16".parse().unwrap();
        let grey = |value| vec![value; 256];
        Pictures::from_greys(size, &[grey(0), grey(128), grey(255)])
    }

    #[test]
    fn sequences_follow_the_order() {
        let pictures = pictures();
        let format = format(&pictures, Some(Binarize::Threshold));
        let dataset = PictureDataset::new(&pictures, &format, vec![2, 0], 1).unwrap();
        assert_eq!((dataset.count(), dataset.length(0)), (2, 256));
        assert_eq!(dataset.indices(0).unwrap(), [1; 256]);
        assert_eq!(dataset.indices(1).unwrap(), [0; 256]);
        assert_eq!(
            dataset.conditions(&Classes::default()).unwrap(),
            [[0.0; 0]; 2]
        );
    }

    /// The binarisations of a grey picture that evaluation and the first two epochs read.
    fn binarisations(binarize: Binarize) -> [Vec<Token>; 3] {
        let pictures = pictures();
        let format = format(&pictures, Some(binarize));
        let dataset = PictureDataset::new(&pictures, &format, vec![1], 1).unwrap();
        let read = |epoch: Option<u64>| {
            let mut out = vec![0; 256];
            match epoch {
                None => dataset.read(0, 0..256, &mut out),
                Some(epoch) => dataset.read_in_epoch(epoch, 0, 0..256, &mut out),
            }
            .unwrap();
            out
        };
        [read(None), read(Some(0)), read(Some(1))]
    }

    #[test]
    fn evaluation_and_epochs_sample_pixels_anew_or_once_or_cut_them() {
        let dynamic = binarisations(Binarize::Dynamic);
        assert!(dynamic[0] != dynamic[1] && dynamic[1] != dynamic[2] && dynamic[0] != dynamic[2]);
        assert_eq!(binarisations(Binarize::Dynamic), dynamic);
        let fixed = binarisations(Binarize::Fixed);
        assert!(fixed.iter().all(|read| *read == dynamic[0]));
        let cut = binarisations(Binarize::Threshold);
        assert!(cut.iter().all(|read| *read == [1; 256]));
    }

    #[test]
    fn training_reads_changed_pictures_and_tells_and_evaluation_does_neither() {
        let size = "16".parse().unwrap();
        let pictures = Pictures::from_greys(size, &[(0..=255).collect()]);
        let mut format = format(&pictures, None);
        format.codec = PixelCodec::new(size, Palette::grey(256).unwrap());
        format.augment = true;
        let dataset = PictureDataset::new(&pictures, &format, vec![0], 1).unwrap();
        let conditions = dataset.conditions(&Classes::default()).unwrap();
        assert_eq!(conditions[0], vec![0.0; format.condition()]);
        let plain: Vec<u8> = (0..=255).collect();
        assert_eq!(dataset.indices(0).unwrap(), plain);
        let plain: Vec<Token> = plain.into_iter().map(Token::from).collect();
        let mut changed = 0;
        for epoch in 0..40 {
            let (mut out, mut part) = (vec![0; 256], vec![0; 100]);
            dataset.read_in_epoch(epoch, 0, 0..256, &mut out).unwrap();
            let range = 30..130;
            dataset
                .read_in_epoch(epoch, 0, range.clone(), &mut part)
                .unwrap();
            assert_eq!(part, out[range]);
            let mut condition = conditions[0].clone();
            dataset.condition_in_epoch(epoch, 0, &mut condition);
            assert_eq!(out == plain, condition == conditions[0], "epoch {epoch}");
            changed += usize::from(out != plain);
        }
        assert!((10..30).contains(&changed));
    }

    #[test]
    fn a_model_with_a_label_file_asks_for_one() {
        let rule = LabelRule::None;
        for file in [None, Some(Path::new("beside"))] {
            let error = label_source(Labelled::ByFile, &rule, file).unwrap_err();
            assert!(error.is_usage() && error.hint().unwrap().contains("--labels"));
            let beside = label_source(Labelled::Beside, &rule, file).unwrap();
            assert!(matches!(beside, LabelSource::Beside(LabelRule::None)));
        }
        let named = label_source(Labelled::Beside, &rule, Some(Path::new("a.csv"))).unwrap();
        assert!(matches!(named, LabelSource::File { path, .. } if path == Path::new("a.csv")));
    }
}
