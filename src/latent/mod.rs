/*!
Codes as plain numbers: what an encoder says of one, the standard Gaussian they are drawn from, walks between two of them,
and the choice of what to show along a walk. Nothing here knows a network.
*/

mod gaussian;
mod path;
mod walk;

pub use gaussian::{Gaussian, Normals, standard_log_density};
pub use path::{Choice, PathSettings, choose};
pub use walk::{Interpolation, norm, walk};
