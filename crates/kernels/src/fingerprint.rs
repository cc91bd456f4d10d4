//! What fixes the bits of a result besides the program: the instruction set of the loops, and the cache sizes, from
//! which the matrix product derives its blocks.

use crate::isa::isa;

/// Program version, instruction-set path and cache profile, such as `regimen 0.1.0, avx512, cache 48K/1M/32M`.
pub fn fingerprint() -> String {
    let caches = gemm_common::cache::CACHE_INFO.iter().map(|level| size(level.cache_bytes));
    let caches = caches.collect::<Vec<_>>().join("/");
    format!("regimen {}, {}, cache {caches}", env!("CARGO_PKG_VERSION"), isa())
}

fn size(bytes: usize) -> String {
    match bytes {
        b if b >= 1 << 20 && b.is_multiple_of(1 << 20) => format!("{}M", b >> 20),
        b => format!("{}K", b >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_program_loops_and_caches() {
        let text = fingerprint();
        assert!(
            text.starts_with("regimen ") && text.contains(&isa().to_string()) && text.contains("cache "),
            "{text}"
        );
        assert_eq!(
            (size(48 << 10), size(1 << 20), size(1536 << 10)),
            ("48K".into(), "1M".into(), "1536K".into())
        );
    }
}
