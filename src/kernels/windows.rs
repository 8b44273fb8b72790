/*! Adds to each row a window of a table that a place chooses. */

use rayon::prelude::*;

/// Rows of one task.
const BLOCK: usize = 256;

/// Writes to each row of `out` `[rows, width]` the row of `rows` plus `table[start..start + width]`, where the start is the
/// row's of `starts`.
///
/// # Panics
/// If the sizes do not match or a window leaves the table.
pub fn forward(rows: &[f32], table: &[f32], starts: &[u32], width: usize, out: &mut [f32]) {
    assert_eq!(rows.len(), starts.len() * width, "one start for each row");
    let blocks = rows.par_chunks(BLOCK * width).zip(starts.par_chunks(BLOCK));
    let blocks = out.par_chunks_mut(BLOCK * width).zip(blocks);
    blocks.for_each(|(out, (rows, starts))| {
        let rows = rows.chunks_exact(width).zip(starts);
        for (out, (row, &start)) in out.chunks_exact_mut(width).zip(rows) {
            let window = &table[start as usize..][..width];
            for (out, (x, y)) in out.iter_mut().zip(row.iter().zip(window)) {
                *out = x + y;
            }
        }
    });
}

/// Adds the gradient of each row, `[rows, width]`, to its window of the table's gradient, in the order of the rows.
///
/// # Panics
/// As [`forward`].
pub fn backward(gradient: &[f32], starts: &[u32], width: usize, table: &mut [f32]) {
    assert_eq!(
        gradient.len(),
        starts.len() * width,
        "one start for each row"
    );
    for (row, &start) in gradient.chunks_exact(width).zip(starts) {
        let window = &mut table[start as usize..][..width];
        for (sum, x) in window.iter_mut().zip(row) {
            *sum += x;
        }
    }
}
