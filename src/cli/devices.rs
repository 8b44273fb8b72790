/*! `ensuite devices`: compute devices and audio outputs. */

use crate::app::Devices;
use crate::cli::terminal::{print, print_json};
use crate::error::Result;

/// List compute devices and audio outputs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let devices = Devices::list();
    if args.json {
        return print_json(&devices);
    }
    for device in &devices.compute {
        let memory = device.memory.map_or(String::new(), |bytes| {
            format!(", {:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
        });
        print(&format!(
            "compute  {:<12} {}{memory}",
            device.name, device.what
        ))?;
    }
    for output in &devices.audio {
        let mark = if output.default { " (default)" } else { "" };
        print(&format!(
            "audio    {}{mark}  {} Hz, {} channels, {}",
            output.name, output.sample_rate, output.channels, output.format
        ))?;
    }
    match &devices.audio_problem {
        Some(problem) => print(&format!("audio    none: {problem}")),
        None => Ok(()),
    }
}
