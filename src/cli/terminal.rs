/*! The terminal: events to standard error, data to standard output. */

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::app::{Event, Observer, Report, StepReport, short_count, short_duration};
use crate::error::{IoContext, Result};

/// How often the progress of training is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// A larger share of the time waiting for data is shown.
const SHOWN_WAIT: f64 = 0.02;

/// Shows events. With `--quiet` only errors and data are shown.
pub(super) struct Terminal {
    quiet: bool,
    color: bool,
    progress: ProgressBar,
    drawn: Instant,
    /// The first failure to write data to standard output.
    failed: Result<()>,
}

impl Terminal {
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            quiet,
            color: terminal && std::env::var_os("NO_COLOR").is_none(),
            progress: ProgressBar::hidden(),
            drawn: Instant::now(),
            failed: Ok(()),
        }
    }

    /// Whether only errors and data are shown.
    #[cfg(feature = "play")]
    pub(super) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Shows a line of information.
    pub(super) fn say(&self, text: impl AsRef<str>) {
        if !self.quiet {
            // A closed standard error is ignored.
            let line = || {
                let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
            };
            self.progress.suspend(line);
        }
    }

    /// The first failure to write data, if there was one.
    pub(super) fn finish(&mut self) -> Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))
    }

    fn warn(&self, text: &str) {
        let word = if self.color {
            "\x1b[33mwarning\x1b[0m"
        } else {
            "warning"
        };
        self.say(format!("{word}: {text}"));
    }

    /// Draws a line that the next one replaces; invisible where standard error is not a terminal.
    fn draw(&mut self, line: String) {
        if self.quiet {
            return;
        }
        if self.progress.is_hidden() {
            let style = ProgressStyle::with_template("{wide_msg}").expect("a valid template");
            self.progress = ProgressBar::no_length().with_style(style);
        }
        self.progress.set_message(line);
    }

    fn step(&mut self, step: &StepReport<'_>, token: &str, validation: Option<f64>) {
        if self.drawn.elapsed() < DRAW_EVERY {
            return;
        }
        self.drawn = Instant::now();
        let total = step
            .total
            .map_or(String::new(), |total| format!(" of {total}"));
        let left = step.seconds_left.map_or(String::new(), |left| {
            format!("  {} left", short_duration(left))
        });
        let validation = validation.map_or(String::new(), |bits| format!("  validation {bits:.3}"));
        self.draw(format!(
            "step {}{total}  {}{validation}  {} {token}s/s{left}",
            step.step,
            loss(step.losses.shown(), step.losses.unit, token),
            short_count(step.read_per_second),
        ));
    }

    fn report(&self, report: &Report, token: &str) {
        let validation = report.validation.as_ref().map_or(String::new(), |metric| {
            let percent = if metric.unit == "%" { " %" } else { "" };
            format!(", validation {:.3}{percent}", metric.value)
        });
        let remark = match report.remark.as_str() {
            "" => String::new(),
            remark => format!("; {remark}"),
        };
        let waited = if report.waited > SHOWN_WAIT {
            format!(", {:.0} % of it waiting for data", 100.0 * report.waited)
        } else {
            String::new()
        };
        self.say(format!(
            "step {}: {}{validation}, {} {token}s/s, {}{waited}{remark}",
            report.step,
            loss(report.loss(), &report.unit, token),
            short_count(report.read_per_second),
            short_duration(report.seconds),
        ));
    }

    fn text(&mut self, text: &str) {
        let mut out = std::io::stdout();
        let written = out
            .write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .writing(Path::new("standard output"));
        if self.failed.is_ok() {
            self.failed = written;
        }
    }
}

impl Observer for Terminal {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Info(text) => self.say(text),
            Event::Warning(text) => self.warn(text),
            Event::Progress {
                activity,
                done,
                total,
                unit,
            } => self.draw(format!("{activity} {done} of {total} {unit}")),
            Event::ProgressDone => {
                self.progress.finish_and_clear();
                self.progress = ProgressBar::hidden();
            }
            Event::Step {
                step,
                token,
                validation,
            } => self.step(step, token, validation),
            Event::Report { report, token } => self.report(report, token),
            Event::Text(text) => self.text(text),
            Event::Generated {
                tokens,
                seconds,
                seed,
            } => self.say(format!(
                "{tokens} tokens, {} tokens/s; seed {seed}",
                short_count(tokens as f64 / seconds)
            )),
        }
    }
}

/// Prints a line of data.
pub(super) fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").writing(Path::new("standard output"))
}

/// Prints a list as JSON, each item on a line of its own.
pub(super) fn print_json_list(items: &[impl Serialize]) -> Result<()> {
    let line = |item| serde_json::to_string(item).expect("our data is JSON");
    let lines: Vec<String> = items.iter().map(line).collect();
    print(&format!("[\n{}\n]", lines.join(",\n")))
}

/// Prints data as JSON.
pub(super) fn print_json(data: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(data).expect("our data is JSON"))
}

/// The loss of a step in bits a token; of a network that predicts no token in its own unit, or as a bare number.
fn loss(value: f64, unit: &str, token: &str) -> String {
    match unit {
        "" => format!("loss {value:.3}"),
        "nats" | "of 255" => format!("{value:.3} {unit}"),
        _ => format!("{value:.3} bits/{token}"),
    }
}
