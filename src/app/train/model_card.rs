/*! The model card: what a model is and how it was made. */

use std::path::Path;

use crate::app::info::facts;
use crate::app::{next_step, short_count, short_duration};
use crate::checkpoint::ModelManifest;
use crate::train::TrainState;

/// The model card, as Markdown.
pub(super) fn model_card(manifest: &ModelManifest, source: &Path, state: &TrainState) -> String {
    let (medium, recipe) = (&manifest.medium, &manifest.recipe);
    let validation = manifest
        .validation
        .as_ref()
        .map_or("not measured".into(), |metric| {
            format!("{:.3} {}", metric.value, manifest.unit())
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
    let facts = facts(manifest).iter().fold(String::new(), row);
    let model = toml::to_string(&recipe.model).expect("a model's settings are TOML");
    // Up to 256 colours are no reading; palette.png shows them.
    let lines = model.split_inclusive('\n');
    let model: String = lines
        .filter(|line| !line.starts_with("colors = "))
        .collect();
    format!(
        "# A model of {kind}\n\n\
         Made by {program} from `{source}`.{options}\n\n\
         | | |\n|---|---|\n\
         {facts}\
         | steps | {steps} in {time} |\n\
         | {token}s read | {tokens} |\n\
         | held out | {rule} |\n\
         | validation, all held-out data | {validation} at step {best} |\n\n\
         Classes:\n\n{classes}\n\
         Model:\n\n```toml\n{model}```\n\n\
         {usage}\n",
        usage = with_code(&next_step(manifest, Path::new("MODEL"))),
        options = options(manifest),
        kind = medium.name(),
        token = medium.token_name(),
        program = manifest.program,
        source = source.display(),
        steps = state.step,
        time = short_duration(state.seconds),
        tokens = short_count(state.scored as f64),
        rule = manifest.split.rule,
        best = manifest.step,
    )
}

/// "What to do: command" as a sentence of Markdown.
fn with_code(step: &str) -> String {
    match step.split_once(": ") {
        Some((what, command)) => format!("Now {what}: `{command}`"),
        None => step[..1].to_uppercase() + &step[1..] + ".",
    }
}

/// The options that its training was begun with, as they are given in a shell, as Markdown; nothing where there were none.
fn options(manifest: &ModelManifest) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-+:/,=".contains(c);
    let shown = |(name, value): (&String, &String)| match value.as_str() {
        "" => format!(" {name}"),
        _ if name == "--config" => format!(" {name} FILE"),
        value if value.chars().all(plain) => format!(" {name} {value}"),
        value => format!(" {name} '{}'", value.replace('\'', r"'\''")),
    };
    let all: String = manifest.options.iter().map(shown).collect();
    match all.trim_start() {
        "" => String::new(),
        all => format!("\n\nOptions:\n\n```text\n{all}\n```\n"),
    }
}
