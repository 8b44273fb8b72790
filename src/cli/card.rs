/*! The model card: what a model is and how it was made, for whoever finds the folder. */

use std::path::Path;

use crate::checkpoint::ModelManifest;
use crate::cli::media::Verbs;
use crate::cli::ui;
use crate::train::TrainState;

/// The card of a model, as Markdown.
pub(super) fn of(
    manifest: &ModelManifest,
    source: &Path,
    standing: &TrainState,
    verbs: &dyn Verbs,
) -> String {
    let (medium, recipe) = (&manifest.medium, &manifest.recipe);
    let validation = manifest
        .validation_bits
        .map_or("not measured".into(), |bits| {
            format!("{bits:.3} {}", medium.unit())
        });
    let classes: Vec<String> = manifest
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
    let row =
        |text: String, (name, value): &(&str, String)| text + &format!("| {name} | {value} |\n");
    let facts = verbs.facts(manifest).iter().fold(String::new(), row);
    let network = toml::to_string(&recipe.network).expect("a network's settings are TOML");
    format!(
        "# A model of {kind}\n\n\
         Made by {program} from `{source}`.\n\n\
         | | |\n|---|---|\n\
         {facts}\
         | steps | {steps} in {time} |\n\
         | {token}s read | {tokens} |\n\
         | held out | {rule} |\n\
         | validation, all of what is held out | {validation} at step {best} |\n\n\
         Classes:\n\n{classes}\n\
         Model:\n\n```toml\n{network}```\n\n\
         {advice}\n",
        advice = verbs.advice(manifest),
        kind = medium.name(),
        token = medium.token_name(),
        program = manifest.program,
        source = source.display(),
        steps = standing.step,
        time = ui::duration(standing.seconds),
        tokens = ui::count(standing.tokens as f64),
        rule = manifest.split.rule,
        best = manifest.step,
    )
}
