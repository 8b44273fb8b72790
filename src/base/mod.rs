/*!
What every other module may use: random streams, portable exp and tanh, instruction sets, class labels, files, the Fréchet
distance.
*/

pub mod allocator;
pub mod colormap;
pub mod embedded_text;
pub mod files;
pub mod frechet;
pub mod labels;
pub mod math;
pub mod neighbours;
pub mod picture_features;
pub mod rng;
pub mod simd;
pub mod split;
