/*! What the keys change: the settings in force, and the commands that bring them to the generator. */

use std::fmt;

use crate::app::Sampling;
use crate::app::play::Command;
use crate::app::{Classes, Label, describe_labels};
use crate::cli::play::keys::Key;

/// One step of temperature or top-p.
const STEPS: f32 = 20.0;
const HOTTEST: f32 = 3.0;

/// What a key asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Nothing,
    Send(Command),
    Pause,
    Record,
    Quit,
}

/// The settings in force.
#[derive(Debug)]
pub(super) struct Controls {
    sampling: Sampling,
    seed: u64,
    labels: Vec<Label>,
    classes: Classes,
    /// The group of classes that the arrows change.
    group: usize,
}

impl Controls {
    /// Begins with these; `labels` has one label of each group of `classes`.
    pub(super) fn new(sampling: Sampling, seed: u64, labels: Vec<Label>, classes: Classes) -> Self {
        Self {
            sampling,
            seed,
            labels,
            classes,
            group: 0,
        }
    }

    pub(super) fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// One line about the keys.
    pub(super) fn help(&self) -> String {
        let mut keys = "keys: up/down temperature, [ ] top-p, n next seed".to_owned();
        if let Some(group) = self.classes.groups().first() {
            let more = self.classes.groups().len() > 1;
            let name = if more { "class" } else { &group.name };
            keys += ", left/right ";
            keys += name;
            if more {
                keys += " (tab: which)";
            }
        }
        keys + ", space pause, r record, q quit"
    }

    /// Follows a key.
    pub(super) fn press(&mut self, key: Key) -> Action {
        match key {
            Key::Up => self.warm(1.0),
            Key::Down => self.warm(-1.0),
            Key::Right => self.turn(1),
            Key::Left => self.turn(-1),
            Key::Tab => {
                self.group = (self.group + 1) % self.classes.groups().len().max(1);
                Action::Nothing
            }
            Key::Char(']') => self.widen(1.0),
            Key::Char('[') => self.widen(-1.0),
            Key::Char('n') => {
                self.seed = self.seed.wrapping_add(1);
                Action::Send(Command::Seed(self.seed))
            }
            Key::Char(' ') => Action::Pause,
            Key::Char('r') => Action::Record,
            Key::Char('q') | Key::Escape | Key::Interrupt => Action::Quit,
            Key::Char(character) => self.name(character),
        }
    }

    fn warm(&mut self, steps: f32) -> Action {
        let temperature = moved(self.sampling.temperature, steps).clamp(0.0, HOTTEST);
        self.sampling.temperature = temperature;
        Action::Send(Command::Sampling(self.sampling))
    }

    fn widen(&mut self, steps: f32) -> Action {
        let top_p = moved(self.sampling.top_p.unwrap_or(1.0), steps).clamp(1.0 / STEPS, 1.0);
        self.sampling.top_p = (top_p < 1.0).then_some(top_p);
        Action::Send(Command::Sampling(self.sampling))
    }

    /// The value so many places further in the current group, round and round.
    fn turn(&mut self, by: isize) -> Action {
        let Some(group) = self.classes.groups().get(self.group) else {
            return Action::Nothing;
        };
        let place = self
            .labels
            .iter()
            .find(|(name, _)| *name == group.name)
            .and_then(|(_, value)| group.values.iter().position(|v| v == value))
            .unwrap_or(0);
        let place = (place as isize + by).rem_euclid(group.values.len() as isize);
        self.choose(self.group, place as usize)
    }

    /// The value that is called like this key, in the first group that has one.
    fn name(&mut self, character: char) -> Action {
        let mut name = [0; 4];
        let name = character.encode_utf8(&mut name);
        let found = self
            .classes
            .groups()
            .iter()
            .enumerate()
            .find_map(|(group, g)| Some((group, g.values.iter().position(|value| value == name)?)));
        match found {
            Some((group, value)) => self.choose(group, value),
            None => Action::Nothing,
        }
    }

    fn choose(&mut self, group: usize, value: usize) -> Action {
        let group = &self.classes.groups()[group];
        if let Some((_, current)) = self.labels.iter_mut().find(|(name, _)| *name == group.name) {
            current.clone_from(&group.values[value]);
        }
        match self.classes.vector(&self.labels) {
            Ok(vector) => Action::Send(Command::Condition(vector)),
            // Never: every group has one of its own values.
            Err(_) => Action::Nothing,
        }
    }
}

/// `seed 42, digit=7`
impl fmt::Display for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.seed)?;
        if !self.labels.is_empty() {
            write!(f, ", {}", describe_labels(&self.labels))?;
        }
        Ok(())
    }
}

/// So many steps up, on the grid of steps.
fn moved(value: f32, steps: f32) -> f32 {
    ((value * STEPS).round() + steps) / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, value: &str) -> Label {
        (name.into(), value.into())
    }

    fn controls() -> Controls {
        let labels = [
            [label("digit", "3"), label("speaker", "anna")],
            [label("digit", "7"), label("speaker", "theo")],
        ];
        let classes = Classes::collect(labels.iter().map(|l| &l[..]));
        Controls::new(Sampling::default(), 5, labels[0].to_vec(), classes)
    }

    #[test]
    fn temperature_and_top_p_move_on_a_grid_within_what_is_allowed() {
        let mut controls = controls();
        for _ in 0..3 {
            controls.press(Key::Down);
        }
        assert_eq!(controls.sampling().temperature, 0.85);
        for key in [Key::Down, Key::Up, Key::Char('['), Key::Char(']')] {
            for _ in 0..100 {
                let action = controls.press(key);
                let Action::Send(Command::Sampling(sampling)) = action else {
                    panic!("{action:?}");
                };
                sampling.validate().unwrap();
            }
        }
        assert_eq!(controls.sampling().temperature, HOTTEST);
        assert_eq!(controls.sampling().top_p, None);
        controls.press(Key::Char('['));
        assert_eq!(controls.sampling().top_p, Some(0.95));
    }

    #[test]
    fn classes_turn_round_and_are_chosen_by_name() {
        let mut controls = controls();
        let condition = |vector: [f32; 4]| Action::Send(Command::Condition(vector.to_vec()));
        assert_eq!(controls.press(Key::Right), condition([0.0, 1.0, 1.0, 0.0]));
        assert_eq!(controls.press(Key::Right), condition([1.0, 0.0, 1.0, 0.0]));
        assert_eq!(controls.press(Key::Tab), Action::Nothing);
        assert_eq!(controls.press(Key::Left), condition([1.0, 0.0, 0.0, 1.0]));
        assert_eq!(
            controls.press(Key::Char('7')),
            condition([0.0, 1.0, 0.0, 1.0])
        );
        assert_eq!(controls.press(Key::Char('8')), Action::Nothing);
        assert_eq!(
            controls.labels(),
            [label("digit", "7"), label("speaker", "theo")]
        );
    }

    #[test]
    fn without_classes_their_keys_do_nothing() {
        let mut controls = Controls::new(Sampling::default(), 0, vec![], Classes::default());
        for key in [Key::Left, Key::Right, Key::Tab, Key::Char('3')] {
            assert_eq!(controls.press(key), Action::Nothing);
        }
        assert!(!controls.help().contains("left"));
    }

    #[test]
    fn the_next_seed_is_the_next_number() {
        let mut controls = controls();
        assert_eq!(
            controls.press(Key::Char('n')),
            Action::Send(Command::Seed(6))
        );
        assert_eq!(controls.press(Key::Interrupt), Action::Quit);
    }
}
