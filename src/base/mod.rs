/*!
What every other module may use: random streams, portable exp and tanh, instruction sets, class labels, files.
*/

pub mod allocator;
pub mod colormap;
pub mod files;
pub mod labels;
pub mod math;
pub mod rng;
pub mod simd;
pub mod split;
