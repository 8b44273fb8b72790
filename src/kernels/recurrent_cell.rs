/*! Which recurrent cell a layer is made of. */

use serde::{Deserialize, Serialize};

/// The cell of a recurrent layer. The columns of its matrices are its gates, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecurrentCell {
    /// Long short-term memory (Hochreiter & Schmidhuber 1997): gates i, f, g, o.
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014): gates r, z, n, with the reset gate after the recurrent product and a
    /// bias `[H]` inside it: n = tanh(x_n + r (h U_n + bias)).
    Gru,
}

impl RecurrentCell {
    /// Gates per unit: the columns of a matrix for one unit.
    pub const fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}
