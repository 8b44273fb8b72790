/*! The laws of every kind of library, and the error for each kind of damage. */

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;

use crate::base::labels::LabelRule;
use crate::error::Result;
use crate::image::{
    Color, Fit, ImportSettings, IndexedPictures, LabelSource, Palette, Picture, Pictures,
    PixelCodec, PixelFormat,
};
use crate::sequence::SequenceDataset;

fn import(path: &Path, settings: &ImportSettings) -> Result<Pictures> {
    Pictures::import(path, settings, &|_, _| {}, &|_| true)
}

fn plain() -> ImportSettings {
    ImportSettings::default()
}

fn sized(text: &str) -> ImportSettings {
    ImportSettings {
        size: Some(text.parse().unwrap()),
        ..plain()
    }
}

/// The message of the error and its hint.
fn fault(result: Result<Pictures>) -> String {
    let error = result.expect_err("it is faulty");
    format!("{error} | {}", error.hint().unwrap_or_default())
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A picture file of two colours a row, the one in all pixels of a column.
fn picture(width: u32, height: u32, seed: u8, format: ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, y: u32| Rgb([seed, (x * 20) as u8, (y % 2 * 200) as u8]);
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_fn(width, height, pixel)
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

/// Pictures in subfolders and every format, a damaged and an empty one, hidden and other files.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "b/2.png", &picture(8, 6, 1, ImageFormat::Png));
    write(&folder, "b/10.GIF", &picture(8, 6, 2, ImageFormat::Gif));
    write(&folder, "a a/ü.webp", &picture(8, 6, 3, ImageFormat::WebP));
    write(
        &folder,
        "a a/deep/x.jpg",
        &picture(8, 6, 4, ImageFormat::Jpeg),
    );
    write(&folder, "b/liar.jpeg", &picture(8, 6, 5, ImageFormat::Png));
    write(&folder, "c/3.BMP", &picture(8, 6, 6, ImageFormat::Bmp));
    write(&folder, "c/4.tga", &picture(8, 6, 7, ImageFormat::Tga));
    write(&folder, "c/5.tif", &picture(8, 6, 8, ImageFormat::Tiff));
    let whole = picture(8, 6, 6, ImageFormat::Png);
    write(&folder, "b/cut.png", &whole[..whole.len() / 2]);
    write(&folder, "b/empty.png", b"");
    write(&folder, "b/notes.txt", b"not a picture");
    write(&folder, "b/.hidden.png", b"no");
    write(&folder, ".git/c.png", b"no");
    folder
}

#[test]
fn a_folder_gives_its_pictures_sorted_and_names_what_is_broken() {
    let folder = folder();
    let pictures = import(folder.path(), &plain()).unwrap();
    let names = [
        "a a/deep/x.jpg",
        "a a/ü.webp",
        "b/10.GIF",
        "b/2.png",
        "b/liar.jpeg",
        "c/3.BMP",
        "c/4.tga",
        "c/5.tif",
    ];
    assert_eq!(pictures.names(), names);
    assert_eq!(pictures.size().to_string(), "8x6");
    assert_eq!(*pictures.format(), PixelFormat::Rgb);
    let skipped: Vec<_> = pictures.skipped().iter().map(|s| s.path.as_str()).collect();
    assert_eq!(skipped, ["b/cut.png", "b/empty.png"]);
    for (index, name) in names.iter().enumerate() {
        let read = Picture::read(&folder.path().join(name), [0; 3]).unwrap();
        assert_eq!(pictures.picture(index), read);
        assert_eq!(pictures.bytes(index), read.pixels.as_flattened());
    }
    let text = pictures.summary().to_string();
    for part in [
        "8 pictures of 8x6 pixels, in colour",
        "PNG (2)",
        "TGA (1)",
        "TIFF (1)",
        "8x6 (8)",
        "1 file of another kind",
        "empty (0 bytes)",
        "b/cut.png",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn one_file_and_a_filter_choose() {
    let folder = folder();
    let single = import(&folder.path().join("b/2.png"), &plain()).unwrap();
    assert_eq!(single.names(), ["2.png"]);
    let keep = |name: &str| name.starts_with("a a/");
    let some = Pictures::import(folder.path(), &plain(), &|_, _| {}, &keep).unwrap();
    assert_eq!((some.len(), some.skipped().len()), (2, 0));
    for (name, format) in [
        ("cut.png", ImageFormat::Png),
        ("cut.bmp", ImageFormat::Bmp),
        ("cut.tga", ImageFormat::Tga),
        ("cut.tiff", ImageFormat::Tiff),
    ] {
        let whole = picture(8, 6, 6, format);
        let path = write(&folder, name, &whole[..whole.len() / 2]);
        let message = fault(import(&path, &plain()));
        assert!(
            message.contains(&format!("{name}: ")) && message.contains("cut short"),
            "{message}"
        );
    }
}

#[test]
fn progress_reaches_every_file_and_threads_change_nothing() {
    let folder = folder();
    let (calls, furthest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = |done: usize, total: usize| {
        assert_eq!(total, 10);
        calls.fetch_add(1, Ordering::Relaxed);
        furthest.fetch_max(done, Ordering::Relaxed);
    };
    let digests: HashSet<String> = [1, 3]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let imported =
                pool.install(|| Pictures::import(folder.path(), &plain(), &progress, &|_| true));
            imported.unwrap().digest().to_owned()
        })
        .collect();
    assert_eq!(digests.len(), 1);
    assert_eq!((calls.into_inner(), furthest.into_inner()), (20, 10));
}

#[test]
fn the_digest_sees_names_and_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let digest = || import(folder.path(), &plain()).unwrap().digest().to_owned();
    write(&folder, "a.png", &picture(4, 4, 1, ImageFormat::Png));
    let first = digest();
    assert_eq!((first.len(), &first), (64, &digest()));
    write(&folder, "a.png", &picture(4, 4, 2, ImageFormat::Png));
    let changed = digest();
    fs::rename(folder.path().join("a.png"), folder.path().join("b.png")).unwrap();
    assert_eq!(HashSet::from([first, changed, digest()]).len(), 3);
}

#[test]
fn different_sizes_need_a_choice() {
    let folder = folder();
    write(&folder, "z.png", &picture(16, 12, 7, ImageFormat::Png));
    let message = fault(import(folder.path(), &plain()));
    for part in ["different sizes", "8x6 (9)", "16x12 (1)", "--size 8x6"] {
        assert!(message.contains(part), "{message}");
    }
    for fit in [Fit::Crop, Fit::Pad] {
        let settings = ImportSettings {
            fit,
            ..sized("8x6")
        };
        let pictures = import(folder.path(), &settings).unwrap();
        assert_eq!((pictures.len(), pictures.summary().sizes.len()), (9, 2));
        assert!(pictures.picture(8).has_size(pictures.size()));
    }
    let large = tempfile::tempdir().unwrap();
    write(&large, "a.png", &picture(1_200, 2, 7, ImageFormat::Png));
    let message = fault(import(large.path(), &plain()));
    assert!(
        message.contains("1200x2") && message.contains("--size"),
        "{message}"
    );
}

#[test]
fn transparency_shows_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    RgbaImage::from_pixel(2, 2, Rgba([9, 9, 9, 0]))
        .save(&path)
        .unwrap();
    assert_eq!(
        import(&path, &plain()).unwrap().picture(0).pixels,
        [[255; 3]; 4]
    );
    let settings = ImportSettings {
        background: [1, 2, 3],
        ..plain()
    };
    let pictures = import(&path, &settings).unwrap();
    assert_eq!(pictures.picture(0).pixels, [[1, 2, 3]; 4]);
    assert!(
        pictures
            .summary()
            .to_string()
            .contains("1 with transparency")
    );
}

