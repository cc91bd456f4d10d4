//! Sums of rows of sixteen numbers, each on a cache line of its own.

/// Sixteen numbers on one cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Line(pub [f32; 16]);

simd! {
    /// `sum += table[row]` for each of `rows` that the table has, in their order and each number for itself.
    pub fn add_lines<_FMA>(table: &[Line], rows: &[u32], sum: &mut [f32; 16]) {
        let mut total = *sum;
        for &row in rows {
            let Some(row) = table.get(row as usize) else { continue };
            total.iter_mut().zip(&row.0).for_each(|(total, number)| *total += number);
        }
        *sum = total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_summed_in_order() {
        let table: Vec<Line> =
            (0..7).map(|r| Line(std::array::from_fn(|c| 1e-3 + (r * 16 + c) as f32))).collect();
        let rows = [3, 0, 6, 3, 7, 1];
        let (mut sum, mut wanted) = ([0.5; 16], [0.5f32; 16]);
        add_lines(&table, &rows, &mut sum);
        for &row in rows.iter().filter(|&&row| row < 7) {
            (0..16).for_each(|c| wanted[c] += table[row as usize].0[c]);
        }
        assert_eq!(sum.map(f32::to_bits), wanted.map(f32::to_bits));
    }
}
