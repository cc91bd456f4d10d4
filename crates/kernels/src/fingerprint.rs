//! What fixes the bits of a result besides the program: the instruction set of the loops, the caches, from which the
//! matrix product derives its blocks, and the C library, whose logarithm, sine, cosine and power take part in losses,
//! learning rates, rotary angles and initial weights.
#![allow(unsafe_code)]

use crate::isa::isa;
use gemm_common::cache::CacheInfo;

/// Program version, instruction-set path, cache profile and C library, such as
/// `regimen 0.1.0, avx512, cache 48K/12w/64 2M/16w 32M/16w, glibc 2.36+fma`.
///
/// A cache is given by its size and its ways, the first one also by the bytes of a line. `+fma` says that the C library
/// runs its fused variants, which it chooses by the processor, whatever `REGIMEN_ISA` says. C libraries other than
/// glibc come with the program and are not named.
pub fn fingerprint() -> String {
    let caches = caches(&*gemm_common::cache::CACHE_INFO);
    format!("regimen {}, {}, cache {caches}{}", env!("CARGO_PKG_VERSION"), isa(), libc())
}

/// What the product derives its blocks from, level by level.
fn caches(levels: &[CacheInfo]) -> String {
    let one = |(level, cache): (usize, &CacheInfo)| {
        let line = if level == 0 { format!("/{}", cache.cache_line_bytes) } else { String::new() };
        format!("{}/{}w{line}", size(cache.cache_bytes), cache.associativity)
    };
    levels.iter().enumerate().map(one).collect::<Vec<_>>().join(" ")
}

fn size(bytes: usize) -> String {
    match bytes {
        b if b >= 1 << 20 && b.is_multiple_of(1 << 20) => format!("{}M", b >> 20),
        b => format!("{}K", b >> 10),
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn libc() -> String {
    use std::ffi::{CStr, c_char};
    unsafe extern "C" {
        safe fn gnu_get_libc_version() -> *const c_char;
    }
    // SAFETY: the library gives back a constant text of its own that ends with a zero.
    let version = unsafe { CStr::from_ptr(gnu_get_libc_version()) };
    #[cfg(target_arch = "x86_64")]
    let fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    let fused = false;
    format!(", glibc {}{}", version.to_string_lossy(), if fused { "+fma" } else { "" })
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn libc() -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_program_loops_caches_and_library() {
        let text = fingerprint();
        assert!(
            text.starts_with("regimen ") && text.contains(&isa().to_string()) && text.contains("cache "),
            "{text}"
        );
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            assert!(text.contains(", glibc 2."), "{text}");
        }
        assert_eq!(
            (size(48 << 10), size(1 << 20), size(1536 << 10)),
            ("48K".into(), "1M".into(), "1536K".into())
        );
    }

    #[test]
    fn all_that_decides_on_blocks_is_named() {
        let level = |cache_bytes, associativity, cache_line_bytes| CacheInfo {
            cache_bytes,
            associativity,
            cache_line_bytes,
        };
        let levels = [level(48 << 10, 12, 64), level(2 << 20, 16, 64), level(32 << 20, 16, 64)];
        assert_eq!(caches(&levels), "48K/12w/64 2M/16w 32M/16w");
    }
}