#[test]
fn greys_take_one_byte_until_a_colour_comes() {
    let folder = tempfile::tempdir().unwrap();
    let grey = |value: u8, name: &str| {
        RgbImage::from_pixel(2, 1, Rgb([value; 3]))
            .save(folder.path().join(name))
            .unwrap();
    };
    grey(7, "a.png");
    grey(9, "b.png");
    let pictures = import(folder.path(), &plain()).unwrap();
    assert_eq!(*pictures.format(), PixelFormat::Grey);
    assert_eq!(
        (pictures.bytes(0), pictures.bytes(1)),
        (&[7, 7][..], &[9, 9][..])
    );
    RgbImage::from_pixel(2, 1, Rgb([0, 255, 0]))
        .save(folder.path().join("c.png"))
        .unwrap();
    grey(11, "d.png");
    let pictures = import(folder.path(), &plain()).unwrap();
    assert_eq!(*pictures.format(), PixelFormat::Rgb);
    let pixels: Vec<Color> = (0..4)
        .map(|index| pictures.picture(index).pixels[1])
        .collect();
    assert_eq!(pixels, [[7; 3], [9; 3], [0, 255, 0], [11; 3]]);
    let mut greys = [0; 2];
    pictures.greys(2, 0..2, &mut greys);
    let settings = ImportSettings {
        grey: true,
        ..plain()
    };
    let forced = import(folder.path(), &settings).unwrap();
    assert_eq!(*forced.format(), PixelFormat::Grey);
    assert_eq!(forced.bytes(2), greys);
}

