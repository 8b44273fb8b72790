/*! A folder of picture files. */

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::base::files::{FoundFile, Walk, counted, walk};
use crate::error::{Error, Result};
use crate::image::import::builder::Builder;
use crate::image::import::decode::{self, Decoded};
use crate::image::import::labels::Labels;
use crate::image::import::settings::{ImportSettings, shared_size};
use crate::image::{Picture, Size};

/// Files that are decoded in parallel before their pictures are added in order.
const BATCH: usize = 64;

/// Reads every picture of a folder, or the one file at that path.
pub(super) fn import(
    folder: &Path,
    settings: &ImportSettings,
    labels: &Labels,
    progress: &(dyn Fn(usize, usize) + Sync),
    keep: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Builder> {
    let mut found = walk(folder, decode::has_picture_extension)?;
    found.files.retain(|file| keep(&file.name));
    found.skipped.retain(|skipped| keep(&skipped.path));
    if found.files.is_empty() {
        return Err(nothing_found(folder, &found));
    }
    let size = match settings.size {
        Some(size) => size,
        None => common_size(folder, &found.files)?,
    };
    let mut builder = Builder::colors(size, settings.grey, folder);
    builder.check_memory(found.files.len(), 3)?;
    builder.ignored = found.ignored.len();
    builder.skipped = found.skipped;
    let done = AtomicUsize::new(0);
    let total = found.files.len();
    for batch in found.files.chunks(BATCH) {
        let decoded: Vec<Result<(Decoded, (u32, u32))>> = batch
            .par_iter()
            .map(|file| {
                let decoded = decode::read(&file.path, settings.background).map(|mut decoded| {
                    let Picture { width, height, .. } = decoded.picture;
                    decoded.picture =
                        decoded
                            .picture
                            .fitted(size, settings.fit, settings.background);
                    (decoded, (width, height))
                });
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                decoded
            })
            .collect();
        for (file, decoded) in batch.iter().zip(decoded) {
            match decoded.and_then(|decoded| Ok((decoded, labels.of_file(&file.name)?))) {
                Ok(((decoded, size), labels)) => {
                    builder.count(decoded.format, size, decoded.transparent);
                    builder.push_colors(file.name.clone(), labels, &decoded.picture.pixels);
                }
                Err(error) => builder.skip(&file.name, &error),
            }
        }
    }
    Ok(builder)
}

/// The one size of all pictures whose header can be read.
fn common_size(folder: &Path, files: &[FoundFile]) -> Result<Size> {
    /// Sizes that an error lists; the rest is counted.
    const LISTED: usize = 4;
    let mut sizes = BTreeMap::<(u32, u32), usize>::new();
    let read: Vec<_> = files
        .par_iter()
        .filter_map(|file| decode::read_size(&file.path).ok())
        .collect();
    for size in read {
        *sizes.entry(size).or_default() += 1;
    }
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    match sizes.as_slice() {
        // No header can be read: decoding gives the reason for each file.
        [] => Size::new(1, 1),
        &[((width, height), _)] => shared_size(folder, width, height),
        [(most, _), ..] => {
            let listed = sizes.iter().take(LISTED);
            let mut listed: Vec<_> = listed.map(|((w, h), n)| format!("{w}x{h} ({n})")).collect();
            if sizes.len() > LISTED {
                listed.push(format!("{} more", sizes.len() - LISTED));
            }
            let suggested =
                Size::new(most.0, most.1).map_or("32x32".into(), |size| size.to_string());
            Err(Error::input(
                folder,
                format!("its pictures have different sizes: {}", listed.join(", ")),
            )
            .with_hint(format!(
                "resize them with --size, such as --size {suggested}"
            )))
        }
    }
}

fn nothing_found(folder: &Path, found: &Walk) -> Error {
    if let [first, ..] = found.skipped.as_slice() {
        return Error::input(
            folder,
            format!(
                "nothing in it can be read ({}: {})",
                first.path, first.reason
            ),
        );
    }
    // In a folder of both, the name of the training set comes last: `train` after `t10k`.
    if let Some(idx) = found.ignored.iter().rfind(|path| looks_like_idx(path)) {
        return Error::input(folder, "holds no picture files, but pictures in IDX files")
            .with_hint(format!(
                "give the path of an IDX file, such as {}",
                idx.display()
            ));
    }
    let reason = match found.ignored.len() {
        0 => "holds no pictures".to_owned(),
        n => format!(
            "holds no pictures, only {} of another kind",
            counted(n, "file")
        ),
    };
    Error::input(folder, reason).with_hint(
        "a folder is searched for .png, .jpg, .gif, .webp, .bmp, .tif and .tga files; for an IDX file or a file of colour indices, give its own path",
    )
}

fn looks_like_idx(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.contains("idx3-ubyte")
}
