/*! A library of pictures in a few lines for people. */

use std::collections::BTreeMap;
use std::fmt;

use crate::base::files::{SkippedSummary, counted};
use crate::image::Size;
use crate::image::import::PixelFormat;

/// What was found and made of it. Displays as a few lines for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many pictures were imported.
    pub pictures: usize,
    /// The size they were brought to.
    pub size: Size,
    /// What their pixels are.
    pub format: PixelFormat,
    /// How many pictures came in which format.
    pub formats: BTreeMap<String, usize>,
    /// How many pictures had which width and height.
    pub sizes: BTreeMap<(u32, u32), usize>,
    /// Pictures with transparent pixels, which show the background.
    pub transparent: usize,
    /// Files that do not look like pictures.
    pub ignored: usize,
    /// What was skipped, by reason.
    pub skipped: SkippedSummary,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Sizes that are named; the rest is counted.
        const NAMED: usize = 3;
        let colors = match &self.format {
            PixelFormat::Grey => "in grey".to_owned(),
            PixelFormat::Rgb => "in colour".to_owned(),
            PixelFormat::Indexed(palette) => {
                format!("in the {} colours of a palette", palette.len())
            }
        };
        let what = counted(self.pictures, "picture");
        write!(f, "{what} of {} pixels, {colors}", self.size)?;
        let formats = self.formats.iter().map(|(name, n)| format!("{name} ({n})"));
        let mut sizes: Vec<_> = self.sizes.iter().collect();
        sizes.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
        let named = sizes
            .iter()
            .take(NAMED)
            .map(|((w, h), n)| format!("{w}x{h} ({n})"));
        let mut named: Vec<_> = named.collect();
        if sizes.len() > NAMED {
            named.push(format!("{} more sizes", sizes.len() - NAMED));
        }
        let formats: Vec<_> = formats.collect();
        write!(f, "\nfound: {}; {}", formats.join(", "), named.join(", "))?;
        if self.transparent > 0 {
            write!(f, "; {} with transparency", self.transparent)?;
        }
        if self.ignored > 0 {
            write!(f, "; {} of another kind", counted(self.ignored, "file"))?;
        }
        write!(f, "{}", self.skipped)
    }
}
