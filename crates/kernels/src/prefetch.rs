//! Asking for memory ahead of time where the processor cannot guess what comes next: short pieces of rows that lie far apart.

/// Asks for the cache lines of `len` floats from `at` on.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn ahead_at(at: *const f32, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for i in (0..len).step_by(16) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint that may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(i).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, len);
}

/// Asks for the cache lines of `x[from .. from + len]`; what lies outside of `x` is left out.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn ahead(x: &[f32], from: usize, len: usize) {
    let end = x.len().min(from.saturating_add(len));
    if from < end {
        ahead_at(x[from..].as_ptr(), end - from);
    }
}

/// Asks for the first cache line of `x[at]`, which need not exist: for tables that are looked up at places known some time before.
#[inline(always)]
#[allow(unsafe_code)]
pub fn prefetch<T>(x: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint that may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, at);
}