#[test]
fn folders_without_usable_pictures_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let message = fault(import(folder.path(), &plain()));
    assert!(
        message.contains("holds no pictures") && message.contains(".png"),
        "{message}"
    );
    write(&folder, "a.txt", b"text");
    let message = fault(import(folder.path(), &plain()));
    assert!(message.contains("1 file of another kind"), "{message}");
    write(&folder, "train-images-idx3-ubyte", b"");
    let message = fault(import(folder.path(), &plain()));
    assert!(
        message.contains("give the path of an IDX file") && message.contains("train-images"),
        "{message}"
    );
    write(&folder, "b.png", b"junk");
    for settings in [plain(), sized("4")] {
        let message = fault(import(folder.path(), &settings));
        assert!(
            message.contains("b.png: its content is none of PNG"),
            "{message}"
        );
    }
    assert!(import(&folder.path().join("none"), &plain()).is_err());
    let message = fault(import(&folder.path().join("a.txt"), &plain()));
    assert!(message.contains("not a picture, an IDX file"), "{message}");
}

#[cfg(unix)]
#[test]
fn circular_and_dangling_links_are_survived() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    symlink(folder.path(), folder.path().join("b/loop")).unwrap();
    symlink(folder.path().join("gone"), folder.path().join("link.png")).unwrap();
    let pictures = import(folder.path(), &plain()).unwrap();
    assert_eq!(pictures.len(), 8);
    assert!(
        pictures
            .skipped()
            .iter()
            .any(|skipped| skipped.path == "link.png")
    );
}

/// An IDX file of bytes with these dimensions.
fn idx_file(dimensions: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    file.extend(dimensions.iter().flat_map(|n| n.to_be_bytes()));
    file.extend(bytes);
    file
}

/// Three pictures of 4×2 and their labels, the latter as they stand beside the former.
fn idx_pair(folder: &TempDir, packed: bool) -> PathBuf {
    let pixels: Vec<u8> = (0..24).map(|i| i * 10).collect();
    let (images, labels) = (idx_file(&[3, 2, 4], &pixels), idx_file(&[3], &[7, 0, 7]));
    if packed {
        write(folder, "t-labels-idx1-ubyte.gz", &gzip(&labels));
        write(folder, "t-images-idx3-ubyte.gz", &gzip(&images))
    } else {
        write(folder, "t-labels.idx1-ubyte", &labels);
        write(folder, "t-images.idx3-ubyte", &images)
    }
}

