/*!
Latent codes as plain numbers: posteriors, the standard normal prior, mixtures, importance weights, interpolation, and the selection of the lines to
show along an interpolation. Independent of any network.
*/

pub mod em;
mod gaussian;
mod importance;
mod interpolation;
mod line_selection;
mod mixture;
mod posteriors;
mod probe;

pub use gaussian::{Gaussian, Normals, draw_from_prior, standard_log_density};
pub use importance::WeightedCodes;
pub use interpolation::{Interpolation, interpolate, norm};
pub use line_selection::{Choice, LineSelectionSettings, select_lines};
pub use mixture::Mixture;
pub use posteriors::{Posteriors, nearest_code};
pub use probe::probe;
