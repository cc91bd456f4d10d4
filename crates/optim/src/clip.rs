//! Gradient clipping by global norm (Pascanu, Mikolov, Bengio, 2013).

use regimen_kernels::reduce::norm_sq_f64;

/// Euclidean norm of the whole gradient arena, summed in f64 in a fixed order.
pub fn global_norm(grads: &[f32]) -> f64 {
    norm_sq_f64(grads).sqrt()
}

/// The factor that brings a gradient of norm `norm` to at most `limit`; 1 if `limit` is 0 (off). As in PyTorch, 1e-6
/// is added to the norm.
pub fn clip_scale(norm: f64, limit: f64) -> f64 {
    if limit > 0.0 && norm > limit { limit / (norm + 1e-6) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_gradients_are_shortened() {
        assert_eq!(global_norm(&[3.0, 4.0]), 5.0);
        assert!((clip_scale(5.0, 1.0) - 0.2).abs() < 1e-6);
        assert_eq!(clip_scale(0.5, 1.0), 1.0);
        assert_eq!(clip_scale(5.0, 0.0), 1.0);
    }
}
