//! RMS norm (Zhang and Sennrich 2019) and layer norm (Ba et al. 2016), with the residual addition before them.

use crate::isa::fma;
use crate::math::{dot, fold, fold3};
use crate::par::{par_blocks3, par_rows2, par_rows3, rows_per_task};
use crate::reduce::add_parts;

/// Which normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormKind {
    /// `x / sqrt(mean(x^2) + eps)`.
    Rms,
    /// `(x - mean(x)) / sqrt(var(x) + eps)`.
    Layer,
}

/// Rows of a chunk of the parameter gradients.
const ROW_CHUNK: usize = 64;

/// `s = x + residual`, `y = norm(s) * gain + bias` over rows of width `d`. `sum` receives `s`; `stats`
/// `[rows, 2]` receives mean (0 for RMS) and reciprocal deviation of each row.
pub fn norm_forward(
    kind: NormKind,
    rows: usize,
    d: usize,
    x: &[f32],
    residual: Option<&[f32]>,
    gain: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    sum: Option<&mut [f32]>,
    y: &mut [f32],
    stats: &mut [f32],
) {
    assert!(x.len() == rows * d && y.len() == rows * d, "x or y is not [rows, d]");
    assert!(residual.is_none_or(|r| r.len() == rows * d), "residual is not [rows, d]");
    assert!(gain.len() == d && bias.is_none_or(|b| b.len() == d), "gain or bias is not [d]");
    assert_eq!(stats.len(), rows * 2, "stats is not [rows, 2]");
    if rows == 0 || d == 0 {
        return;
    }
    let per = rows_per_task(d);
    match (sum, residual) {
        (Some(sum), _) => {
            assert_eq!(sum.len(), rows * d, "sum is not [rows, d]");
            par_rows3((sum, d), (y, d), (stats, 2), per, |first, sum, y, stats| {
                for (i, (s, (y, st))) in sum
                    .chunks_exact_mut(d)
                    .zip(y.chunks_exact_mut(d).zip(stats.chunks_exact_mut(2)))
                    .enumerate()
                {
                    let at = (first + i) * d;
                    add_rows(&x[at..at + d], residual.map(|r| &r[at..at + d]), s);
                    forward_row(kind, s, gain, bias, eps, y, st);
                }
            });
        }
        (None, None) => par_rows2((y, d), (stats, 2), per, |first, y, stats| {
            for (i, (y, st)) in y.chunks_exact_mut(d).zip(stats.chunks_exact_mut(2)).enumerate() {
                forward_row(kind, &x[(first + i) * d..][..d], gain, bias, eps, y, st);
            }
        }),
        (None, Some(residual)) => par_rows2((y, d), (stats, 2), per, |first, y, stats| {
            crate::scratch::with(d, |s| {
                for (i, (y, st)) in y.chunks_exact_mut(d).zip(stats.chunks_exact_mut(2)).enumerate() {
                    let at = (first + i) * d;
                    add_rows(&x[at..at + d], Some(&residual[at..at + d]), s);
                    forward_row(kind, s, gain, bias, eps, y, st);
                }
            });
        }),
    }
}

