/*!
Judges generated sound beside recordings: pitch, Fréchet distance, spectrum, foreign tones, silence, loudness, copies.

No figure is enough alone. Noise has no pitch, but a whistle has one all the time; a whistle is far away in the spectrum,
and a steady tone may lie where the recordings have theirs. The remark therefore follows from all of them. Every figure
is finite for any sound, the empty one included.
*/

mod comparison;
mod copies;
mod level;
mod mel;
mod profile;
#[cfg(test)]
mod tests;
mod tonality;

pub use comparison::{SoundComparison, compare};
pub use profile::SoundProfile;
