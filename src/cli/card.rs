/*! The model card: what a model is and how it was made, for whoever finds the folder. */

use std::path::Path;

use super::ui;
use crate::checkpoint::Description;
use crate::medium::Medium;
use crate::train::Standing;

/// The card of a model of sound, as Markdown.
pub(super) fn of_sound(
    description: &Description,
    recordings: &Path,
    standing: &Standing,
) -> String {
    let Medium::Sound(sound) = &description.medium;
    let recipe = &description.recipe;
    let validation = description
        .validation_bits
        .map_or("not measured".into(), |bits| {
            format!("{bits:.3} bits/sample")
        });
    let classes: Vec<String> = description
        .classes
        .groups()
        .iter()
        .map(|group| format!("- {}: {}\n", group.name, group.values.join(", ")))
        .collect();
    let classes = if classes.is_empty() {
        "- none\n".into()
    } else {
        classes.concat()
    };
    let network = toml::to_string(&recipe.network).expect("a network's settings are TOML");
    format!(
        "# A model of sound\n\n\
         Made by {program} from the recordings in `{folder}`.\n\n\
         | | |\n|---|---|\n\
         | sample rate | {rate} Hz |\n\
         | steps | {steps} in {time} |\n\
         | samples read | {tokens} |\n\
         | held out | {rule} |\n\
         | validation, all of its steps considered | {validation} at step {best} |\n\n\
         Classes:\n\n{classes}\n\
         Network:\n\n```toml\n{network}```\n\n\
         Make sound with it: `ensuite generate MODEL -o more.wav --seconds 10`.\n",
        program = description.program,
        folder = recordings.display(),
        rate = sound.sample_rate,
        steps = standing.step,
        time = ui::duration(standing.seconds),
        tokens = ui::count(standing.tokens as f64),
        rule = description.split.rule,
        best = description.step,
    )
}
