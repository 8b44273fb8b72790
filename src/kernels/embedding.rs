/*! Embedding: rows looked up in tables and summed, and the gradient of the tables. */

use crate::kernels::parallel::{carve, each, part, parts};
use rayon::prelude::*;

/// Rows of one task.
const BLOCK: usize = 256;

/// A table `[entries, width]` and one entry for each row of the output.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// The entries.
    pub table: &'a [f32],
    /// The entry of each row.
    pub tokens: &'a [i32],
}

/// Writes to each row of `out` `[rows, width]` the sum of its entries in all tables.
///
/// # Panics
/// If the sizes do not match or a token is not an entry.
pub fn forward(lookups: &[Lookup], width: usize, out: &mut [f32]) {
    let rows = out.len() / width;
    for lookup in lookups {
        assert_eq!(lookup.tokens.len(), rows, "one token for each row");
    }
    out.par_chunks_mut(BLOCK * width)
        .enumerate()
        .for_each(|(block, out)| {
            for (index, row) in out.chunks_exact_mut(width).enumerate() {
                for (nth, lookup) in lookups.iter().enumerate() {
                    let entry = entry(lookup.tokens[block * BLOCK + index]) * width;
                    let entry = &lookup.table[entry..entry + width];
                    if nth == 0 {
                        row.copy_from_slice(entry);
                    } else {
                        row.iter_mut().zip(entry).for_each(|(x, y)| *x += y);
                    }
                }
                if lookups.is_empty() {
                    row.fill(0.0);
                }
            }
        });
}

/// Adds to each entry of `table` `[entries, width]` the gradients of the rows that looked it up, in their order.
///
/// * `gradient`: `[rows, width]`.
///
/// # Panics
/// If the sizes do not match or a token is not an entry.
pub fn backward(tokens: &[i32], width: usize, gradient: &[f32], table: &mut [f32]) {
    assert_eq!(gradient.len(), tokens.len() * width, "gradient");
    let entries = table.len() / width;
    assert!(tokens.iter().all(|&token| entry(token) < entries), "token");
    let ranges: Vec<_> = (0..parts())
        .map(|index| part(entries, parts(), index))
        .collect();
    let tables = carve(
        table,
        ranges.iter().map(|own| own.start * width..own.end * width),
    );
    each(tables, |index, table| {
        let own = &ranges[index];
        for (&token, gradient) in tokens.iter().zip(gradient.chunks_exact(width)) {
            let token = entry(token);
            if own.contains(&token) {
                let row = &mut table[(token - own.start) * width..][..width];
                row.iter_mut().zip(gradient).for_each(|(x, g)| *x += g);
            }
        }
    });
}

/// The token as an index.
fn entry(token: i32) -> usize {
    usize::try_from(token).expect("tokens are not negative")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, noise};

    const WIDTH: usize = 5;

    #[test]
    fn rows_are_sums_of_entries_and_gradients_go_back_to_them() {
        let (rows, first, second) = (700, noise(1, 11 * WIDTH), noise(2, 3 * WIDTH));
        let tokens: Vec<i32> = (0..rows).map(|row| (row * row % 11) as i32).collect();
        let others: Vec<i32> = (0..rows).map(|row| (row % 3) as i32).collect();
        let lookups = [
            Lookup {
                table: &first,
                tokens: &tokens,
            },
            Lookup {
                table: &second,
                tokens: &others,
            },
        ];
        let mut out = vec![f32::NAN; rows * WIDTH];
        forward(&lookups, WIDTH, &mut out);
        let gradient = noise(3, rows * WIDTH);
        let mut table = noise(4, 11 * WIDTH);
        let mut expected: Vec<f64> = table.iter().copied().map(f64::from).collect();
        backward(&tokens, WIDTH, &gradient, &mut table);
        for row in 0..rows {
            for column in 0..WIDTH {
                let (a, b) = (tokens[row] as usize, others[row] as usize);
                let sum = first[a * WIDTH + column] + second[b * WIDTH + column];
                assert_eq!(out[row * WIDTH + column], sum);
                expected[a * WIDTH + column] += f64::from(gradient[row * WIDTH + column]);
            }
        }
        close(&table, &expected, 1e-5, "table");
    }

    #[test]
    fn no_table_gives_zeros() {
        let mut out = [1.0; 10];
        forward(&[], WIDTH, &mut out);
        assert_eq!(out, [0.0; 10]);
    }
}
