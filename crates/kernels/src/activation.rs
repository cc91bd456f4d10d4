//! Activation functions of the linear layers and their derivatives.

use crate::gemm::Done;
use crate::isa::fma;
use crate::math::{TAIL_END, normal_tail, pieces, sigmoid, tail_slope};
use crate::par::par_rows;

/// What is applied to each element after a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x Phi(x)` with the exact normal distribution function (Hendrycks and Gimpel 2016).
    Gelu,
    /// The tanh form of [`Activation::Gelu`] that GPT-2 uses.
    GeluTanh,
    /// `x / (1 + e^-x)`, also called swish.
    Silu,
}

/// Elements of a task.
pub(crate) const BLOCK: usize = 16_384;

/// `sqrt(2 / pi)`.
const ROOT_2_OVER_PI: f32 = 0.797_884_6;
/// The cubic coefficient of the tanh form.
const CUBIC: f32 = 0.044_715;

/// `y = act(x)`, elementwise over equally long slices.
pub fn activation_forward(act: Activation, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "input and output differ in length");
    par_rows(y, 1, BLOCK, |first, y| forward_block(act, &x[first..first + y.len()], y));
}

/// `dy *= act'(pre)`, elementwise; `pre` is what the activation was applied to.
pub fn activation_backward(act: Activation, pre: &[f32], dy: &mut [f32]) {
    assert_eq!(pre.len(), dy.len(), "pre-activation and gradient differ in length");
    if act != Activation::None {
        par_rows(dy, 1, BLOCK, |first, dy| backward_block(act, &pre[first..first + dy.len()], dy));
    }
}

simd! {
    /// `y = act(pre)` on a part of a product.
    pub(crate) fn activate<FMA>(act: Activation, pre: &mut Done<'_>, y: &mut Done<'_>) {
        for i in 0..pre.rows {
            forward_row::<FMA>(act, pre.row(i), y.row(i));
        }
    }

    /// `y = act(y)` on a part of a product, in place.
    pub(crate) fn activate_in_place<FMA>(act: Activation, y: &mut Done<'_>) {
        for i in 0..y.rows {
            in_place_row::<FMA>(act, y.row(i));
        }
    }

    /// From the gradient `d` of `act(pre)`: `pre = d act'(pre)`, and `act(pre)` in the gradient's place, on a part of a
    /// product.
    pub(crate) fn activated_and_gradient<FMA>(act: Activation, pre: &mut Done<'_>, d: &mut Done<'_>) {
        for i in 0..pre.rows {
            gradient_row::<FMA>(act, pre.row(i), d.row(i));
        }
    }
}

/// `y = act(pre)`.
#[inline(always)]
fn forward_row<const FMA: bool>(act: Activation, pre: &[f32], y: &mut [f32]) {
    match act {
        Activation::None => y.copy_from_slice(pre),
        Activation::Relu => pieces!(|y: &mut f32, x: f32| *y = relu(x), y; pre),
        Activation::Gelu => pieces!(|y: &mut f32, x: f32| *y = gelu::<FMA>(x), y; pre),
        Activation::GeluTanh => pieces!(|y: &mut f32, x: f32| *y = gelu_tanh::<FMA>(x), y; pre),
        Activation::Silu => pieces!(|y: &mut f32, x: f32| *y = x * sigmoid::<FMA>(x), y; pre),
    }
}

/// `y = act(y)`.
#[inline(always)]
fn in_place_row<const FMA: bool>(act: Activation, y: &mut [f32]) {
    match act {
        Activation::None => {}
        Activation::Relu => pieces!(|y: &mut f32| *y = relu(*y), y),
        Activation::Gelu => pieces!(|y: &mut f32| *y = gelu::<FMA>(*y), y),
        Activation::GeluTanh => pieces!(|y: &mut f32| *y = gelu_tanh::<FMA>(*y), y),
        Activation::Silu => pieces!(|y: &mut f32| *y *= sigmoid::<FMA>(*y), y),
    }
}

