/*! The model card: what a model is and how it was made, for whoever finds the folder. */

use std::path::Path;

use super::media::Verbs;
use super::ui;
use crate::checkpoint::Description;
use crate::train::Standing;

/// The card of a model, as Markdown.
pub(super) fn of(
    description: &Description,
    source: &Path,
    standing: &Standing,
    verbs: &dyn Verbs,
) -> String {
    let (medium, recipe) = (&description.medium, &description.recipe);
    let validation = description
        .validation_bits
        .map_or("not measured".into(), |bits| {
            format!("{bits:.3} {}", medium.unit())
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
    let row =
        |text: String, (name, value): &(&str, String)| text + &format!("| {name} | {value} |\n");
    let facts = verbs.facts(description).iter().fold(String::new(), row);
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
         Network:\n\n```toml\n{network}```\n\n\
         {advice}\n",
        advice = verbs.advice(description),
        kind = medium.name(),
        token = medium.token_name(),
        program = description.program,
        source = source.display(),
        steps = standing.step,
        time = ui::duration(standing.seconds),
        tokens = ui::count(standing.tokens as f64),
        rule = description.split.rule,
        best = description.step,
    )
}
