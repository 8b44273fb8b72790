/*!
*ensuite* learns what comes next in a sequence, and then continues it.

The floors, from the top; each uses only floors below it (`ARCHITECTURE.md` says more):

| floor | what |
|---|---|
| [`cli`] | one file per verb |
| [`checkpoint`] | the model folder |
| [`recipe`] | presets and settings |
| [`train`], [`measure`] | the training loop; what `eval` reports |
| [`medium`], [`network`] | the only list of media, the only list of networks |
| [`audio`], [`mod@image`], [`text`], [`nets`] | media in and out; networks as burn modules |
| [`ops`], [`device`] | training operations; where tensors live |
| [`engine`] | fast inference on the CPU |
| [`sequence`], [`labels`], [`latent`] | the shared autoregressive core; classes as a condition; codes as plain numbers |
| [`chance`], [`math`], [`simd`], [`error`], [`memory`] | numbers drawn from a seed, exp and tanh, instruction sets, errors, the allocator |
*/

pub mod audio;
pub mod chance;
pub mod checkpoint;
pub mod cli;
pub mod device;
pub mod engine;
pub mod error;
pub mod image;
pub mod labels;
pub mod latent;
mod magma;
pub mod math;
pub mod measure;
pub mod medium;
pub mod memory;
pub mod nets;
pub mod network;
pub mod ops;
pub mod recipe;
pub mod sequence;
pub mod simd;
pub mod text;
pub mod train;
