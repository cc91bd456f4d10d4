//! Curves as dots of Braille characters, two columns and four lines of them in a cell.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// The bit of each dot in a Braille character, by column and line (ISO 11548-1, Unicode 2800).
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Dots of one curve.
pub struct Dots {
    columns: usize,
    lines: usize,
    cells: Vec<u8>,
}

impl Dots {
    /// None, in an area of so many cells.
    pub fn new(columns: u16, lines: u16) -> Dots {
        let (columns, lines) = (usize::from(columns), usize::from(lines));
        Dots { columns, lines, cells: vec![0; columns * lines] }
    }

    /// Dots across and down.
    pub fn size(&self) -> (usize, usize) {
        (2 * self.columns, 4 * self.lines)
    }

    fn set(&mut self, x: i64, y: i64) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x / 2 < self.columns
            && let Some(cell) = self.cells.get_mut(y / 4 * self.columns + x / 2)
        {
            *cell |= BITS[x % 2][y % 4];
        }
    }

    /// A line between two dots, both included. It takes as long as it is.
    pub fn line(&mut self, (x0, y0): (i64, i64), (x1, y1): (i64, i64)) {
        let (dx, dy) = (x1 - x0, y1 - y0);
        let steps = dx.abs().max(dy.abs());
        for i in 0..=steps {
            let part = |from: i64, by: i64| {
                if steps == 0 { from } else { from + (2 * by * i + steps * by.signum()) / (2 * steps) }
            };
            self.set(part(x0, dx), part(y0, dy));
        }
    }

    /// Draw those cells that have dots, but for the ones that `over` has.
    pub fn draw(&self, frame: &mut Frame, area: Rect, style: Style, over: Option<&Dots>) {
        let buffer = frame.buffer_mut();
        for (i, &bits) in self.cells.iter().enumerate() {
            let hidden = over.is_some_and(|over| over.cells.get(i).is_some_and(|&bits| bits != 0));
            let (x, y) = ((i % self.columns) as u16, (i / self.columns) as u16);
            if bits != 0
                && !hidden
                && x < area.width
                && y < area.height
                && let Some(cell) = buffer.cell_mut((area.x + x, area.y + y))
                && let Some(c) = char::from_u32(0x2800 + u32::from(bits))
            {
                cell.set_char(c).set_style(style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(dots: &Dots) -> String {
        dots.cells.iter().filter_map(|&bits| char::from_u32(0x2800 + u32::from(bits))).collect()
    }

    #[test]
    fn lines_join_their_ends() {
        let mut dots = Dots::new(2, 1);
        dots.line((0, 0), (3, 3));
        assert_eq!(text(&dots), "⠑⢄");
        dots.line((0, 3), (0, 0));
        assert_eq!(text(&dots), "⡗⢄");
        // What lies outside is left out.
        dots.line((-5, 1), (9, 1));
        dots.line((9, 9), (12, 20));
        assert_eq!(text(&dots), "⡗⢖");
    }
}