#[test]
fn idx_files_give_their_pictures_and_labels_packed_or_not() {
    for packed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = idx_pair(&folder, packed);
        let settings = ImportSettings {
            labels: LabelSource::Beside(LabelRule::None),
            ..plain()
        };
        let pictures = import(&path, &settings).unwrap();
        assert_eq!(pictures.names(), ["0", "1", "2"]);
        assert_eq!(pictures.size().to_string(), "4x2");
        assert_eq!(pictures.bytes(1), [80, 90, 100, 110, 120, 130, 140, 150]);
        let classes: Vec<_> = pictures
            .labels()
            .iter()
            .map(|labels| labels[0].clone())
            .collect();
        let class = |value: &str| ("class".to_owned(), value.to_owned());
        assert_eq!(classes, [class("7"), class("0"), class("7")]);
        assert!(import(&path, &plain()).unwrap().labels()[0].is_empty());
        let names = LabelRule::names("item=a,b,c,d,e,f,g,h").unwrap();
        let settings = ImportSettings {
            labels: LabelSource::Beside(names),
            ..plain()
        };
        let named = import(&path, &settings).unwrap();
        assert_eq!(named.labels()[0], [("item".to_owned(), "h".to_owned())]);
        let kept = Pictures::import(&path, &settings, &|_, _| {}, &|name| name == "1").unwrap();
        assert_eq!((kept.len(), kept.labels()[0][0].1.as_str()), (1, "a"));
        assert_eq!(kept.bytes(0), pictures.bytes(1));
        let resized = import(&path, &sized("2x1")).unwrap();
        assert_eq!((resized.len(), resized.size().area()), (3, 2));
    }
}

#[test]
fn idx_files_in_colour_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        &folder,
        "colour",
        &idx_file(&[1, 1, 2, 3], &[1, 2, 3, 40, 50, 60]),
    );
    let pictures = import(&path, &plain()).unwrap();
    assert_eq!(pictures.picture(0).pixels, [[1, 2, 3], [40, 50, 60]]);
}

#[test]
fn damaged_idx_files_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let good = idx_file(&[3, 2, 4], &[5; 24]);
    let mut floats = good.clone();
    floats[2] = 0x0D;
    let packed = gzip(&good);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            good[..30].to_vec(),
            "it ends in picture 1 (from 0) of the 3",
        ),
        (good[..9].to_vec(), "it ends in its header"),
        (
            [good.as_slice(), &[1]].concat(),
            "continues after the 3 pictures",
        ),
        (floats, "type 0x0d"),
        (idx_file(&[3], &[1, 2, 3]), "of labels, not of pictures"),
        (idx_file(&[1, 2, 3, 4], &[0; 24]), "dimensions [1, 2, 3, 4]"),
        (idx_file(&[0, 2, 4], &[]), "0 pictures"),
        (idx_file(&[3, 0, 4], &[]), "4x0 pixels"),
        (idx_file(&[1, 20_000, 20_000], &[]), "20000x20000"),
        (idx_file(&[u32::MAX, 28, 28], &[]), "GiB"),
        (idx_file(&[5_000_000, 28, 28], &[]), "it ends in picture 0"),
        (packed[..packed.len() - 9].to_vec(), "cut short"),
    ];
    for (bytes, reason) in cases {
        let path = write(&folder, "images", &bytes);
        let message = fault(import(&path, &plain()));
        assert!(
            message.contains(reason) && message.contains("images: "),
            "{reason:?}: {message}"
        );
    }
}

