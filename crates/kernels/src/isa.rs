//! Which vector instructions the loops use, and the macro that compiles one loop for each of them.

use std::fmt;
use std::sync::OnceLock;

/// An instruction set a loop is compiled for, from the widest to the plainest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// 256-bit or narrower vectors without fused multiply-add: what every target of the compiler has.
    Portable,
    /// AVX2 with FMA (256-bit vectors).
    Avx2,
    /// AVX-512 F, VL, BW and DQ with FMA (512-bit vectors).
    Avx512,
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Portable => "portable",
        })
    }
}

/// What the machine has; a hypervisor may mask any part of it.
#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    match (avx2, avx512) {
        (true, true) => Isa::Avx512,
        (true, false) => Isa::Avx2,
        _ => Isa::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Portable
}

/// The instruction set in use: what this machine has, lowered by the environment variable `REGIMEN_ISA`
/// (`avx512`, `avx2` or `portable`; it never raises it, other values are ignored). Detected once.
#[inline]
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| {
        let limit = match std::env::var("REGIMEN_ISA").as_deref() {
            Ok("portable") => Isa::Portable,
            Ok("avx2") => Isa::Avx2,
            _ => Isa::Avx512,
        };
        detect().min(limit)
    })
}

/// `a * b + c`, fused only where the instruction set has it (elsewhere `mul_add` calls a slow library function).
#[inline(always)]
pub(crate) fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Compiles a function three times (AVX-512, AVX2, portable) and picks one by [`isa()`] when called. The name in
/// angle brackets is a `const bool` of the body: whether fused multiply-add is at hand.
macro_rules! simd {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident<$fma:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)+) => {$(
        $(#[$meta])*
        #[allow(unsafe_code)]
        #[inline]
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[allow(clippy::too_many_arguments)]
            #[inline(always)]
            fn body<const $fma: bool>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512($($arg: $ty),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                match $crate::isa::isa() {
                    // SAFETY: `isa()` names only instruction sets that this machine was found to have.
                    $crate::isa::Isa::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::isa::Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::isa::Isa::Portable => {}
                }
            }
            body::<false>($($arg),*)
        }
    )+};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_variable() {
        assert_eq!(Isa::Avx512.to_string(), "avx512");
        assert_eq!(Isa::Avx2.to_string(), "avx2");
        assert_eq!(Isa::Portable.to_string(), "portable");
        assert!(Isa::Portable < Isa::Avx2 && Isa::Avx2 < Isa::Avx512);
    }

    simd! {
        fn sum_of_squares<FMA>(x: &[f32]) -> f32 {
            x.iter().fold(0.0, |s, &v| fma::<FMA>(v, v, s))
        }
    }

    #[test]
    fn the_macro_calls_the_body() {
        assert_eq!(sum_of_squares(&[1.0, 2.0, 3.0]), 14.0);
    }
}
