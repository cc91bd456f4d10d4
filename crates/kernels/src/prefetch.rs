//! Asking for memory ahead of time where the processor cannot guess what comes next: short pieces of rows that lie far apart.

/// Asks for the cache lines of `x[from .. from + len]`; what lies outside of `x` is left out.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn ahead(x: &[f32], from: usize, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let end = x.len().min(from.saturating_add(len));
        for at in (from..end).step_by(16) {
            // SAFETY: a hint; the place is inside the slice.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().add(at).cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, from, len);
}
