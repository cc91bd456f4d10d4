//! What fixes the bits of a result besides the program: the instruction set of the loops, and the C library, whose
//! logarithm, sine, cosine and power take part in losses, learning rates, rotary angles and initial weights.
#![allow(unsafe_code)]

use crate::isa::isa;

/// Program version, instruction-set path and C library, such as `regimen 0.1.0, avx512, glibc 2.36+fma`.
///
/// `+fma` says that the C library runs its fused variants, which it chooses by the processor, whatever `REGIMEN_ISA`
/// says. C libraries other than glibc come with the program and are not named.
pub fn fingerprint() -> String {
    format!("regimen {}, {}{}", env!("CARGO_PKG_VERSION"), isa(), libc())
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
    fn names_program_loops_and_library() {
        let text = fingerprint();
        assert!(text.starts_with("regimen ") && text.contains(&isa().to_string()), "{text}");
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            assert!(text.contains(", glibc 2."), "{text}");
        }
    }
}
