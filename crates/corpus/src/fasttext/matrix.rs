//! The two matrices of a model: numbers as they are, or product-quantised.
//!
//! Product quantisation (Joulin et al., "FastText.zip: Compressing text classification models", 2016,
//! arXiv:1612.03651, section 3.1): a row is cut into parts of `dsub` numbers, and each part is the index (one byte) of one
//! of 256 centroids of that part. With a norm quantiser the row is first divided by its length, which is quantised for
//! itself. A row is then `norm * (centroid of part 0, centroid of part 1, ...)`.

use std::ops::Range;

use regimen_kernels::{Line, add_lines};

use super::bytes::Cursor;
use crate::error::Result;

const CENTROIDS: u64 = 256;
/// Numbers of a cache line.
const LINE: usize = 16;
/// Matrices of whole cache lines are copied up to this size: in the file a row lies across one line more than it fills,
/// and each line of a random row is a wait.
const COPIED: u64 = 256 << 20;

/// A matrix within the bytes of a model file.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub rows: u64,
    pub columns: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Numbers, row after row, from this offset.
    Dense {
        at: usize,
    },
    /// The same, copied onto cache lines.
    Lines(Vec<Line>),
    Quantised(Quantised),
}

#[derive(Debug)]
struct Quantised {
    /// One byte for each part of each row.
    codes: Range<usize>,
    /// Parts of a row.
    parts: usize,
    /// Numbers of a part; the last may be shorter.
    width: usize,
    /// Part after part, 256 centroids each.
    centroids: Vec<f32>,
    /// A byte for each row, and the 256 lengths.
    norms: Option<(Range<usize>, Vec<f32>)>,
}

impl Matrix {
    /// Read a matrix of numbers.
    pub fn dense(cursor: &mut Cursor<'_>, what: &str) -> Result<Matrix> {
        let (rows, columns) = sizes(cursor, what)?;
        let at = cursor.at();
        let length = rows.checked_mul(columns as u64).and_then(|n| n.checked_mul(4)).unwrap_or(u64::MAX);
        let bytes = cursor.take(length, what)?;
        let kind = if columns.is_multiple_of(LINE) && length <= COPIED {
            Kind::Lines(bytes.as_chunks().0.iter().map(|line| Line(floats(line))).collect())
        } else {
            Kind::Dense { at }
        };
        Ok(Matrix { rows, columns, kind })
    }

    /// Read a product-quantised matrix.
    pub fn quantised(cursor: &mut Cursor<'_>, what: &str) -> Result<Matrix> {
        let with_norms = match cursor.u8(what)? {
            0 => false,
            1 => true,
            other => {
                return Err(cursor.refuse(format!("{what} has {other} where 0 or 1 says if norms follow")));
            }
        };
        let (rows, columns) = sizes(cursor, what)?;
        let codes = cursor.i32(what)?;
        let length = u64::try_from(codes).map_err(|_| cursor.refuse(format!("{what} has {codes} codes")))?;
        let start = cursor.at();
        cursor.take(length, what)?;
        let codes = start..cursor.at();
        let (width, centroids) = quantiser(cursor, columns, what)?;
        let parts = columns.div_ceil(width);
        if rows.checked_mul(parts as u64) != Some(length) {
            return Err(cursor.refuse(format!("{what} has {length} codes for {rows} rows of {parts} parts")));
        }
        let norms = if with_norms {
            let start = cursor.at();
            cursor.take(rows, what)?;
            let codes = start..cursor.at();
            Some((codes, quantiser(cursor, 1, what)?.1))
        } else {
            None
        };
        let kind = Kind::Quantised(Quantised { codes, parts, width, centroids, norms });
        Ok(Matrix { rows, columns, kind })
    }

    /// The same with numbers instead of codes, if its rows are whole cache lines and it stays below [`COPIED`]: sums of rows are
    /// the same, and need no centroids any more.
    pub fn spread(self, file: &[u8]) -> Matrix {
        let bytes = self.rows.saturating_mul(self.columns as u64).saturating_mul(4);
        let kind = match self.kind {
            Kind::Quantised(quantised) if self.columns.is_multiple_of(LINE) && bytes <= COPIED => {
                Kind::Lines(quantised.lines(file, self.rows as u32, self.columns))
            }
            kind => kind,
        };
        Matrix { kind, ..self }
    }

    /// Add rows to `sum`, in their order. All of them exist: who makes row numbers checks them against `rows` once.
    pub fn add_rows(&self, file: &[u8], rows: &[u32], sum: &mut [f32]) {
        match &self.kind {
            Kind::Dense { at } => add_dense(file.get(*at..).unwrap_or_default().as_chunks().0, rows, sum),
            Kind::Lines(lines) => match sum.as_chunks_mut().0 {
                [sum] => add_lines(lines, rows, sum),
                sums => add_wide(lines, rows, sums),
            },
            Kind::Quantised(q) => q.add_rows(file, rows, sum),
        }
    }

