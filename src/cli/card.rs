/*! The model card: README.md of a model folder. */

use std::path::Path;

use crate::checkpoint::ModelManifest;
use crate::cli::media::Verbs;
use crate::cli::ui;
use crate::train::TrainState;

/// The model card, as Markdown.
pub(super) fn of(
    manifest: &ModelManifest,
    source: &Path,
    state: &TrainState,
    verbs: &dyn Verbs,
) -> String {
    let (medium, recipe) = (&manifest.medium, &manifest.recipe);
    let validation = manifest
        .validation
        .as_ref()
        .map_or("not measured".into(), |metric| {
            format!("{:.3} {}", metric.value, medium.unit())
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
    let model = toml::to_string(&recipe.model).expect("a model's settings are TOML");
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
         Model:\n\n```toml\n{model}```\n\n\
         {advice}\n",
        advice = verbs.advice(manifest),
        kind = medium.name(),
        token = medium.token_name(),
        program = manifest.program,
        source = source.display(),
        steps = state.step,
        time = ui::duration(state.seconds),
        tokens = ui::count(state.scored as f64),
        rule = manifest.split.rule,
        best = manifest.step,
    )
}
