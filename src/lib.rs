/*!
*ensuite* learns what comes next in a sequence, and then continues it.
*/

pub mod audio;
pub mod base;
pub mod checkpoint;
pub mod cli;
pub mod error;
pub mod eval;
pub mod image;
pub mod kernels;
pub mod latent;
pub mod models;
pub mod ops;
pub mod sequence;
pub mod text;
pub mod train;
