/*!
Sound to the loudspeaker, while it is made.

A producer gives mono samples to a [`Player`]; a lock-free ring carries them to the callback that the system calls
whenever the device wants sound. The [`Callback`] only takes from the ring and converts: it neither locks, nor
allocates, nor resamples, nor waits. Resampling to the device's rate ([`StreamResampler`](crate::audio::stream)) is the
producer's business, as is everything else that takes time.

An empty ring is heard as silence behind a short fade, is counted, and playing goes on as soon as the ring is half full
again.
*/

mod callback;
mod output;
mod player;

pub use callback::{Callback, Gauge};
pub use output::{Format, Output, OutputInfo, list};
pub use player::{Player, Settings};
