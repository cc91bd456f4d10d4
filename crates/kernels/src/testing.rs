//! Helpers of the tests: random values, comparison with `f64`, thread-count independence.

/// `n` values in `[-1, 1)`, the same for the same seed (xorshift).
pub(crate) fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            s ^= s << 13;
            s ^= s >> 7;
            s ^= s << 17;
            (s >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// The same values in `f64`.
pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&v| f64::from(v)).collect()
}

/// Fails unless the largest difference is below `tolerance` times the largest value.
#[track_caller]
pub(crate) fn assert_close(got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let size = want.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(g) - w).abs();
        assert!(error <= tolerance * size, "element {i}: {g} instead of {w} (largest {size})");
    }
}

/// Central differences of `f` at `x`.
pub(crate) fn numeric_gradient(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut x = x.to_vec();
    (0..x.len())
        .map(|i| {
            let (keep, h) = (x[i], 1e-5);
            x[i] = keep + h;
            let up = f(&x);
            x[i] = keep - h;
            let down = f(&x);
            x[i] = keep;
            (up - down) / (2.0 * h)
        })
        .collect()
}

/// Sum of products.
pub(crate) fn dot64(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// Runs `f` in pools of 1, 2 and 4 threads and fails unless all results have the same bits.
#[track_caller]
pub(crate) fn same_bits_at_any_thread_count(f: impl Fn() -> Vec<f32> + Sync) {
    let bits =
        |threads| -> Vec<u32> { crate::with_threads(threads, || f().iter().map(|v| v.to_bits()).collect()) };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(4), "results differ between 1, 2 and 4 threads");
    assert!(one == bits(19), "results differ with more threads than tasks or cores");
}
