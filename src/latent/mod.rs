/*!
Codes as plain numbers: what an encoder says of one, the standard Gaussian they are drawn from, walks between two of them,
and the choice of what to show along a walk. Nothing here knows a network.
*/

mod gaussian;
mod interpolation;
mod line_selection;
mod posteriors;

pub use gaussian::{Gaussian, Normals, standard_log_density};
pub use interpolation::{Interpolation, interpolate, norm};
pub use line_selection::{Choice, LineSelectionSettings, select_lines};
pub use posteriors::{Information, Posteriors, importance_weighted_nll, nearest_code};