/// `pre = d act'(pre)` and `d = act(pre)`.
#[inline(always)]
fn gradient_row<const FMA: bool>(act: Activation, pre: &mut [f32], d: &mut [f32]) {
    match act {
        Activation::None => pieces!(|x: &mut f32, d: &mut f32| std::mem::swap(x, d), pre, d),
        Activation::Relu => {
            pieces!(
                |x: &mut f32, d: &mut f32| (*x, *d) = (if *x > 0.0 { *d } else { 0.0 }, relu(*x)),
                pre,
                d
            );
        }
        Activation::Gelu => pieces!(
            |x: &mut f32, d: &mut f32| {
                let (value, slope) = gelu_derivative::<FMA>(*x);
                (*x, *d) = (*d * slope, value);
            },
            pre,
            d
        ),
        Activation::GeluTanh => pieces!(
            |x: &mut f32, d: &mut f32| {
                let (value, slope) = gelu_tanh_derivative::<FMA>(*x);
                (*x, *d) = (*d * slope, value);
            },
            pre,
            d
        ),
        Activation::Silu => pieces!(
            |x: &mut f32, d: &mut f32| {
                let (value, slope) = silu_derivative::<FMA>(*x);
                (*x, *d) = (*d * slope, value);
            },
            pre,
            d
        ),
    }
}