#[test]
fn faulty_label_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = idx_pair(&folder, false);
    let labels = folder.path().join("t-labels.idx1-ubyte");
    let beside = ImportSettings {
        labels: LabelSource::Beside(LabelRule::None),
        ..plain()
    };
    let good = idx_file(&[3], &[7, 0, 7]);
    for (bytes, reason) in [
        (&good[..10], "holds 2 of the 3 labels"),
        (
            &idx_file(&[2], &[7, 0])[..],
            "has 2 labels for the 3 pictures",
        ),
        (
            &idx_file(&[3], &[7, 0, 7, 1]),
            "continues after the 3 labels",
        ),
        (&idx_file(&[3, 1, 1], &[7, 0, 7]), "not of labels"),
    ] {
        fs::write(&labels, bytes).unwrap();
        let message = fault(import(&path, &beside));
        assert!(
            message.contains(reason) && message.contains("t-labels"),
            "{reason:?}: {message}"
        );
    }
    fs::write(&labels, good).unwrap();
    let few = ImportSettings {
        labels: LabelSource::Beside(LabelRule::names("item=a,b").unwrap()),
        ..plain()
    };
    let message = fault(import(&path, &few));
    assert!(
        message.contains("the label 7") && message.contains("the label 1"),
        "{message}"
    );
    fs::remove_file(&labels).unwrap();
    let message = fault(import(&path, &beside));
    assert!(
        message.contains("no label file") && message.contains("--labels"),
        "{message}"
    );
    let paths = ImportSettings {
        labels: LabelSource::Paths(LabelRule::Folders),
        ..plain()
    };
    assert!(fault(import(&path, &paths)).contains("--labels"));
}

/// Two pictures of 2×2 in four colours, with their colour map.
fn rows_file(folder: &TempDir, rows: &str) -> PathBuf {
    write(
        folder,
        "colormap.txt",
        b"255 255 255\n0 0 0\n255 0 0\n0 0 255",
    );
    write(folder, "pixels.txt", rows.as_bytes())
}

#[test]
fn rows_of_indices_keep_their_indices_and_palette() {
    let folder = tempfile::tempdir().unwrap();
    for rows in ["0 1 2 3\n3 3 0 0", "0,1,2,3\r\n3, 3, 0, 0\r\n\r\n"] {
        let path = rows_file(&folder, rows);
        let pictures = import(&path, &plain()).unwrap();
        assert_eq!(pictures.size().to_string(), "2x2");
        assert_eq!(pictures.names(), ["0", "1"]);
        assert_eq!(pictures.bytes(0), [0, 1, 2, 3]);
        assert_eq!(
            pictures.picture(1).pixels,
            [[0, 0, 255], [0, 0, 255], [255; 3], [255; 3]]
        );
        let palette = pictures.palette(&[], None, 0).unwrap();
        assert_eq!(palette.colors()[2], [255, 0, 0]);
        assert!(pictures.palette(&[], Some(9), 0).unwrap_err().is_usage());
        let wide = import(&path, &sized("4x1")).unwrap();
        assert_eq!(wide.size().to_string(), "4x1");
    }
    let packed = write(&folder, "pixels.gz", &gzip(b"0 1 2 3"));
    assert_eq!(import(&packed, &plain()).unwrap().len(), 1);
}

#[test]
fn faulty_rows_are_named_by_file_row_and_column() {
    let folder = tempfile::tempdir().unwrap();
    for (rows, reason) in [
        (
            "0 1 2 3\n0 0 4 0",
            "pixels.txt: row 2, column 3: there is no colour 4",
        ),
        ("0 1 2 3\n0 0 0", "row 2 has 3 numbers, the first row has 4"),
        ("0 1 2\n0 1 2", "3 numbers, which is not a square number"),
        ("0 99999999999999999999999 2 3", "row 1, column 2"),
        ("\n\n", "not a picture, an IDX file"),
    ] {
        let message = fault(import(&rows_file(&folder, rows), &plain()));
        assert!(message.contains(reason), "{reason:?}: {message}");
    }
    // What comes later in the file is looked at too.
    let late = format!("{}0 1 x 3\n", "0 1 2 3\n".repeat(5_000));
    let message = fault(import(&rows_file(&folder, &late), &plain()));
    assert!(
        message.contains("row 5001, column 3: 'x' is not a colour index"),
        "{message}"
    );
    let path = rows_file(&folder, "0 1 2 3");
    assert!(fault(import(&path, &sized("3x3"))).contains("a picture of 3x3 has 9"));
    fs::write(folder.path().join("colormap.txt"), "255 255 255\n\n255 0 0").unwrap();
    assert!(fault(import(&path, &plain())).contains("colormap.txt: row 2: it is empty"));
    fs::remove_file(folder.path().join("colormap.txt")).unwrap();
    assert!(fault(import(&path, &plain())).contains("--colormap"));
    let elsewhere = ImportSettings {
        colormap: Some(write(&folder, "other.txt", b"1 1 1\n2 2 2\n3 3 3\n4 4 4")),
        ..plain()
    };
    assert_eq!(
        import(&path, &elsewhere).unwrap().picture(0).pixels[3],
        [4; 3]
    );
}

