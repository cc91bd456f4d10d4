//! Rotary position embedding (Su et al. 2021), half-split layout as Hugging Face stores its weights: element `i` of
//! a head turns together with element `i + head_dim / 2`.

use crate::isa::fma;
use crate::par::{par_rows, rows_per_task};

/// Cosines and sines for every position, `[positions, head_dim / 2]` each.
#[derive(Clone, Debug)]
pub struct RopeTable {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl RopeTable {
    /// Angles `p * base^(-2 i / head_dim)` for positions `p < positions`, computed in `f64`.
    pub fn new(head_dim: usize, base: f64, positions: usize) -> Self {
        assert!(head_dim.is_multiple_of(2), "head_dim {head_dim} is odd");
        let half = head_dim / 2;
        let rates: Vec<f64> = (0..half).map(|i| base.powf(-2.0 * i as f64 / head_dim as f64)).collect();
        let angles = (0..positions).flat_map(|p| rates.iter().map(move |r| p as f64 * r));
        let (sin, cos) = angles.map(|a| (a.sin() as f32, a.cos() as f32)).unzip();
        RopeTable { half, cos, sin }
    }

    /// How many positions the table holds.
    pub fn positions(&self) -> usize {
        self.cos.len().checked_div(self.half).unwrap_or(0)
    }

    /// Cosines and sines of a position.
    #[inline(always)]
    pub(crate) fn row(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.half..(position + 1) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }

    /// The head width the table was made for.
    pub fn head_dim(&self) -> usize {
        2 * self.half
    }
}

/// Turns the first `heads * head_dim` elements of each row of `x` (rows lie `row_stride` apart) by the angles of
/// `positions[row]`, or back by them when `inverse` (which is also the gradient). Panics at a position that the
/// table does not hold.
pub fn rope_apply(
    rows: usize,
    row_stride: usize,
    heads: usize,
    head_dim: usize,
    x: &mut [f32],
    positions: &[u32],
    table: &RopeTable,
    inverse: bool,
) {
    assert_eq!(x.len(), rows * row_stride, "x is not [rows, row_stride]");
    assert_eq!(positions.len(), rows, "positions is not [rows]");
    assert_eq!(head_dim, table.head_dim(), "table is for another head width");
    assert!(heads * head_dim <= row_stride, "heads are wider than a row");
    let half = table.half;
    if half == 0 {
        return;
    }
    par_rows(x, row_stride, rows_per_task(heads * head_dim), |first, block| {
        for (row, &p) in block.chunks_exact_mut(row_stride).zip(&positions[first..]) {
            let p = p as usize;
            assert!(p < table.positions(), "position {p} is not in the table of {}", table.positions());
            let (cos, sin) = table.row(p);
            turn_row(&mut row[..heads * head_dim], cos, sin, if inverse { -1.0 } else { 1.0 });
        }
    });
}

simd! {
    fn turn_row<FMA>(row: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) {
        for head in row.chunks_exact_mut(2 * cos.len()) {
            turn_head::<FMA>(head, cos, sin, sign);
        }
    }
}

/// Turns one head by the angles whose cosines and sines are given; backwards for `sign` -1.
#[inline(always)]
pub(crate) fn turn_head<const FMA: bool>(head: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) {
    let half = cos.len();
    let (a, b) = head.split_at_mut(half);
    let (b, sin) = (&mut b[..half], &sin[..half]);
    for i in 0..half {
        let (x, y, s) = (a[i], b[i], sign * sin[i]);
        a[i] = fma::<FMA>(x, cos[i], -(y * s));
        b[i] = fma::<FMA>(y, cos[i], x * s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values};

    #[test]
    fn rows_turn_as_in_f64_and_back() {
        let (rows, stride, heads, hd) = (7, 50, 3, 10);
        let x = values(rows * stride, 1);
        let positions: Vec<u32> = (0..7).map(|i| i * 3 % 11).collect();
        let table = RopeTable::new(hd, 10_000.0, 11);
        assert_eq!((table.positions(), table.head_dim()), (11, 10));
        let mut want: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
        for (r, &p) in positions.iter().enumerate() {
            for (h, i) in (0..heads).flat_map(|h| (0..hd / 2).map(move |i| (h, i))) {
                let angle = f64::from(p) / 10_000f64.powf(2.0 * i as f64 / hd as f64);
                let at = r * stride + h * hd + i;
                let (a, b) = (want[at], want[at + hd / 2]);
                want[at] = a * angle.cos() - b * angle.sin();
                want[at + hd / 2] = b * angle.cos() + a * angle.sin();
            }
        }
        let mut y = x.clone();
        rope_apply(rows, stride, heads, hd, &mut y, &positions, &table, false);
        assert_close(&y, &want, 1e-6);
        rope_apply(rows, stride, heads, hd, &mut y, &positions, &table, true);
        assert_close(&y, &x.iter().map(|&v| f64::from(v)).collect::<Vec<_>>(), 1e-6);
    }

    #[test]
    #[should_panic(expected = "position 4")]
    fn unknown_positions_are_refused() {
        rope_apply(1, 4, 1, 4, &mut [0.0; 4], &[4], &RopeTable::new(4, 1e4, 4), false);
    }

    #[test]
    fn threads_do_not_change_bits() {
        let (x, table) = (values(1000 * 96, 1), RopeTable::new(32, 1e4, 1000));
        let positions: Vec<u32> = (0..1000).collect();
        same_bits_at_any_thread_count(|| {
            let mut y = x.clone();
            rope_apply(1000, 96, 3, 32, &mut y, &positions, &table, false);
            y
        });
    }
}
