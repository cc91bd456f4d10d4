//! Single-precision matrix product on strided views, `C = alpha A B + beta C`.
//!
//! Both sides are packed into panels that a register tile reads in order ([`pack`], [`tile`]), in blocks cut by shape
//! alone ([`blocked`]), as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008). All four
//! layouts of the operands cost the same. Products with very few rows or columns wait for memory and are left unpacked
//! ([`thin`]).
//!
//! Every element is summed in the order of `k`, within chunks whose length the instruction set fixes: results depend
//! neither on the number of threads nor on the caches of the machine.

mod bf16;
mod blocked;
mod pack;
mod thin;
pub(crate) mod tile;
pub(crate) mod turn;

use crate::par::{par_rows, rows_per_task};
pub use bf16::{Bf16, from_bf16, has_bf16, sgemm_bf16, to_bf16};
pub(crate) use blocked::{Ahead, Done, Finish, FinishPair};
use blocked::{Beside, Then};

/// A read-only matrix view `[rows, cols]` over a slice, with any strides.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T: Copy> Mat<'a, T> {
    /// A row-major matrix `[rows, cols]` without gaps.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Mat::strided(data, rows, cols, cols, 1)
    }

    /// A view in which element `(i, j)` lies at `i * row_stride + j * col_stride`. A stride of 0 repeats what is there.
    ///
    /// # Panics
    /// If an element lies outside `data`, or a stride is above `isize::MAX`.
    pub fn strided(data: &'a [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        check_extent(data.len(), rows, cols, row_stride, col_stride);
        Mat { data, rows, cols, row_stride, col_stride }
    }

    /// The transposed view (nothing is copied).
    pub fn t(self) -> Self {
        Mat {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// Element `(row, col)`.
    pub fn at(&self, row: usize, col: usize) -> T {
        self.data[row * self.row_stride + col * self.col_stride]
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
}

impl<'a> From<Mat<'a>> for pack::Operand<'a> {
    fn from(mat: Mat<'a>) -> Self {
        pack::Operand::Floats(mat)
    }
}

/// A writable matrix view `[rows, cols]` over a slice, with any strides.
#[derive(Debug)]
pub struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> MatMut<'a> {
    /// A row-major matrix `[rows, cols]` without gaps.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        MatMut::strided(data, rows, cols, cols, 1)
    }

    /// A view in which element `(i, j)` lies at `i * row_stride + j * col_stride`.
    ///
    /// # Panics
    /// If an element lies outside `data`, if two of them are the same, or if a stride is above `isize::MAX`.
    pub fn strided(
        data: &'a mut [f32],
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Self {
        check_extent(data.len(), rows, cols, row_stride, col_stride);
        assert!(
            distinct(rows, cols, row_stride, col_stride),
            "a written matrix {rows} x {cols} with strides {row_stride}, {col_stride} must not overlap itself"
        );
        MatMut { data, rows, cols, row_stride, col_stride }
    }

    /// The transposed view.
    pub fn t(self) -> Self {
        MatMut {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// Panics if an element lies at or beyond `len`. What follows may then compute any element's place without overflow.
fn check_extent(len: usize, rows: usize, cols: usize, row_stride: usize, col_stride: usize) {
    assert!(
        row_stride <= isize::MAX as usize && col_stride <= isize::MAX as usize,
        "strides {row_stride}, {col_stride} are above the largest offset"
    );
    if rows > 0 && cols > 0 {
        let down = (rows - 1).checked_mul(row_stride);
        let across = (cols - 1).checked_mul(col_stride);
        let last = down.zip(across).and_then(|(down, across)| down.checked_add(across));
        assert!(
            last.is_some_and(|last| last < len),
            "matrix {rows} x {cols} with strides {row_stride}, {col_stride} exceeds {len} elements"
        );
    }
}

/// Whether no two elements of a view that [`check_extent`] let pass are the same float: lines of the one direction lie
/// one behind the other.
fn distinct(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> bool {
    if rows == 0 || cols == 0 {
        return true;
    }
    let apart = (rows == 1 || row_stride > 0) && (cols == 1 || col_stride > 0);
    let (down, across) = ((rows - 1) * row_stride, (cols - 1) * col_stride);
    apart && (rows == 1 || cols == 1 || row_stride > across || col_stride > down)
}

/// `C = alpha A B + beta C`, on the thread pool. With `beta` 0, `C` is not read.
pub fn sgemm(alpha: f32, a: Mat<'_>, b: Mat<'_>, beta: f32, c: MatMut<'_>) {
    product(alpha, a, b, beta, c, Then::Nothing.into(), true);
}

/// [`sgemm`] on the calling thread, for use inside tasks.
pub fn sgemm_serial(alpha: f32, a: Mat<'_>, b: Mat<'_>, beta: f32, c: MatMut<'_>) {
    product(alpha, a, b, beta, c, Then::Nothing.into(), false);
}

/// `C = A B + bias` for row-major `C`, with one bias for each column.
pub(crate) fn sgemm_bias(a: Mat<'_>, b: Mat<'_>, bias: Option<&[f32]>, c: MatMut<'_>) {
    product(1.0, a, b, 0.0, c, Beside { bias, ..Then::Nothing.into() }, true);
}

/// `C += A B`, and to `sums` the sum of each row of `A`.
pub(crate) fn sgemm_add_with_sums(a: Mat<'_>, b: Mat<'_>, c: MatMut<'_>, sums: &mut [f32]) {
    assert_eq!(sums.len(), a.rows, "sums are not one number for each row");
    product(1.0, a, b, 1.0, c, Beside { sums: Some(sums), ..Then::Nothing.into() }, true);
}

/// [`sgemm_bias`] that calls `finish` for every part of the result as soon as it is final.
pub(crate) fn sgemm_then(a: Mat<'_>, b: Mat<'_>, bias: Option<&[f32]>, c: MatMut<'_>, finish: Finish<'_>) {
    product(1.0, a, b, 0.0, c, Beside { bias, ..Then::One(finish).into() }, true);
}

/// [`sgemm_then`] that also calls `ahead` with the place of a part before it is computed.
pub(crate) fn sgemm_ahead(
    a: Mat<'_>,
    b: Mat<'_>,
    bias: Option<&[f32]>,
    c: MatMut<'_>,
    ahead: Ahead<'_>,
    finish: Finish<'_>,
) {
    product(1.0, a, b, 0.0, c, Beside { bias, ..Then::Ahead(ahead, finish).into() }, true);
}

/// [`sgemm_bias`] for a `C` whose columns are two halves; `finish` is called with the same part of both.
pub(crate) fn sgemm_gated(
    a: Mat<'_>,
    b: Mat<'_>,
    bias: Option<&[f32]>,
    c: MatMut<'_>,
    finish: FinishPair<'_>,
) {
    let half = c.cols / 2;
    if blocked::pairs(c.cols) && a.cols > 0 && !thin::fits(&a, &b) {
        return product(1.0, a, b, 0.0, c, Beside { bias, ..Then::Pair(finish).into() }, true);
    }
    // Halves that are not whole vectors, or few rows: first the product, then what follows, a row at a time.
    let (rows, row_stride) = (c.rows, c.row_stride);
    let MatMut { data, cols, .. } = c;
    sgemm_bias(a, b, bias, MatMut::strided(data, rows, cols, row_stride, 1));
    blocked::finish_pairs(data, rows, half, row_stride, finish);
}

fn product(
    alpha: f32,
    a: Mat<'_>,
    b: Mat<'_>,
    beta: f32,
    mut c: MatMut<'_>,
    beside: Beside<'_>,
    parallel: bool,
) {
    assert_eq!((a.rows, b.cols), (c.rows, c.cols), "product and result differ in shape");
    assert_eq!(a.cols, b.rows, "inner sizes differ");
    assert!(beside.bias.is_none_or(|bias| bias.len() == c.cols), "bias is not one number for each column");
    let (m, n, k) = (c.rows, c.cols, a.cols);
    if m == 0 || n == 0 {
        return finish_unpacked(a, &mut c, beside);
    }
    if c.col_stride != 1 && n > 1 {
        let Beside { bias: None, sums: None, then: Then::Nothing } = beside else {
            panic!("only a row-major result can have something done beside it");
        };
        if c.row_stride == 1 || m == 1 {
            return product(alpha, b.t(), a.t(), beta, c.t(), beside, parallel);
        }
        return scattered(alpha, a, b, beta, &mut c, parallel);
    }
    if k > 0 && !thin::fits(&a, &b) {
        return blocked::product(alpha, a.into(), b.into(), beta, &mut c, beside, parallel);
    }
    if k == 0 {
        scale(beta, &mut c);
    } else {
        thin::product(alpha, a, b, beta, &mut c, parallel);
    }
    finish_unpacked(a, &mut c, beside);
}

/// What is done beside a product that packs nothing: it has few rows or columns, or nothing to sum.
fn finish_unpacked(a: Mat<'_>, c: &mut MatMut<'_>, Beside { bias, sums, then }: Beside<'_>) {
    if let Some(bias) = bias {
        for row in c.data.chunks_mut(c.row_stride.max(c.cols).max(1)).take(c.rows) {
            row.iter_mut().zip(bias).for_each(|(x, &bias)| *x += bias);
        }
    }
    if let Some(sums) = sums {
        par_rows(sums, 1, rows_per_task(a.cols), |first, sums| {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = (0..a.cols).fold(f64::from(*sum), |s, j| s + f64::from(a.at(first + i, j))) as f32;
            }
        });
    }
    if let (Then::One(finish) | Then::Ahead(_, finish), false) = (then, c.rows * c.cols == 0) {
        blocked::finish_all(c, finish);
    }
}

/// `C = beta C`, for a product over nothing.
fn scale(beta: f32, c: &mut MatMut<'_>) {
    for row in 0..c.rows {
        for x in &mut c.data[row * c.row_stride..][..c.cols] {
            *x = if beta == 0.0 { 0.0 } else { beta * *x };
        }
    }
}

/// A result neither whose rows nor whose columns lie together: computed apart, then put in its places.
fn scattered(alpha: f32, a: Mat<'_>, b: Mat<'_>, beta: f32, c: &mut MatMut<'_>, parallel: bool) {
    let (m, n) = (c.rows, c.cols);
    crate::scratch::with(m * n, |own| {
        product(alpha, a, b, 0.0, MatMut::new(own, m, n), Then::Nothing.into(), parallel);
        for (i, &value) in own.iter().enumerate() {
            let at = &mut c.data[i / n * c.row_stride + i % n * c.col_stride];
            *at = if beta == 0.0 { value } else { beta * *at + value };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, same_bits_at_any_thread_count, values};

    /// `alpha A B + beta C` in f64.
    fn naive(alpha: f32, a: Mat<'_>, b: Mat<'_>, beta: f32, c: &[f32]) -> Vec<f64> {
        let at = |m: &Mat<'_>, i: usize, j: usize| f64::from(m.at(i, j));
        let mut out = Vec::new();
        for i in 0..a.rows {
            for j in 0..b.cols {
                let sum: f64 = (0..a.cols).map(|p| at(&a, i, p) * at(&b, p, j)).sum();
                let old = if beta == 0.0 { 0.0 } else { f64::from(beta) * f64::from(c[i * b.cols + j]) };
                out.push(f64::from(alpha) * sum + old);
            }
        }
        out
    }

    const SHAPES: [(usize, usize, usize); 12] = [
        (2, 1100, 700),
        (400, 200, 150),
        (1, 1, 1),
        (1, 17, 5),
        (13, 1, 7),
        (3, 5, 1),
        (7, 11, 13),
        (64, 64, 64),
        (65, 31, 129),
        (300, 70, 40),
        (70, 300, 97),
        (257, 129, 258),
    ];

    #[test]
    fn products_match_f64_in_every_layout() {
        for (m, n, k) in SHAPES {
            let (x, y) = (values(m * k, 1), values(n * k, 2));
            for a in [Mat::new(&x, m, k), Mat::new(&x, k, m).t()] {
                for b in [Mat::new(&y, k, n), Mat::new(&y, n, k).t()] {
                    for (alpha, beta) in [(1.0, 0.0), (0.5, 1.0), (-1.0, 0.25)] {
                        // What a result with beta 0 held before does not matter.
                        let fill = if beta == 0.0 { f32::NAN } else { 1.0 };
                        let mut c: Vec<f32> = values(m * n, 3).iter().map(|v| v * fill).collect();
                        let want = naive(alpha, a, b, beta, &c);
                        sgemm(alpha, a, b, beta, MatMut::new(&mut c, m, n));
                        assert_close(&c, &want, 1e-5);
                    }
                }
            }
        }
    }

    #[test]
    fn strided_views_and_transposed_results() {
        let (m, n, k) = (9, 14, 6);
        let (x, y) = (values(m * 20, 1), values(k * 30, 2));
        let (a, b) = (Mat::strided(&x[3..], m, k, 20, 1), Mat::strided(&y[5..], k, n, 30, 1));
        let want = naive(1.0, a, b, 0.0, &[]);
        let mut wide = vec![7.0; m * 25];
        sgemm_serial(1.0, a, b, 0.0, MatMut::strided(&mut wide[4..], m, n, 25, 1));
        let got: Vec<f32> = (0..m * n).map(|i| wide[4 + i / n * 25 + i % n]).collect();
        assert_close(&got, &want, 1e-5);
        assert_eq!((wide[3], wide[4 + n], wide[28]), (7.0, 7.0, 7.0), "written outside the view");
        let mut turned = vec![0.0; m * n];
        sgemm_serial(1.0, a, b, 0.0, MatMut::new(&mut turned, n, m).t());
        let got: Vec<f32> = (0..m * n).map(|i| turned[i % n * m + i / n]).collect();
        assert_close(&got, &want, 1e-5);
    }

    #[test]
    fn results_with_gaps_both_ways_are_written_in_their_places() {
        let (m, n, k) = (5, 7, 20);
        let (x, y) = (values(m * k, 1), values(k * n, 2));
        let (a, b) = (Mat::new(&x, m, k), Mat::new(&y, k, n));
        let mut c = vec![1.0; m * 40];
        sgemm(1.0, a, b, 0.5, MatMut::strided(&mut c, m, n, 40, 3));
        let want = naive(1.0, a, b, 0.5, &vec![1.0; m * n]);
        let got: Vec<f32> = (0..m * n).map(|i| c[i / n * 40 + i % n * 3]).collect();
        assert_close(&got, &want, 1e-5);
        assert_eq!((c[1], c[2], c[22]), (1.0, 1.0, 1.0));
    }

    #[test]
    fn finished_parts_cover_the_result_once_with_its_final_values() {
        for (m, n, k) in [(300, 200, 1000), (1, 5, 3), (77, 33, 400), (2100, 40, 16), (3, 2, 0)] {
            let (x, y) = (values(m * k, 1), values(k * n, 2));
            let (a, b) = (Mat::new(&x, m, k), Mat::new(&y, k, n));
            let (mut plain, mut c) = (vec![0.0; m * n], vec![0.0; m * n]);
            sgemm(1.0, a, b, 0.0, MatMut::new(&mut plain, m, n));
            sgemm_then(a, b, None, MatMut::new(&mut c, m, n), &|mut part| {
                for i in 0..part.rows {
                    part.row(i).iter_mut().for_each(|x| *x += 100.0);
                }
            });
            let want: Vec<f64> = plain.iter().map(|&x| f64::from(x) + 100.0).collect();
            assert_close(&c, &want, 1e-6);
        }
    }

    #[test]
    fn an_element_has_the_same_bits_whatever_else_is_computed() {
        let (m, n, k) = (70, 90, 500);
        let (x, y) = (values(m * k, 1), values(k * n, 2));
        let (mut whole, mut part) = (vec![0.0; m * n], vec![0.0; 31 * 50]);
        sgemm(1.0, Mat::new(&x, m, k), Mat::new(&y, k, n), 0.0, MatMut::new(&mut whole, m, n));
        let (a, b) = (Mat::strided(&x[20 * k..], 31, k, k, 1), Mat::strided(&y[33..], k, 50, n, 1));
        sgemm_serial(1.0, a, b, 0.0, MatMut::new(&mut part, 31, 50));
        for i in 0..31 {
            assert_eq!(part[i * 50..(i + 1) * 50], whole[(20 + i) * n + 33..][..50]);
        }
    }

    #[test]
    fn operands_that_repeat_a_line_or_have_gaps_are_read_as_they_are() {
        let (m, n, k) = (75, 130, 420);
        let (x, y) = (values(m * k * 3, 1), values(n * k * 3, 2));
        let lefts = [
            Mat::strided(&x, m, k, 0, 1),
            Mat::strided(&x, m, k, 1, 0),
            Mat::strided(&x, m, k, 3, 3 * m),
            Mat::strided(&x, m, k, 3 * k, 3),
        ];
        let rights =
            [Mat::strided(&y, k, n, 0, 1), Mat::strided(&y, k, n, 1, 0), Mat::strided(&y, k, n, 0, 0)];
        for a in lefts {
            for b in rights {
                let mut c = vec![0.0; m * n];
                sgemm(1.0, a, b, 0.0, MatMut::new(&mut c, m, n));
                assert_close(&c, &naive(1.0, a, b, 0.0, &[]), 1e-5);
            }
        }
    }

    #[test]
    fn a_single_line_may_have_any_stride() {
        let k = 2000;
        let (x, y) = (values(k, 1), values(k * 12, 2));
        let (far, b) = (isize::MAX as usize, Mat::strided(&y, k, 4, 12, 3));
        let a = Mat::strided(&x, 1, k, far, 1);
        let mut c = vec![0.0; 4];
        sgemm(1.0, a, b, 0.0, MatMut::new(&mut c, 1, 4));
        assert_close(&c, &naive(1.0, a, b, 0.0, &[]), 1e-5);
    }

    #[test]
    fn not_a_number_shows() {
        let mut c = [0.0; 4];
        for bad in [f32::NAN, f32::INFINITY] {
            let (x, y) = ([1.0, bad, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]);
            sgemm(1.0, Mat::new(&x, 2, 2), Mat::new(&y, 2, 2), 0.0, MatMut::new(&mut c, 2, 2));
            assert!(c[0].is_nan() && !c[1].is_finite() && c[2] == 0.0 && c[3] == 2.0, "{c:?}");
        }
    }

    #[test]
    fn an_empty_inner_side_scales_only() {
        let mut c = [2.0, 4.0];
        sgemm(1.0, Mat::new(&[], 1, 0), Mat::new(&[], 0, 2), 0.5, MatMut::new(&mut c, 1, 2));
        assert_eq!(c, [1.0, 2.0]);
        sgemm(1.0, Mat::new(&[], 1, 0), Mat::new(&[], 0, 2), 0.0, MatMut::new(&mut c, 1, 2));
        assert_eq!(c, [0.0, 0.0]);
    }

    #[test]
    fn threads_do_not_change_bits() {
        for (m, n, k) in [(700, 300, 64), (100, 900, 128), (256, 512, 512), (1, 2000, 1000)] {
            let (x, y) = (values(m * k, 1), values(n * k, 2));
            same_bits_at_any_thread_count(|| {
                let mut c = vec![0.0; m * n];
                sgemm(1.0, Mat::new(&x, m, k), Mat::new(&y, n, k).t(), 0.0, MatMut::new(&mut c, m, n));
                c
            });
        }
    }

    #[test]
    #[should_panic(expected = "exceeds")]
    fn views_beyond_the_slice_are_refused() {
        let _ = Mat::strided(&[0.0; 10], 3, 3, 4, 1);
    }

    /// Whether making a view panics with this word in its message.
    fn refused(word: &str, view: impl FnOnce() + std::panic::UnwindSafe) -> bool {
        std::panic::catch_unwind(view).is_err_and(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or(panic.downcast_ref::<&str>().copied()).is_some_and(|text| text.contains(word))
        })
    }

    #[test]
    fn extents_that_overflow_are_refused() {
        // A stride of which four times are nothing but overflow.
        let far = 1usize << (usize::BITS - 2);
        for (rows, cols, row_stride, col_stride) in
            [(5, 1, far, 0), (1, 5, 0, far), (5, 2, far, 1), (3, 3, far, far)]
        {
            let read = || _ = Mat::strided(&[0.0; 10], rows, cols, row_stride, col_stride);
            assert!(refused("exceeds", read), "{rows} x {cols}, {row_stride}, {col_stride}");
            let write = || _ = MatMut::strided(&mut [0.0; 10], rows, cols, row_stride, col_stride);
            assert!(refused("exceeds", write), "{rows} x {cols}, {row_stride}, {col_stride}");
        }
        assert!(refused("offset", || _ = Mat::strided(&[0.0], 1, 1, usize::MAX, 1)));
    }

    #[test]
    fn results_that_overlap_themselves_are_refused() {
        for (rows, cols, row_stride, col_stride) in
            [(3, 3, 2, 1), (3, 1, 0, 1), (1, 3, 1, 0), (3, 3, 0, 0), (3, 3, 3, 0), (3, 3, 0, 3), (2, 3, 2, 1)]
        {
            let view = || _ = MatMut::strided(&mut [0.0; 20], rows, cols, row_stride, col_stride);
            assert!(refused("overlap", view), "{rows} x {cols}, {row_stride}, {col_stride}");
        }
        let mut data = [0.0; 20];
        for (rows, cols, row_stride, col_stride) in [(3, 3, 3, 1), (3, 3, 1, 3), (1, 1, 0, 0), (0, 5, 0, 0)] {
            MatMut::strided(&mut data, rows, cols, row_stride, col_stride);
        }
        // What is only read may repeat itself.
        let mut c = [0.0; 4];
        sgemm(
            1.0,
            Mat::strided(&[2.0], 2, 3, 0, 0),
            Mat::new(&[1.0; 6], 3, 2),
            0.0,
            MatMut::new(&mut c, 2, 2),
        );
        assert_eq!(c, [6.0; 4]);
    }

    #[test]
    fn an_empty_result_is_left_alone() {
        let (x, many) = (values(1 << 20, 1), 1 << 10);
        sgemm(1.0, Mat::new(&x, many, many), Mat::new(&[], many, 0), 0.0, MatMut::new(&mut [], many, 0));
    }
}
