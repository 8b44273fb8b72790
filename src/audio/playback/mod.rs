/*!
Plays sound while it is generated.

A producer pushes mono samples to a [`Player`]; a lock-free ring buffer carries them to the callback that the system
calls when the device needs samples. The [`Callback`] only pops samples and converts them: it does not lock, allocate,
resample or wait. The producer resamples to the device's rate ([`StreamResampler`](crate::audio::stream)).

When the ring runs empty, the callback fades to silence, counts an underrun, and continues when the ring is half full.
*/

mod callback;
mod output;
mod player;

pub use callback::Gauge;
pub use output::{Output, list};
pub use player::{Player, Settings};
