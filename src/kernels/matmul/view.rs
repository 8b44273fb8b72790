/*! The operands of a product. */

/// A matrix read with strides: row `r`, column `c` is `data[r * row + c * column]`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The floats, from the first element on.
    pub data: &'a [f32],
    /// Distance between rows.
    pub row: usize,
    /// Distance between columns.
    pub column: usize,
}

impl<'a> View<'a> {
    /// Contiguous rows of `width` floats.
    pub fn rows(data: &'a [f32], width: usize) -> Self {
        Self {
            data,
            row: width,
            column: 1,
        }
    }

    /// The same matrix with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            row: self.column,
            column: self.row,
        }
    }

    /// The part that begins at a row and a column.
    #[must_use]
    pub fn from(self, row: usize, column: usize) -> Self {
        let at = row * self.row + column * self.column;
        Self {
            data: &self.data[at.min(self.data.len())..],
            ..self
        }
    }

    /// True when `rows × columns` elements can be read.
    pub(super) fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// The initial values of the outputs.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Zero: the product alone.
    Zero,
    /// The values that are there: the product is added to them.
    Add,
    /// One row for all rows of the product.
    Row(&'a [f32]),
}
