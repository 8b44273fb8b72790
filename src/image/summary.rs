/*! A library of pictures, described in a few lines. */

use std::collections::BTreeMap;
use std::fmt;

use crate::base::files::{SkippedSummary, counted};
use crate::image::{PixelFormat, Size};

/// What was found and imported. Displays as a few lines of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The number of imported pictures.
    pub pictures: usize,
    /// The size of all pictures.
    pub size: Size,
    /// What their pixels are.
    pub format: PixelFormat,
    /// The number of pictures in each file format.
    pub formats: BTreeMap<&'static str, usize>,
    /// The number of pictures of each original width and height.
    pub sizes: BTreeMap<(u32, u32), usize>,
    /// Pictures with transparent pixels, which show the background.
    pub transparent: usize,
    /// Files with other extensions.
    pub ignored: usize,
    /// Skipped pictures by reason.
    pub skipped: SkippedSummary,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Sizes that are listed; the rest is counted.
        const LISTED: usize = 3;
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
        let listed = sizes
            .iter()
            .take(LISTED)
            .map(|((w, h), n)| format!("{w}x{h} ({n})"));
        let mut listed: Vec<_> = listed.collect();
        if sizes.len() > LISTED {
            listed.push(format!("{} more sizes", sizes.len() - LISTED));
        }
        let formats: Vec<_> = formats.collect();
        write!(f, "\nfound: {}; {}", formats.join(", "), listed.join(", "))?;
        if self.transparent > 0 {
            write!(f, "; {} with transparency", self.transparent)?;
        }
        if self.ignored > 0 {
            write!(f, "; {} of another kind", counted(self.ignored, "file"))?;
        }
        write!(f, "{}", self.skipped)
    }
}
