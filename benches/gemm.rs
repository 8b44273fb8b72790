//! Compares the training kernels' matrix product with the `gemm` crate, on one thread: a block of 512 rows of a dense
//! layer, and the 32 rows of a recurrent step. The weights are packed before the clock starts, because a training step
//! uses them many times; the `gemm` crate packs them at every call.
//!
//! `cargo bench --bench gemm`

#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use ensuite::internals::{InstructionSet, Packed, Start, View, product};
use gemm::Parallelism;

/// Rows, inner dimension and columns.
const SHAPES: [(usize, usize, usize); 4] = [
    (512, 64, 192),
    (512, 512, 512),
    (32, 256, 768),
    (32, 512, 2048),
];

fn main() {
    println!(
        "{:?}, one thread, GFLOP/s: the best of the runs",
        InstructionSet::detect()
    );
    println!("| rows × depth × columns | ensuite | gemm | ratio |");
    println!("|---|---|---|---|");
    for (rows, depth, columns) in SHAPES {
        let values = |count: usize| -> Vec<f32> {
            (0..count)
                .map(|i| (i * 7 % 11) as f32 / 11.0 - 0.5)
                .collect()
        };
        let (left, right) = (values(rows * depth), values(depth * columns));
        let mut ours = vec![0.0; rows * columns];
        let mut theirs = ours.clone();
        let view = View::rows(&right, columns);
        let packed = Packed::new(InstructionSet::detect(), view, depth, columns);
        let mut run_ours = || {
            let left = View::rows(&left, depth);
            product(left, rows, &packed, &mut ours, columns, Start::Zero);
        };
        let mut run_theirs = || {
            let [d, c] = [depth, columns].map(|stride| stride as isize);
            // SAFETY: the three slices hold row-major matrices of these dimensions.
            unsafe {
                gemm::gemm(
                    rows,
                    columns,
                    depth,
                    theirs.as_mut_ptr(),
                    1,
                    c,
                    false,
                    left.as_ptr(),
                    1,
                    d,
                    right.as_ptr(),
                    1,
                    c,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        };
        // In turns, so that other programs slow both down alike.
        let mut best = [Duration::MAX; 2];
        for _ in 0..200 {
            best[0] = best[0].min(time(&mut run_ours));
            best[1] = best[1].min(time(&mut run_theirs));
        }
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < 1e-3, "the products differ: {a} and {b}");
        }
        let flop = 2.0 * (rows * depth * columns) as f64;
        let [a, b] = best.map(|time| flop / time.as_secs_f64() / 1e9);
        println!(
            "| {rows} × {depth} × {columns} | {a:.0} | {b:.0} | {:.2} |",
            a / b
        );
    }
}

/// The mean time of a few calls.
fn time(work: &mut impl FnMut()) -> Duration {
    const CALLS: u32 = 5;
    let begun = Instant::now();
    (0..CALLS).for_each(|_| work());
    begun.elapsed() / CALLS
}