fn table(folder: &TempDir, text: &str, pattern: Option<&str>) -> ImportSettings {
    let rule = pattern.map_or(LabelRule::None, |text| LabelRule::pattern(text).unwrap());
    let path = write(folder, "labels.csv", text.as_bytes());
    ImportSettings {
        labels: LabelSource::File { path, rule },
        ..plain()
    }
}

#[test]
fn tables_give_labels_by_path_name_or_number() {
    let folder = folder();
    let other = tempfile::tempdir().unwrap();
    let text = "file,kind,tone\nb/2.png,x,dark\n10,y,light\nü.webp,x,light\nliar,y,dark\n";
    let settings = table(&other, text, None);
    let pictures = import(folder.path(), &settings).unwrap();
    assert_eq!(
        pictures.names(),
        ["a a/ü.webp", "b/10.GIF", "b/2.png", "b/liar.jpeg"]
    );
    let label = |group: &str, value: &str| (group.to_owned(), value.to_owned());
    assert_eq!(
        pictures.labels()[2],
        [label("kind", "x"), label("tone", "dark")]
    );
    assert_eq!(
        pictures.labels()[1],
        [label("kind", "y"), label("tone", "light")]
    );
    assert!(
        pictures
            .skipped()
            .iter()
            .any(|s| s.path == "a a/deep/x.jpg" && s.reason.contains("no row for it"))
    );
    let path = idx_pair(&other, true);
    let settings = table(
        &other,
        "2,green hair\n0,red hair\n1,red hat",
        Some("^(?<hair>[a-z]+) "),
    );
    let pictures = import(&path, &settings).unwrap();
    assert_eq!(pictures.labels()[2], [label("hair", "green")]);
    let settings = table(&other, "2,green hair\n0,red hair\n", None);
    let pictures = import(&path, &settings).unwrap();
    assert_eq!(pictures.names(), ["0", "2"]);
    assert_eq!(pictures.labels()[0], [label("class", "red hair")]);
}

#[test]
fn faulty_tables_are_named_by_row() {
    let folder = folder();
    let other = tempfile::tempdir().unwrap();
    for (text, pattern, reason) in [
        ("", None, "holds no labels"),
        ("1,a\n2,a,b", None, "row 2: it has 2 labels"),
        ("1", None, "row 1: it has no label"),
        ("1,a\n1,b", None, "row 2: '1' occurs twice"),
        (
            "1,a\n2,7",
            Some("(?<letter>[a-z])"),
            "row 2: '7' does not match",
        ),
    ] {
        let message = fault(import(folder.path(), &table(&other, text, pattern)));
        assert!(
            message.contains(reason) && message.contains("labels.csv"),
            "{reason:?}: {message}"
        );
    }
    let labels = write(&other, "labels", &idx_file(&[1], &[1]));
    let settings = ImportSettings {
        labels: LabelSource::File {
            path: labels,
            rule: LabelRule::None,
        },
        ..plain()
    };
    assert!(fault(import(folder.path(), &settings)).contains("use a table"));
}