/// Gradients of [`norm_forward`]: `ds += dL/ds`, `dgain += ...`, `dbias += ...`; `s` is what was normalised and
/// `stats` what the forward pass wrote.
pub fn norm_backward(
    kind: NormKind,
    rows: usize,
    d: usize,
    s: &[f32],
    gain: &[f32],
    stats: &[f32],
    dy: &[f32],
    ds: &mut [f32],
    dgain: &mut [f32],
    dbias: Option<&mut [f32]>,
) {
    assert!(
        s.len() == rows * d && dy.len() == rows * d && ds.len() == rows * d,
        "s, dy or ds is not [rows, d]"
    );
    assert!(gain.len() == d && dgain.len() == d, "gain or dgain is not [d]");
    assert!(dbias.as_ref().is_none_or(|b| b.len() == d), "dbias is not [d]");
    assert_eq!(stats.len(), rows * 2, "stats is not [rows, 2]");
    if rows == 0 || d == 0 {
        return;
    }
    let chunks = rows.div_ceil(ROW_CHUNK);
    crate::scratch::with(2 * chunks * d, |parts| {
        parts.fill(0.0);
        let (gain_parts, bias_parts) = parts.split_at_mut(chunks * d);
        par_blocks3((ds, ROW_CHUNK * d), (gain_parts, d), (bias_parts, d), |c, ds, dgain, dbias| {
            for (i, ds) in ds.chunks_exact_mut(d).enumerate() {
                let r = c * ROW_CHUNK + i;
                let (s, dy) = (&s[r * d..(r + 1) * d], &dy[r * d..(r + 1) * d]);
                backward_row(kind, s, gain, &stats[2 * r..2 * r + 2], dy, ds, dgain, dbias);
            }
        });
        add_parts(d, gain_parts, dgain);
        if let Some(dbias) = dbias {
            add_parts(d, bias_parts, dbias);
        }
    });
}

