/*! Exiting after a second Ctrl-C. */

/// Exits at once, with the exit code of a program that SIGINT ended.
#[allow(clippy::exit)]
pub(super) fn exit_now() -> ! {
    std::process::exit(130)
}