#[test]
fn paths_give_labels_by_the_same_rules_as_elsewhere() {
    let folder = folder();
    write(&folder, "loose.png", &picture(8, 6, 9, ImageFormat::Png));
    let settings = ImportSettings {
        labels: LabelSource::Paths(LabelRule::Folders),
        ..plain()
    };
    let pictures = import(folder.path(), &settings).unwrap();
    let classes: Vec<_> = pictures
        .labels()
        .iter()
        .map(|labels| labels[0].1.as_str())
        .collect();
    assert_eq!(classes, ["a a", "a a", "b", "b", "b", "c", "c", "c"]);
    assert!(
        pictures
            .skipped()
            .iter()
            .any(|s| s.path == "loose.png" && s.reason.contains("not in a subfolder"))
    );
}

#[test]
fn libraries_become_sequences_in_raster_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = rows_file(&folder, "0 1 2 3\n3 3 0 0");
    let pictures = import(&path, &plain()).unwrap();
    let codec = PixelCodec::new(pictures.size(), pictures.palette(&[], None, 0).unwrap());
    let indexed: IndexedPictures = codec.index_all(&pictures).unwrap();
    assert_eq!((indexed.count(), indexed.length(1)), (2, 4));
    let mut tokens = [9; 3];
    indexed.read(0, 1..4, &mut tokens).unwrap();
    assert_eq!(tokens, [1, 2, 3]);
    let other = PixelCodec::new("3".parse().unwrap(), Palette::binary());
    assert!(other.index_all(&pictures).unwrap_err().is_usage());
    // Another palette: each colour by the nearest of it.
    let reversed = Palette::new(vec![[0, 0, 250], [250, 0, 0], [0; 3], [255; 3]]).unwrap();
    let mut indices = [9; 4];
    pictures.index(0, &reversed, &mut indices);
    assert_eq!(indices, [3, 2, 1, 0]);
}

#[test]
fn palettes_fit_the_pictures_they_are_made_from() {
    let folder = folder();
    let pictures = import(folder.path(), &plain()).unwrap();
    let png = pictures
        .names()
        .iter()
        .position(|name| name == "b/2.png")
        .unwrap();
    let exact = pictures.palette(&[png], None, 1).unwrap();
    assert_eq!(exact.len(), 16);
    let codec = PixelCodec::new(pictures.size(), exact);
    assert_eq!(
        codec.paint(&codec.index(&pictures.picture(png)).unwrap()),
        pictures.picture(png)
    );
    let few = pictures.palette(&[0, 1, 2, 3, 4], Some(6), 1).unwrap();
    assert!(few.len() <= 6 && few == pictures.palette(&[0, 1, 2, 3, 4], Some(6), 1).unwrap());
    assert!(pictures.palette(&[], Some(6), 1).unwrap_err().is_usage());
    let greys = Pictures::from_greys("1x2".parse().unwrap(), &[vec![0, 200]]);
    assert_eq!(greys.palette(&[0], None, 1).unwrap().len(), 256);
}

#[test]
fn damage_of_any_kind_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder,
        "colormap.txt",
        b"255 255 255\n0 0 0\n255 0 0\n0 0 255",
    );
    let idx = idx_file(&[3, 2, 4], &[5; 24]);
    let sources = [gzip(&idx), idx, b"0 1 2 3\n3 3 0 0\n1 1 1 1\n".to_vec()];
    let mut state = 99_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    let (mut good, mut bad) = (0, 0);
    for source in &sources {
        for _ in 0..300 {
            let mut bytes = source.clone();
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
            bytes.truncate(bytes.len() - random() % 2 * (random() % bytes.len()));
            let path = write(&folder, "damaged", &bytes);
            match import(&path, &plain()) {
                Ok(pictures) => {
                    let area = pictures.size().area();
                    assert_eq!(pictures.bytes(pictures.len() - 1).len() % area, 0);
                    good += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("damaged"), "{error}");
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 50 && bad > 300, "{good} {bad}");
}