    /// Product of a row and a vector, summed from the first number to the last as fastText does: the probabilities of its
    /// sigmoid come from a table, where a difference in the last bit can move a step.
    pub fn dot(&self, file: &[u8], row: usize, vector: &[f32]) -> f32 {
        match &self.kind {
            Kind::Dense { at } => {
                let start = at + row * self.columns * 4;
                let data = file.get(start..start + self.columns * 4).unwrap_or_default().as_chunks::<4>().0;
                data.iter().zip(vector).fold(0.0, |sum, (x, y)| sum + f32::from_le_bytes(*x) * y)
            }
            Kind::Lines(lines) => {
                let width = self.columns / LINE;
                let data = lines.get(row * width..(row + 1) * width).unwrap_or_default();
                data.iter().flat_map(|line| line.0).zip(vector).fold(0.0, |sum, (x, y)| sum + x * y)
            }
            Kind::Quantised(q) => q.dot(file, row, vector),
        }
    }
}

pub(super) fn sizes(cursor: &mut Cursor<'_>, what: &str) -> Result<(u64, usize)> {
    let (rows, columns) = (cursor.natural(what)?, cursor.natural(what)?);
    if columns == 0 || columns > i32::MAX as u64 {
        return Err(cursor.refuse(format!("{what} has {columns} columns")));
    }
    Ok((rows, columns as usize))
}

/// Read a product quantiser of vectors of `dim` numbers: the width of a part, and the centroids.
fn quantiser(cursor: &mut Cursor<'_>, dim: usize, what: &str) -> Result<(usize, Vec<f32>)> {
    let (found, parts, width, last) =
        (cursor.i32(what)?, cursor.i32(what)?, cursor.i32(what)?, cursor.i32(what)?);
    let fits = match usize::try_from(width) {
        Ok(width @ 1..) => {
            found as i64 == dim as i64
                && parts as i64 == dim.div_ceil(width) as i64
                && last as i64 == (dim - (dim - 1) / width * width) as i64
        }
        _ => false,
    };
    if !fits {
        return Err(cursor.refuse(format!(
            "{what} has a quantiser of {found} numbers in {parts} parts of {width}, the last of {last}; it should have \
             {dim} numbers"
        )));
    }
    Ok((width as usize, cursor.floats(CENTROIDS * dim as u64, what)?))
}

fn floats(bytes: &[u8; 4 * LINE]) -> [f32; LINE] {
    let numbers = bytes.as_chunks::<4>().0;
    std::array::from_fn(|i| f32::from_le_bytes(numbers[i]))
}

/// Rows of several lines.
fn add_wide(lines: &[Line], rows: &[u32], sums: &mut [[f32; LINE]]) {
    for &row in rows {
        let start = row as usize * sums.len();
        let row = lines.get(start..start + sums.len()).unwrap_or_default();
        for (sum, line) in sums.iter_mut().zip(row) {
            sum.iter_mut().zip(&line.0).for_each(|(sum, number)| *sum += number);
        }
    }
}

fn add_dense(data: &[[u8; 4]], rows: &[u32], sum: &mut [f32]) {
    for &row in rows {
        let start = row as usize * sum.len();
        let numbers = data.get(start..start + sum.len()).unwrap_or_default();
        for (sum, number) in sum.iter_mut().zip(numbers) {
            *sum += f32::from_le_bytes(*number);
        }
    }
}

impl Quantised {
    /// All rows as numbers: a row at a time would be put together again and again.
    fn lines(&self, file: &[u8], rows: u32, columns: usize) -> Vec<Line> {
        let mut lines = Vec::with_capacity(rows as usize * (columns / LINE));
        let mut row = vec![0.0; columns];
        for number in 0..rows {
            row.fill(0.0);
            self.add_rows(file, &[number], &mut row);
            lines.extend(row.as_chunks().0.iter().map(|numbers| Line(*numbers)));
        }
        lines
    }

    fn norm(&self, file: &[u8], row: usize) -> f32 {
        self.norms.as_ref().map_or(1.0, |(codes, lengths)| {
            let code = file.get(codes.clone()).and_then(|codes| codes.get(row));
            code.and_then(|&code| lengths.get(code as usize)).copied().unwrap_or(0.0)
        })
    }

    fn codes<'a>(&self, file: &'a [u8], row: usize) -> &'a [u8] {
        let start = self.codes.start + row * self.parts;
        file.get(start..start + self.parts).unwrap_or_default()
    }

    /// Where the centroid of a part begins, when the part has `width` numbers.
    fn centroid(&self, part: usize, code: u8, width: usize) -> &[f32] {
        let start = part * CENTROIDS as usize * self.width + code as usize * width;
        self.centroids.get(start..start + width).unwrap_or_default()
    }

    fn add_rows(&self, file: &[u8], rows: &[u32], sum: &mut [f32]) {
        for &row in rows {
            let norm = self.norm(file, row as usize);
            let codes = self.codes(file, row as usize);
            for ((part, &code), sum) in codes.iter().enumerate().zip(sum.chunks_mut(self.width)) {
                let centroid = self.centroid(part, code, sum.len());
                for (sum, number) in sum.iter_mut().zip(centroid) {
                    *sum += norm * number;
                }
            }
        }
    }

    fn dot(&self, file: &[u8], row: usize, vector: &[f32]) -> f32 {
        let codes = self.codes(file, row);
        let mut sum = 0.0;
        for ((part, &code), vector) in codes.iter().enumerate().zip(vector.chunks(self.width)) {
            let centroid = self.centroid(part, code, vector.len());
            for (x, y) in vector.iter().zip(centroid) {
                sum += x * y;
            }
        }
        sum * self.norm(file, row)
    }
}
