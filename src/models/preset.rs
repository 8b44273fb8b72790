/*! The sizes that every architecture has a preset of. */

/// The size of a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Tiny,
    Small,
    Medium,
    Large,
}

impl Size {
    /// `None` for an unknown name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "tiny" => Some(Self::Tiny),
            "small" => Some(Self::Small),
            "medium" => Some(Self::Medium),
            "large" => Some(Self::Large),
            _ => None,
        }
    }

    /// The value of this size among those from tiny to large.
    pub(crate) fn of<T: Copy>(self, values: [T; 4]) -> T {
        values[self as usize]
    }
}
