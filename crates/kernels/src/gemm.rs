//! Single-precision matrix product on strided views.
//!
//! The product itself is the crate `gemm-f32`, which packs panels and picks its register tile by instruction set.
//! It writes along columns of the result, so a row-major result is computed as the transpose, `C^T = B^T A^T`.
//! Work is cut into blocks whose number depends on the shape alone; each block is one single-threaded call.

#[cfg(target_arch = "x86_64")]
use crate::isa::{Isa, isa};
use crate::par::{Shared, par};
use gemm_common::Parallelism;

/// A read-only matrix view `[rows, cols]` over a slice, with any strides.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Mat<'a> {
    /// A row-major matrix `[rows, cols]` without gaps.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Mat::strided(data, rows, cols, cols, 1)
    }

    /// A view in which element `(i, j)` lies at `i * row_stride + j * col_stride`. A stride of 0 repeats what is there.
    ///
    /// # Panics
    /// If an element lies outside `data`, or a stride is above `isize::MAX`.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
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
    pub fn at(&self, row: usize, col: usize) -> f32 {
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
            "matrix {rows} x {cols} with strides {row_stride}, {col_stride} exceeds {len} floats"
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

/// Floating-point operations a block should have at least; less is not worth another thread.
const BLOCK_FLOP: usize = 4 << 20;
/// Most blocks a product is cut into.
const MAX_BLOCKS: usize = 8;

/// `C = alpha A B + beta C`, in parallel over blocks of the longer side of `C`. With `beta` 0, `C` is not read.
pub fn sgemm(alpha: f32, a: Mat<'_>, b: Mat<'_>, beta: f32, c: MatMut<'_>) {
    let (m, n, k) = check(&a, &b, &c);
    if m == 0 || n == 0 {
        return;
    }
    // A product with few rows waits for memory: reading a float counts as much as 8 operations.
    let operations = m.saturating_mul(n).saturating_mul(k).saturating_mul(2);
    let cost = operations.max(k.saturating_mul(m + n).saturating_mul(8));
    let blocks = (cost / BLOCK_FLOP).clamp(1, MAX_BLOCKS);
    if blocks == 1 {
        return sgemm_serial(alpha, a, b, beta, c);
    }
    let (down, across) = grid(&a, n, blocks);
    let (step_m, step_n) = (m.div_ceil(down).next_multiple_of(6), n.div_ceil(across).next_multiple_of(64));
    let (down, across) = (m.div_ceil(step_m), n.div_ceil(step_n));
    let (rs, cs) = (c.row_stride, c.col_stride);
    let out = Shared::new(c.data);
    par(down * across, |i| {
        let (row, col) = (i / across * step_m, i % across * step_n);
        let size = (step_m.min(m - row), step_n.min(n - col));
        let a = Mat { data: &a.data[row * a.row_stride..], rows: size.0, ..a };
        let b = Mat { data: &b.data[col * b.col_stride..], cols: size.1, ..b };
        call(alpha, a, b, beta, out.pointer(row * rs + col * cs), size, (rs, cs));
    });
}

/// Into how many blocks rows and columns are cut.
fn grid(a: &Mat<'_>, n: usize, blocks: usize) -> (usize, usize) {
    if a.row_stride == 1 && a.col_stride != 1 && n <= 256 {
        // The library copies a transposed left side before it uses it, which costs much for a narrow result, except
        // when a block of the result is at most 128 wide: then it reads it in place.
        let across = n.div_ceil(128);
        return (blocks.div_ceil(across), across);
    }
    if a.rows >= n { (blocks, 1) } else { (1, blocks) }
}

/// [`sgemm`] on the calling thread, for use inside tasks.
pub fn sgemm_serial(alpha: f32, a: Mat<'_>, b: Mat<'_>, beta: f32, c: MatMut<'_>) {
    let (m, n, _) = check(&a, &b, &c);
    let MatMut { data, row_stride, col_stride, .. } = c;
    call(alpha, a, b, beta, data.as_mut_ptr(), (m, n), (row_stride, col_stride));
}

fn check(a: &Mat<'_>, b: &Mat<'_>, c: &MatMut<'_>) -> (usize, usize, usize) {
    assert_eq!((a.rows, b.cols), (c.rows, c.cols), "product and result differ in shape");
    assert_eq!(a.cols, b.rows, "inner sizes differ");
    (c.rows, c.cols, a.cols)
}

/// One single-threaded product into the strided `[m, n]` at `c`.
#[allow(unsafe_code)]
fn call(
    alpha: f32,
    a: Mat<'_>,
    b: Mat<'_>,
    beta: f32,
    c: *mut f32,
    (m, n): (usize, usize),
    (rs, cs): (usize, usize),
) {
    let k = a.cols;
    if m == 0 || n == 0 {
        return;
    }
    // The library writes along columns: hand it the transpose of a row-major result.
    let (m, n, a, b, rs, cs) =
        if cs == 1 && rs != 1 { (n, m, b.t(), a.t(), cs, rs) } else { (m, n, a, b, rs, cs) };
    let run = kernel();
    // SAFETY: the views were checked against their slices when they were made, `c` points at an [m, n] matrix with
    // these strides that this call alone writes to, and `kernel` returns code for instructions this machine has.
    // The library's `alpha` scales what is in `c`, its `beta` scales the product.
    unsafe {
        run(
            m,
            n,
            k,
            c,
            cs as isize,
            rs as isize,
            beta != 0.0,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            beta,
            alpha,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

type Kernel = unsafe fn(
    usize,
    usize,
    usize,
    *mut f32,
    isize,
    isize,
    bool,
    *const f32,
    isize,
    isize,
    *const f32,
    isize,
    isize,
    f32,
    f32,
    bool,
    bool,
    bool,
    Parallelism,
);

/// The library's product for the instruction set in use. Its own choice is taken unless `REGIMEN_ISA` lowers it.
#[cfg(target_arch = "x86_64")]
fn kernel() -> Kernel {
    match isa() {
        Isa::Avx512 => gemm_f32::gemm::f32::get_gemm_fn(),
        Isa::Avx2 => lowered::fma,
        Isa::Portable => lowered::scalar,
    }
}

/// The library's own choice.
#[cfg(not(target_arch = "x86_64"))]
fn kernel() -> Kernel {
    gemm_f32::gemm::f32::get_gemm_fn()
}

/// The library's generic product with register tiles of narrower instruction sets.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod lowered {
    use gemm_common::Parallelism;

    macro_rules! lowered {
        ($name:ident, $simd:ident, $width:expr) => {
            #[allow(clippy::too_many_arguments)]
            pub(super) unsafe fn $name(
                m: usize,
                n: usize,
                k: usize,
                c: *mut f32,
                c_cs: isize,
                c_rs: isize,
                read: bool,
                a: *const f32,
                a_cs: isize,
                a_rs: isize,
                b: *const f32,
                b_cs: isize,
                b_rs: isize,
                alpha: f32,
                beta: f32,
                conj_c: bool,
                conj_a: bool,
                conj_b: bool,
                parallelism: Parallelism,
            ) {
                use gemm_common::simd::{MixedSimd, $simd};
                use gemm_f32::microkernel::$name::f32::{H_M, H_N, H_UKR, MR_DIV_N, NR, UKR};
                let simd = <$simd as MixedSimd<f32, f32, f32, f32>>::try_new()
                    .expect("the instruction set was detected before this tile was chosen");
                // SAFETY: the caller's contract is the library's.
                unsafe {
                    gemm_common::gemm::gemm_basic_generic::<
                        _,
                        f32,
                        $width,
                        { MR_DIV_N * $width },
                        NR,
                        MR_DIV_N,
                        H_M,
                        H_N,
                    >(
                        simd,
                        m,
                        n,
                        k,
                        c,
                        c_cs,
                        c_rs,
                        read,
                        a,
                        a_cs,
                        a_rs,
                        b,
                        b_cs,
                        b_rs,
                        alpha,
                        beta,
                        conj_c,
                        conj_a,
                        conj_b,
                        |x, y, z| x * y + z,
                        &UKR,
                        &H_UKR,
                        false,
                        parallelism,
                    );
                }
            }
        };
    }
    lowered!(scalar, Scalar, 1);
    lowered!(fma, V3, 8);
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
