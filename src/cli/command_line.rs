/*! The words of a command, as they are kept in what it makes. */

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// What does not change what is made, or is added where the words are kept.
const LEFT_OUT: [&str; 5] = ["quiet", "model", "output", "seed", "no_metadata"];

/// The verb and the arguments that were given, in the order of the help.
pub(super) fn words(command: &Command, matches: &ArgMatches) -> Vec<String> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let mut words = vec![verb.to_owned()];
    let arguments = command
        .find_subcommand(verb)
        .into_iter()
        .flat_map(Command::get_arguments);
    for argument in arguments {
        let id = argument.get_id().as_str();
        let given = matches.try_contains_id(id).is_ok()
            && matches.value_source(id) == Some(ValueSource::CommandLine);
        if !given || LEFT_OUT.contains(&id) {
            continue;
        }
        let flag = argument.get_long().map(|long| format!("--{long}"));
        let flag = flag.or(argument.get_short().map(|short| format!("-{short}")));
        if !argument.get_action().takes_values() {
            words.extend(flag);
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            words.extend(flag.clone());
            words.push(value.to_string_lossy().into_owned());
        }
    }
    words
}
