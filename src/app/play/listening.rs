/*! Plays sound files while other work goes on. */

use std::path::Path;
use std::thread::{self, JoinHandle};

use crate::audio::import::read;
use crate::audio::playback::{Output, Player, Settings};
use crate::audio::stream::resample;
use crate::error::{Error, Result};

/// Seconds of sound between the file and the loudspeaker; the processor has other work.
const LATENCY: f64 = 0.5;

/// Plays one file at a time on the default output.
#[derive(Debug, Default)]
pub struct Listening {
    playing: Option<JoinHandle<Result<()>>>,
}

impl Listening {
    /// Looks for the output.
    ///
    /// # Errors
    /// When this machine has none.
    pub fn open() -> Result<Self> {
        Output::find(None).map(|_| Self::default())
    }

    /// Starts to play a file, unless one is still being heard.
    ///
    /// # Errors
    /// Why the file before was not heard to its end.
    pub fn play(&mut self, path: &Path) -> Result<()> {
        if self
            .playing
            .as_ref()
            .is_some_and(|playing| !playing.is_finished())
        {
            return Ok(());
        }
        let path = path.to_owned();
        let before = self.playing.replace(thread::spawn(move || play(&path)));
        before.map_or(Ok(()), finish)
    }

    /// Waits until the last file has been heard.
    ///
    /// # Errors
    /// Why it was not heard to its end.
    pub fn wait(self) -> Result<()> {
        self.playing.map_or(Ok(()), finish)
    }
}

fn finish(playing: JoinHandle<Result<()>>) -> Result<()> {
    playing.join().unwrap_or_else(|_| {
        Err(Error::Device {
            message: "playing a sound stopped unexpectedly".into(),
            hint: None,
        })
    })
}

fn play(path: &Path) -> Result<()> {
    let recording = read(path)?;
    let settings = Settings {
        latency: LATENCY,
        prebuffer: 0.0,
    };
    let mut player = Player::open(Output::find(None)?, &settings)?;
    let rate = player.format().rate;
    player.push(&resample(&recording.samples, recording.rate, rate)?)?;
    player.drain(&mut || false)
}
