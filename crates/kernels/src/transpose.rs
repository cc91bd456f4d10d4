//! Transposed copies, tile by tile.

/// Side of a tile: 16 floats fill a cache line.
const TILE: usize = 16;

simd! {
    /// `to[j, i] = from[i, j]` for `[rows, cols]` elements; lines lie `from_stride` and `to_stride` apart.
    pub(crate) fn transpose<FMA>(
        rows: usize, cols: usize, from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize,
    ) {
        let _ = FMA;
        for i in (0..rows).step_by(TILE) {
            for j in (0..cols).step_by(TILE) {
                if i + TILE <= rows && j + TILE <= cols {
                    let mut tile = [[0.0f32; TILE]; TILE];
                    for (r, line) in tile.iter_mut().enumerate() {
                        line.copy_from_slice(&from[(i + r) * from_stride + j..][..TILE]);
                    }
                    let tile = turned(tile);
                    for (c, line) in tile.iter().enumerate() {
                        to[(j + c) * to_stride + i..][..TILE].copy_from_slice(line);
                    }
                } else {
                    for c in j..cols.min(j + TILE) {
                        for r in i..rows.min(i + TILE) {
                            to[c * to_stride + r] = from[r * from_stride + c];
                        }
                    }
                }
            }
        }
    }
}

/// The transpose of a tile in four rounds; each interleaves the first half of the lines with the second, which is two
/// shuffles for every pair of vectors.
#[inline(always)]
fn turned(mut tile: [[f32; TILE]; TILE]) -> [[f32; TILE]; TILE] {
    for _ in 0..4 {
        let mut next = [[0.0f32; TILE]; TILE];
        for i in 0..TILE / 2 {
            for c in 0..TILE / 2 {
                next[2 * i][2 * c] = tile[i][c];
                next[2 * i][2 * c + 1] = tile[i + TILE / 2][c];
                next[2 * i + 1][2 * c] = tile[i][c + TILE / 2];
                next[2 * i + 1][2 * c + 1] = tile[i + TILE / 2][c + TILE / 2];
            }
        }
        tile = next;
    }
    tile
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

    #[test]
    fn every_element_finds_its_place() {
        for (rows, cols) in [(1, 1), (16, 16), (17, 33), (48, 5), (3, 64), (100, 70), (512, 40), (1024, 17)] {
            let x = values(rows * cols, 1);
            // Lines of the copy lie further apart than they are long.
            let stride = rows + 3;
            let mut t = vec![0.0; cols * stride];
            transpose(rows, cols, &x, cols, &mut t, stride);
            for (i, j) in (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j))) {
                assert_eq!(t[j * stride + i], x[i * cols + j], "({i}, {j}) of {rows} x {cols}");
            }
        }
    }
}
