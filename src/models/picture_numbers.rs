/*! The colours of a picture's tokens as numbers, from −1 for dark to 1 for bright. */

/// Numbers of a pixel: one where all colours are grey, else three.
pub(crate) fn planes(colors: &[[u8; 3]]) -> usize {
    let grey = |color: &[u8; 3]| color[0] == color[1] && color[1] == color[2];
    if colors.iter().all(grey) { 1 } else { 3 }
}

/// The first `planes` numbers of each colour, `[colours, planes]`.
pub(crate) fn brightness(colors: &[[u8; 3]], planes: usize) -> Vec<f32> {
    let numbers = colors.iter().flat_map(|color| &color[..planes]);
    numbers
        .map(|&value| f32::from(value) / 127.5 - 1.0)
        .collect()
}
