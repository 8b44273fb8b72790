/*! `ensuite eval` on pictures. */

use std::collections::HashSet;

use serde::Serialize;

use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::eval::Args;
use crate::cli::pictures::set::{PictureSet, fingerprint, import, label_source};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::eval::{order_zero, pixel_baselines};
use crate::image::ImportSettings;
use crate::image::PictureFormat;
use crate::sequence::SequenceDataset;
use crate::train::{DataLoader, likelihood};

#[derive(Serialize)]
struct Measures {
    pictures: usize,
    colors: usize,
    bits_per_pixel: f64,
    nats_per_picture: f64,
    /// Entropy of the colours of these very pictures.
    order_zero_bits: f64,
    /// Learned from the pictures that trained the model; `None` where those are not at hand.
    copy_left_bits: Option<f64>,
    copy_above_bits: Option<f64>,
    neighbours_bits: Option<f64>,
}

pub(super) fn run(
    args: &Args,
    form: &PictureFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let device = args.device.device.resolve_one()?;
    if args.labels.is_some() && manifest.classes.width() == 0 {
        return Err(
            Error::usage("--labels means nothing: this model knows no classes")
                .with_hint("leave it away"),
        );
    }
    let settings = ImportSettings {
        colormap: args.colormap.clone(),
        labels: label_source(form.labelled, &manifest.labels, args.labels.as_ref())?,
        ..form.import_settings()
    };
    let pictures = import(&args.path, &settings, ui)?;
    let listed: HashSet<&str> = manifest
        .split
        .validation
        .iter()
        .map(String::as_str)
        .collect();
    let held_out = |name: &String| listed.contains(name.as_str());
    let whole = fingerprint(&pictures) == manifest.split.hash;
    let members: Vec<usize> = (0..pictures.len())
        .filter(|&index| !args.held_out || held_out(&pictures.names()[index]))
        .collect();
    if members.is_empty() || (args.held_out && !whole) {
        return Err(Error::input(
            &args.path,
            "these are not the pictures the model was trained on, so that none of them was held out",
        )
        .with_hint("give the pictures the model was trained on, or leave --held-out away"));
    }
    if !args.held_out && whole {
        ui.warn("these are the very pictures the model was trained on; --held-out measures what it has not seen");
    }
    let net = folder.load(manifest, &device)?;
    let seed = manifest.recipe.seed;
    let set = PictureSet::new(&pictures, form, members, seed)?;
    let conditions = set.conditions(&manifest.classes)?;
    let all: Vec<usize> = (0..set.count()).collect();
    let batches = DataLoader::new(
        &set,
        &all,
        &conditions,
        manifest.medium.alphabet(),
        manifest.recipe.cut_to_measure(),
        0,
    );
    let found = likelihood(net.require_sequence()?, &batches, &device)?;
    let known = training(args, &settings, form, manifest, &held_out, &pictures, ui)?;
    let measures = measures(form, &set, known.as_deref(), &found)?;
    if args.json {
        return ui::print_json(&measures);
    }
    say(&measures, form)
}

/// The pictures that trained the model, in palette indices: the others of the same corpus, or those of --trained-on.
fn training(
    args: &Args,
    settings: &ImportSettings,
    form: &PictureFormat,
    manifest: &ModelManifest,
    held_out: &dyn Fn(&String) -> bool,
    pictures: &crate::image::Pictures,
    ui: &Ui,
) -> Result<Option<Vec<Vec<u8>>>> {
    let seed = manifest.recipe.seed;
    let read = |pictures: &crate::image::Pictures| -> Result<Vec<Vec<u8>>> {
        let trained = (0..pictures.len()).filter(|&index| !held_out(&pictures.names()[index]));
        let set = PictureSet::new(pictures, form, trained.collect(), seed)?;
        (0..set.count()).map(|index| set.indices(index)).collect()
    };
    match &args.trained_on {
        Some(path) => {
            let known = import(path, settings, ui)?;
            if fingerprint(&known) != manifest.split.hash {
                return Err(Error::input(
                    path,
                    "these are not the pictures the model was trained on",
                ));
            }
            read(&known).map(Some)
        }
        None if args.held_out => read(pictures).map(Some),
        None => Ok(None),
    }
}

fn measures(
    form: &PictureFormat,
    set: &PictureSet<'_>,
    known: Option<&[Vec<u8>]>,
    found: &crate::sequence::Likelihood,
) -> Result<Measures> {
    let colors = form.codec.palette().len();
    let asked = (0..set.count())
        .map(|index| set.indices(index))
        .collect::<Result<Vec<_>>>()?;
    let mut counts = vec![0; colors];
    for &index in asked.iter().flatten() {
        counts[usize::from(index)] += 1;
    }
    let baselines = known.map(|known| {
        let known: Vec<&[u8]> = known.iter().map(Vec::as_slice).collect();
        let asked: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
        pixel_baselines(&known, &asked, set.width(), colors)
    });
    Ok(Measures {
        pictures: set.count(),
        colors,
        bits_per_pixel: found.bits_per_token(),
        nats_per_picture: found.nats / set.count() as f64,
        order_zero_bits: order_zero(&counts),
        copy_left_bits: baselines.as_ref().map(|b| b.copy_left),
        copy_above_bits: baselines.as_ref().map(|b| b.copy_above),
        neighbours_bits: baselines.as_ref().map(|b| b.neighbours),
    })
}

fn say(measures: &Measures, form: &PictureFormat) -> Result<()> {
    let how = form.binarize.map_or(String::new(), |how| {
        format!(", {how:?} binarisation").to_lowercase()
    });
    ui::print(&format!(
        "{:.3} bits/pixel of {} colours over {} pictures{how}",
        measures.bits_per_pixel, measures.colors, measures.pictures
    ))?;
    ui::print(&format!("{:.2} nats/picture", measures.nats_per_picture))?;
    for (bits, what) in [
        (
            Some(measures.order_zero_bits),
            "order-0 entropy of these pictures",
        ),
        (measures.copy_left_bits, "copying the pixel on the left"),
        (measures.copy_above_bits, "copying the pixel above"),
        (
            measures.neighbours_bits,
            "counts of the pixels on the left and above, interpolated",
        ),
    ] {
        if let Some(bits) = bits {
            ui::print(&format!("{bits:.3} {what}"))?;
        }
    }
    Ok(())
}
