/*! The colours of a picture's tokens as numbers, from −1 for dark to 1 for bright. */

/// Numbers of a pixel: one where all colours are grey, else three.
pub(crate) fn planes(colors: &[[u8; 3]]) -> usize {
    let grey = |color: &[u8; 3]| color[0] == color[1] && color[1] == color[2];
    if colors.iter().all(grey) { 1 } else { 3 }
}

/// The colours of pixels of `planes` numbers, which are cut off at dark and bright.
pub(crate) fn colors_of(numbers: &[f32], planes: usize) -> Vec<[u8; 3]> {
    let byte = |x: f32| ((x + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
    let color = |pixel: &[f32]| [0, 1, 2].map(|plane| byte(pixel[plane.min(planes - 1)]));
    numbers.chunks(planes).map(color).collect()
}

/// The first `planes` numbers of each colour, `[colours, planes]`.
pub(crate) fn brightness(colors: &[[u8; 3]], planes: usize) -> Vec<f32> {
    let numbers = colors.iter().flat_map(|color| &color[..planes]);
    numbers
        .map(|&value| f32::from(value) / 127.5 - 1.0)
        .collect()
}
