/*! How often a classifier names pictures right, and what it says of those that another model makes. */

use std::fmt;
use std::path::Path;

use burn::prelude::*;
use serde::Serialize;

use crate::app::OpenModel;
use crate::base::labels::{Classes, Label};
use crate::base::split::evenly;
use crate::error::{Error, Result};
use crate::eval::{SetComparison, compare_sets};
use crate::image::{PictureFormat, PixelCodec, Size};
use crate::models::{Classified, Classifier, Model};

/// How often a classifier names pictures right.
#[derive(Debug, Clone, Serialize)]
pub struct ClassifierEvaluation {
    /// Pictures.
    pub pictures: usize,
    /// The share of pictures whose classes are all right.
    pub right: f64,
    /// Each value of each group.
    pub values: Vec<ValueAccuracy>,
}

/// How often a classifier names the pictures of one class right.
#[derive(Debug, Clone, Serialize)]
pub struct ValueAccuracy {
    /// Its group and value.
    pub class: String,
    /// Pictures of it.
    pub pictures: usize,
    /// The share that is named right.
    pub right: f64,
    /// The value that the others are taken for most often, and how many of them.
    pub taken_for: Option<(String, usize)>,
}

impl fmt::Display for ClassifierEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} % of {} pictures right",
            100.0 * self.right,
            self.pictures
        )?;
        for value in &self.values {
            let (right, count) = (100.0 * value.right, value.pictures);
            write!(f, "\n{:<24} {right:5.1} % of {count}", value.class)?;
            if let Some((other, count)) = &value.taken_for {
                write!(f, ", {count} taken for {other}")?;
            }
        }
        Ok(())
    }
}

/// What a classifier says of made pictures, beside held-out ones.
#[derive(Debug, Clone, Serialize)]
pub struct JudgedPictures {
    /// SHA-256 of the classifier's weights: figures of other classifiers do not compare.
    pub classifier: String,
    /// How many features it has.
    pub features: usize,
    /// The share of made pictures that are of the classes asked for; `None` where the model and the classifier have none in
    /// common.
    pub as_asked: Option<f64>,
    /// The same of held-out pictures and their labels.
    pub as_labelled: Option<f64>,
    /// Made pictures beside held-out ones.
    pub made: SetComparison,
    /// As many training pictures beside them; `None` where they are not at hand.
    pub floor: Option<SetComparison>,
}

impl fmt::Display for JudgedPictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classifier = self.classifier.get(..12).unwrap_or(&self.classifier);
        writeln!(
            f,
            "by {} features of the classifier {classifier}, which are not those of Inception",
            self.features
        )?;
        write!(f, "{:<36} {:>10} {:>10}", "", "generated", "floor")?;
        let mut row = |name: &str, of: &dyn Fn(&SetComparison) -> Option<f64>| {
            let Some(ours) = of(&self.made) else {
                return Ok(());
            };
            let floor = self.floor.as_ref().and_then(of);
            let floor = floor.map_or("-".into(), |value| format!("{value:.3}"));
            write!(f, "\n{name:<36} {ours:>10.3} {floor:>10}")
        };
        row("Fréchet distance", &|set| Some(set.frechet))?;
        row("  of infinitely many pictures", &|set| {
            set.frechet_without_bias
        })?;
        row("kernel distance", &|set| Some(set.kernel_distance))?;
        row("precision", &|set| Some(set.neighbours.precision))?;
        row("recall", &|set| Some(set.neighbours.recall))?;
        row("density", &|set| Some(set.neighbours.density))?;
        row("coverage", &|set| Some(set.neighbours.coverage))?;
        if let (Some(asked), Some(labelled)) = (self.as_asked, self.as_labelled) {
            write!(
                f,
                "\n{:.1} % are of the class asked for; of real pictures it names {:.1} % right",
                100.0 * asked,
                100.0 * labelled
            )?;
        }
        Ok(())
    }
}

/// A classifier that judges pictures.
pub(crate) struct Judge {
    net: Classifier,
    weights: String,
    size: Size,
    classes: Classes,
}

/// A picture in palette indices, with its labels.
pub(crate) type LabelledPicture<'a> = (&'a [u8], &'a [Label]);

