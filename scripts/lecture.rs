//! Two small tools for `scripts/lecture-pokemon`.
//!
//! usage: lecture rows FILE ROW…               writes row-N.png for the given rows of a file of colour indices
//!        lecture nearest FILE SHEET.png PNG…  writes each picture beside the three nearest pictures of the file

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::path::Path;

use ensuite::internals::{ContactSheet, ImportSettings, Picture, Pictures};

/// Number of nearest pictures shown beside each picture.
const SHOWN: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["rows", file, rows @ ..] => {
            let known = read(file)?;
            for row in rows {
                let picture = known.picture(row.parse()?);
                picture.write_png(Path::new(&format!("row-{row}.png")))?;
            }
            Ok(())
        }
        ["nearest", file, sheet, pictures @ ..] => nearest(&read(file)?, sheet, pictures),
        _ => Err("usage: lecture rows FILE ROW…  or  lecture nearest FILE SHEET.png PNG…".into()),
    }
}

fn read(file: &str) -> ensuite::Result<Pictures> {
    let settings = ImportSettings::default();
    Pictures::import(Path::new(file), &settings, &|_, _| {}, &|_| true)
}

/// Writes the sheet and prints how many pixels each picture shares with its nearest neighbour.
fn nearest(
    known: &Pictures,
    sheet: &str,
    pictures: &[&str],
) -> Result<(), Box<dyn std::error::Error>> {
    let all: Vec<Picture> = (0..known.len()).map(|index| known.picture(index)).collect();
    let mut rows = Vec::new();
    for path in pictures {
        let made = Picture::read(Path::new(path), [255; 3])?;
        let agreeing = |other: &Picture| {
            let pairs = made.pixels.iter().zip(&other.pixels);
            pairs.filter(|(a, b)| a == b).count()
        };
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(agreeing(&all[index])));
        println!(
            "{path}: {} of {} pixels as in row {}",
            agreeing(&all[order[0]]),
            made.pixels.len(),
            order[0]
        );
        let mut row = vec![made.into()];
        row.extend(
            order[..SHOWN]
                .iter()
                .map(|&index| all[index].clone().into()),
        );
        rows.push(row);
    }
    ContactSheet::new(rows).write_png(Path::new(sheet))?;
    Ok(())
}
