/*! The keyboard, one key at a time, and a terminal that is always given back as it was. */

use std::io::IsTerminal;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal;

/// A key that may mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    Left,
    Right,
    Tab,
    Escape,
    /// Ctrl-C, which is a key like any other while keys are read one by one.
    Interrupt,
    Char(char),
}

/// While it lives, keys come one by one and are not shown. The terminal is itself again when it is dropped, and
/// before a panic's message.
pub(super) struct Keyboard {
    _private: (),
}

impl Keyboard {
    /// `None` where standard input is no terminal.
    pub(super) fn open() -> Option<Self> {
        static HOOK: Once = Once::new();
        if !std::io::stdin().is_terminal() {
            return None;
        }
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        terminal::enable_raw_mode().ok()?;
        Some(Self { _private: () })
    }

    /// The next key, or nothing for as long as `patience`.
    // Keys come one by one only as long as there is a keyboard: that is what it is asked for.
    #[allow(clippy::unused_self)]
    pub(super) fn wait(&self, patience: Duration) -> Option<Key> {
        match event::poll(patience) {
            Ok(true) => event::read().ok().and_then(key),
            Ok(false) => None,
            // A terminal that has gone gives no keys, and must not be asked without rest.
            Err(_) => {
                std::thread::sleep(patience);
                None
            }
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        restore();
    }
}

/// Does nothing where the terminal is as it was.
fn restore() {
    let _ = terminal::disable_raw_mode();
}

fn key(event: Event) -> Option<Key> {
    let Event::Key(event) = event else {
        return None;
    };
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    match event.code {
        KeyCode::Char('c' | 'd') if control => Some(Key::Interrupt),
        KeyCode::Char(_) if control => None,
        KeyCode::Char(character) => Some(Key::Char(character)),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::Left => Some(Key::Left),
        KeyCode::Right => Some(Key::Right),
        KeyCode::Tab => Some(Key::Tab),
        KeyCode::Esc => Some(Key::Escape),
        _ => None,
    }
}

/// Set by a polite request to end (Ctrl-C where keys are not read, a closed terminal, a shutdown); a second one ends
/// at once.
pub(super) fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let handler = move || {
        if seen.swap(true, Ordering::Relaxed) {
            restore();
            crate::cli::exit::exit_now();
        }
    };
    // Fails only where a handler is set already, which this verb does nowhere else.
    let _ = ctrlc::set_handler(handler);
    stop
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyEvent;

    #[test]
    fn keys_are_told_apart() {
        let pressed = |code, modifiers| key(Event::Key(KeyEvent::new(code, modifiers)));
        assert_eq!(
            pressed(KeyCode::Char('c'), KeyModifiers::CONTROL),
            Some(Key::Interrupt)
        );
        assert_eq!(
            pressed(KeyCode::Char('c'), KeyModifiers::NONE),
            Some(Key::Char('c'))
        );
        assert_eq!(pressed(KeyCode::Char('n'), KeyModifiers::CONTROL), None);
        assert_eq!(pressed(KeyCode::Left, KeyModifiers::NONE), Some(Key::Left));
        assert_eq!(key(Event::FocusLost), None);
    }
}