impl Judge {
    /// Opens the classifier in a model folder.
    ///
    /// # Errors
    /// When it is another model, or its files are missing or damaged.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let model = OpenModel::open(path)?;
        let Model::Classifier(net) = model.load(&Device::flex())? else {
            let what = "it is not a classifier of pictures";
            return Err(Error::model(model.folder.path(), what)
                .with_hint("train one with: ensuite train classifier"));
        };
        Self::new(&model, net)
    }

    /// A classifier that is loaded.
    pub(super) fn new(model: &OpenModel, net: Classifier) -> Result<Self> {
        Ok(Self {
            net,
            weights: model.manifest.weights_sha256.clone().unwrap_or_default(),
            size: model.pictures()?.codec.size(),
            classes: model.manifest.classes.clone(),
        })
    }

    /// Refuses a model of pictures of another size, or none of whose groups of classes the classifier knows.
    pub(crate) fn check(&self, model: &Path, codec: &PixelCodec, classes: &Classes) -> Result<()> {
        let (ours, theirs) = (self.size, codec.size());
        if ours != theirs {
            return Err(Error::model(
                model,
                format!("its pictures are of {theirs} pixels, and the classifier reads {ours}"),
            )
            .with_hint(format!("train a classifier with --size {theirs}")));
        }
        let names = |classes: &Classes| -> Vec<String> {
            let groups = classes.groups().iter();
            groups.map(|group| group.name.clone()).collect()
        };
        let (ours, theirs) = (names(&self.classes), names(classes));
        if theirs.is_empty() || theirs.iter().any(|name| ours.contains(name)) {
            return Ok(());
        }
        Err(Error::model(
            model,
            format!(
                "its classes are those of {}, and the classifier's those of {}",
                theirs.join(" and "),
                ours.join(" and ")
            ),
        )
        .with_hint("train a classifier with the same labels"))
    }

    /// The share of pictures that are of the classes their labels name; `None` where it knows none of these.
    pub(crate) fn as_asked(&self, codec: &PixelCodec, pictures: &[LabelledPicture]) -> Option<f64> {
        self.agreement(&self.classify(codec, pictures), pictures)
    }

    fn classify(&self, codec: &PixelCodec, pictures: &[LabelledPicture]) -> Classified {
        let paint = |(indices, _): &LabelledPicture| codec.colors(indices);
        self.net
            .classify(&pictures.iter().map(paint).collect::<Vec<_>>())
    }

    /// The share of pictures whose labels it agrees with; `None` where no group of theirs is known to it.
    fn agreement(&self, found: &Classified, pictures: &[LabelledPicture]) -> Option<f64> {
        let known = |labels: &[Label]| {
            let groups = self.classes.groups().iter();
            groups
                .clone()
                .any(|group| labels.iter().any(|(name, _)| *name == group.name))
        };
        let agrees = |(classes, (_, labels)): &(&Vec<usize>, &LabelledPicture)| {
            self.classes
                .groups()
                .iter()
                .zip(*classes)
                .all(|(group, &class)| {
                    let asked = labels.iter().find(|(name, _)| *name == group.name);
                    asked.is_none_or(|(_, value)| *value == group.values[class])
                })
        };
        if !pictures.iter().any(|(_, labels)| known(labels)) {
            return None;
        }
        let all = found.classes.iter().zip(pictures);
        Some(all.filter(agrees).count() as f64 / pictures.len() as f64)
    }

    /// Compares made pictures with held-out ones, and as many training pictures with the same.
    pub(super) fn judge(
        &self,
        codec: &PixelCodec,
        [made, held_out, training]: [&[LabelledPicture]; 3],
    ) -> JudgedPictures {
        let count = training.len().min(made.len());
        let some: Vec<_> = evenly(count, training.len())
            .map(|place| training[place])
            .collect();
        let [of_made, real, of_some] = [made, held_out, &some].map(|set| self.classify(codec, set));
        let floor = (count > 0).then(|| compare_sets(&real.features, &of_some.features));
        JudgedPictures {
            classifier: self.weights.clone(),
            features: real.features[0].len(),
            as_asked: self.agreement(&of_made, made),
            as_labelled: self.agreement(&real, held_out),
            made: compare_sets(&real.features, &of_made.features),
            floor,
        }
    }

    /// How often it names pictures right.
    pub(super) fn evaluate(
        &self,
        form: &PictureFormat,
        pictures: &[LabelledPicture],
    ) -> ClassifierEvaluation {
        let found = self.classify(&form.codec, pictures);
        let mut values = Vec::new();
        for (number, group) in self.classes.groups().iter().enumerate() {
            for value in &group.values {
                let is_it = |(name, label): &Label| *name == group.name && label == value;
                let named: Vec<&String> = found
                    .classes
                    .iter()
                    .zip(pictures)
                    .filter(|(_, (_, labels))| labels.iter().any(is_it))
                    .map(|(classes, _)| &group.values[classes[number]])
                    .collect();
                let count = |other: &String| named.iter().filter(|named| **named == other).count();
                let others = group.values.iter().filter(|other| *other != value);
                let most = others.map(|other| (other.clone(), count(other)));
                values.push(ValueAccuracy {
                    class: format!("{}={value}", group.name),
                    pictures: named.len(),
                    right: count(value) as f64 / named.len().max(1) as f64,
                    taken_for: most.max_by_key(|(_, count)| *count).filter(|(_, c)| *c > 0),
                });
            }
        }
        ClassifierEvaluation {
            pictures: pictures.len(),
            right: self.agreement(&found, pictures).unwrap_or(0.0),
            values,
        }
    }
}