simd! {
    fn add_rows<FMA>(x: &[f32], residual: Option<&[f32]>, s: &mut [f32]) {
        let _ = FMA;
        match residual {
            None => s.copy_from_slice(x),
            Some(r) => {
                for ((s, &x), &r) in s.iter_mut().zip(x).zip(r) {
                    *s = x + r;
                }
            }
        }
    }

    fn forward_row<FMA>(
        kind: NormKind, s: &[f32], gain: &[f32], bias: Option<&[f32]>, eps: f32, y: &mut [f32], stats: &mut [f32],
    ) {
        let d = s.len();
        let scale = 1.0 / d as f32;
        let mean = match kind {
            NormKind::Rms => 0.0,
            NormKind::Layer => fold(s, |s, a| a + s) * scale,
        };
        let variance = fold(s, |s, a| fma::<FMA>(s - mean, s - mean, a)) * scale;
        let rstd = 1.0 / (variance + eps).sqrt();
        stats[0] = mean;
        stats[1] = rstd;
        match bias {
            None => {
                for ((y, &s), &g) in y.iter_mut().zip(s).zip(gain) {
                    *y = (s - mean) * rstd * g;
                }
            }
            Some(bias) => {
                for (((y, &s), &g), &b) in y.iter_mut().zip(s).zip(gain).zip(bias) {
                    *y = fma::<FMA>((s - mean) * rstd, g, b);
                }
            }
        }
    }

    // With h = (s - mean) rstd and t = dy gain: ds = rstd (t - mean(t) - h mean(t h)); RMS has no mean(t).
    fn backward_row<FMA>(
        kind: NormKind, s: &[f32], gain: &[f32], stats: &[f32], dy: &[f32], ds: &mut [f32], dgain: &mut [f32],
        dbias: &mut [f32],
    ) {
        let d = s.len();
        let (gain, dy, ds) = (&gain[..d], &dy[..d], &mut ds[..d]);
        let (dgain, dbias) = (&mut dgain[..d], &mut dbias[..d]);
        let (mean, rstd) = (stats[0], stats[1]);
        let scale = 1.0 / d as f32;
        let inner = fold3(s, dy, gain, |s, dy, gain, a| fma::<FMA>(dy * gain, (s - mean) * rstd, a)) * scale;
        let level = match kind {
            NormKind::Rms => 0.0,
            NormKind::Layer => dot::<FMA>(dy, gain) * scale,
        };
        for i in 0..d {
            let h = (s[i] - mean) * rstd;
            dgain[i] = fma::<FMA>(dy[i], h, dgain[i]);
            dbias[i] += dy[i];
            ds[i] = fma::<FMA>(rstd, fma::<FMA>(-h, inner, fma::<FMA>(dy[i], gain[i], -level)), ds[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        assert_close, dot64, numeric_gradient, same_bits_at_any_thread_count, values, wide,
    };

    const EPS: f64 = 1e-5;

    fn naive(kind: NormKind, d: usize, s: &[f64], gain: &[f64], bias: &[f64]) -> Vec<f64> {
        let mut y = Vec::new();
        for row in s.chunks(d) {
            let mean = if kind == NormKind::Layer { row.iter().sum::<f64>() / d as f64 } else { 0.0 };
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / d as f64;
            y.extend((0..d).map(|j| (row[j] - mean) / (variance + EPS).sqrt() * gain[j] + bias[j]));
        }
        y
    }

    #[test]
    fn forward_and_gradients_match_f64() {
        for kind in [NormKind::Rms, NormKind::Layer] {
            for (rows, d) in [(1, 1), (1, 5), (3, 33), (70, 7), (2, 101)] {
                let (x, r) = (values(rows * d, 1), values(rows * d, 2));
                let (gain, bias, dy) = (values(d, 3), values(d, 4), values(rows * d, 5));
                let s64: Vec<f64> = x.iter().zip(&r).map(|(&a, &b)| f64::from(a) + f64::from(b)).collect();
                let (g64, b64, dy64) = (wide(&gain), wide(&bias), wide(&dy));
                let want = naive(kind, d, &s64, &g64, &b64);
                let (mut s, mut y, mut st) = (vec![0.0; rows * d], vec![0.0; rows * d], vec![0.0; rows * 2]);
                let (res, b) = (Some(&r[..]), Some(&bias[..]));
                norm_forward(kind, rows, d, &x, res, &gain, b, EPS as f32, None, &mut y, &mut st);
                assert_close(&y, &want, 1e-5);
                norm_forward(kind, rows, d, &x, res, &gain, b, EPS as f32, Some(&mut s), &mut y, &mut st);
                assert_close(&s, &s64, 1e-6);
                assert_close(&y, &want, 1e-5);
                let mut z = vec![0.0; rows * d];
                norm_forward(kind, rows, d, &s, None, &gain, b, EPS as f32, None, &mut z, &mut st);
                assert_eq!(y, z);
                norm_forward(kind, rows, d, &s, None, &gain, None, EPS as f32, Some(&mut y), &mut z, &mut st);
                assert_eq!(y, s);
                assert_close(&z, &naive(kind, d, &s64, &g64, &vec![0.0; d]), 1e-5);

                let (mut ds, mut dgain, mut dbias) = (vec![0.5; rows * d], vec![1.0; d], vec![2.0; d]);
                norm_backward(kind, rows, d, &s, &gain, &st, &dy, &mut ds, &mut dgain, Some(&mut dbias));
                let plus = |v: Vec<f64>, c: f64| v.iter().map(|x| x + c).collect::<Vec<_>>();
                let want = numeric_gradient(&s64, |s| dot64(&naive(kind, d, s, &g64, &b64), &dy64));
                assert_close(&ds, &plus(want, 0.5), 1e-4);
                let want = numeric_gradient(&g64, |g| dot64(&naive(kind, d, &s64, g, &b64), &dy64));
                assert_close(&dgain, &plus(want, 1.0), 1e-4);
                let want = numeric_gradient(&b64, |b| dot64(&naive(kind, d, &s64, &g64, b), &dy64));
                assert_close(&dbias, &plus(want, 2.0), 1e-4);
            }
        }
    }

    #[test]
    fn threads_do_not_change_bits() {
        let (rows, d) = (1000, 96);
        let (x, gain, dy) = (values(rows * d, 1), values(d, 3), values(rows * d, 5));
        same_bits_at_any_thread_count(|| {
            let (mut y, mut st, mut ds) = (vec![0.0; rows * d], vec![0.0; rows * 2], vec![0.0; rows * d]);
            let (mut dgain, mut dbias) = (vec![0.0; d], vec![0.0; d]);
            norm_forward(NormKind::Layer, rows, d, &x, None, &gain, None, 1e-5, None, &mut y, &mut st);
            norm_backward(
                NormKind::Layer,
                rows,
                d,
                &x,
                &gain,
                &st,
                &dy,
                &mut ds,
                &mut dgain,
                Some(&mut dbias),
            );
            [y, ds, dgain, dbias].concat()
        });
    }
}