simd! {
    /// `y += x`.
    pub(crate) fn add_block<FMA>(y: &mut [f32], x: &[f32]) {
        let _ = FMA;
        for (y, &x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }

    fn forward_block<FMA>(act: Activation, x: &[f32], y: &mut [f32]) {
        let pairs = y.iter_mut().zip(x);
        match act {
            Activation::None => y.copy_from_slice(x),
            Activation::Relu => pairs.for_each(|(y, &x)| *y = relu(x)),
            Activation::Gelu => pairs.for_each(|(y, &x)| *y = gelu::<FMA>(x)),
            Activation::GeluTanh => pairs.for_each(|(y, &x)| *y = gelu_tanh::<FMA>(x)),
            Activation::Silu => pairs.for_each(|(y, &x)| *y = x * sigmoid::<FMA>(x)),
        }
    }

    fn backward_block<FMA>(act: Activation, pre: &[f32], dy: &mut [f32]) {
        let pairs = dy.iter_mut().zip(pre);
        match act {
            Activation::None => {}
            Activation::Relu => pairs.for_each(|(d, &x)| *d = if x > 0.0 { *d } else { 0.0 }),
            Activation::Gelu => pairs.for_each(|(d, &x)| *d *= gelu_derivative::<FMA>(x).1),
            Activation::GeluTanh => pairs.for_each(|(d, &x)| *d *= gelu_tanh_derivative::<FMA>(x).1),
            Activation::Silu => pairs.for_each(|(d, &x)| *d *= silu_derivative::<FMA>(x).1),
        }
    }
}

/// `(gelu(x), gelu'(x))` in the tanh form.
#[inline(always)]
fn gelu_tanh_derivative<const FMA: bool>(x: f32) -> (f32, f32) {
    let z = x * x;
    let s = sigmoid::<FMA>(x * fma::<FMA>(2.0 * ROOT_2_OVER_PI * CUBIC, z, 2.0 * ROOT_2_OVER_PI));
    let inner = fma::<FMA>(6.0 * ROOT_2_OVER_PI * CUBIC, z, 2.0 * ROOT_2_OVER_PI);
    let y = x * s;
    (y, fma::<FMA>(y * inner, 1.0 - s, s))
}

#[inline(always)]
fn relu(x: f32) -> f32 {
    // `!(x < 0)` keeps NaN.
    if x < 0.0 { 0.0 } else { x }
}

/// `x Phi(x)`, which is `max(x, 0) - |x| Phi(-|x|)`.
#[inline(always)]
fn gelu<const FMA: bool>(x: f32) -> f32 {
    let a = within_tail(x);
    fma::<FMA>(-a, normal_tail::<FMA>(a), relu(x))
}

/// `(gelu(x), gelu'(x))`.
#[inline(always)]
fn gelu_derivative<const FMA: bool>(x: f32) -> (f32, f32) {
    let a = within_tail(x);
    let tail = normal_tail::<FMA>(a);
    let slope = tail * tail_slope::<FMA>(a);
    (fma::<FMA>(-a, tail, relu(x)), if x < 0.0 { slope } else { 1.0 - slope })
}

/// `|x|`, at most the end of the tail; NaN stays.
#[inline(always)]
fn within_tail(x: f32) -> f32 {
    if x.abs() > TAIL_END { TAIL_END } else { x.abs() }
}

/// `x (1 + tanh(u)) / 2` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`, which is `x sigmoid(2 u)`.
#[inline(always)]
fn gelu_tanh<const FMA: bool>(x: f32) -> f32 {
    x * sigmoid::<FMA>(x * fma::<FMA>(2.0 * ROOT_2_OVER_PI * CUBIC, x * x, 2.0 * ROOT_2_OVER_PI))
}

/// `(silu(x), silu'(x))`.
#[inline(always)]
pub(crate) fn silu_derivative<const FMA: bool>(x: f32) -> (f32, f32) {
    let s = sigmoid::<FMA>(x);
    let y = x * s;
    (y, fma::<FMA>(y, 1.0 - s, s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, numeric_gradient, same_bits_at_any_thread_count, values, wide};

    const ALL: [Activation; 5] =
        [Activation::None, Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu];

    /// The activations in f64; the error function by its series.
    fn naive(act: Activation, x: f64) -> f64 {
        match act {
            Activation::None => x,
            Activation::Relu => x.max(0.0),
            Activation::Gelu => {
                let z = x / 2f64.sqrt();
                let (mut term, mut sum) = (z, z);
                for n in 1..200 {
                    term *= -z * z / f64::from(n);
                    sum += term / f64::from(2 * n + 1);
                }
                0.5 * x * (1.0 + sum * 2.0 / std::f64::consts::PI.sqrt())
            }
            Activation::GeluTanh => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
            }
            Activation::Silu => x / (1.0 + (-x).exp()),
        }
    }

    #[test]
    fn values_and_derivatives_match_f64() {
        let x: Vec<f32> = values(997, 4).iter().map(|v| v * 5.0).collect();
        let (mut y, up) = (vec![0.0; x.len()], values(x.len(), 5));
        for act in ALL {
            activation_forward(act, &x, &mut y);
            let want: Vec<f64> = x.iter().map(|&v| naive(act, f64::from(v))).collect();
            assert_close(&y, &want, 1e-6);
            let mut dy = up.clone();
            activation_backward(act, &x, &mut dy);
            let want: Vec<f64> = wide(&x)
                .iter()
                .zip(&up)
                .map(|(&v, &u)| f64::from(u) * numeric_gradient(&[v], |v| naive(act, v[0]))[0])
                .collect();
            assert_close(&dy, &want, 1e-5);
        }
    }

    #[test]
    fn parts_of_a_product_get_the_same_values() {
        for act in ALL {
            for n in [5, 16, 37] {
                let pre = values(n, 1);
                let want: Vec<f64> = pre.iter().map(|&v| naive(act, f64::from(v))).collect();
                let (mut y, mut z) = (vec![0.0; n], pre.clone());
                forward_row::<true>(act, &pre, &mut y);
                in_place_row::<true>(act, &mut z);
                assert_close(&y, &want, 1e-6);
                assert_close(&z, &want, 1e-6);
            }
        }
    }

    #[test]
    fn extremes_are_tame_and_nan_shows() {
        for act in ALL {
            let x = [f32::NAN, 60.0, -60.0, 0.0];
            let (mut y, mut dy) = ([0.0; 4], [1.0; 4]);
            activation_forward(act, &x, &mut y);
            activation_backward(act, &x, &mut dy);
            assert!(y[0].is_nan() && y[3] == 0.0, "{act:?}");
            if act != Activation::None {
                assert!((y[1] - 60.0).abs() < 1e-3 && y[2].abs() < 1e-3, "{act:?} {y:?}");
                assert!((dy[1] - 1.0).abs() < 1e-3 && dy[2].abs() < 1e-3, "{act:?} {dy:?}");
            }
        }
    }

    #[test]
    fn the_exact_gelu_keeps_its_limits_and_makes_no_denormal_numbers() {
        let x = [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -11.0, -1e4, 1e4];
        let (mut y, mut dy) = ([0.0; 7], [1e-4; 7]);
        activation_forward(Activation::Gelu, &x, &mut y);
        activation_backward(Activation::Gelu, &x, &mut dy);
        let close = |got: f32, want: f32| got == want || (got - want).abs() < 1e-10;
        assert!(
            y.iter().zip([x[0], 0.0, x[2], 0.0, 0.0, 0.0, 1e4]).all(|(&y, want)| close(y, want)),
            "{y:?}"
        );
        assert!(
            dy.iter().zip([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).all(|(&d, s)| close(d, 1e-4 * s)),
            "{dy:?}"
        );
        assert!(y.iter().chain(&dy).all(|v| !v.is_subnormal()), "{y:?} {dy:?}");
    }

    #[test]
    fn threads_do_not_change_bits() {
        let x = values(3 * BLOCK + 5, 1);
        same_bits_at_any_thread_count(|| {
            let mut y = vec![0.0; x.len()];
            activation_forward(Activation::Gelu, &x, &mut y);
            activation_backward(Activation::Silu, &x, &mut y);
            y
        });
    }
}
