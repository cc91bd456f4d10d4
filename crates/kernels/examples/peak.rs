//! The rate of multiply-adds on registers alone, which no product can exceed: `cargo run --release -p regimen-kernels
//! --example peak`. Best of several rounds, on one thread and on all of them at once.
#![allow(clippy::print_stdout, unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::time::Instant;

use regimen_kernels as k;

/// Multiply-adds on independent registers, so that none waits for another.
#[cfg(target_arch = "x86_64")]
macro_rules! chains {
    ($name:ident, $features:literal, $vector:ty, $set:ident, $fma:ident, $registers:literal) => {
        /// Floating-point operations and what came out.
        #[target_feature(enable = $features)]
        fn $name(rounds: usize) -> (f64, $vector) {
            let (factor, more) = ($set(0.999), $set(1e-9));
            let mut sums = [$set(1.0); $registers];
            for _ in 0..rounds {
                for sum in &mut sums {
                    *sum = $fma(*sum, factor, more);
                }
            }
            let lanes = size_of::<$vector>() / 4;
            let all = sums.into_iter().fold(more, |a, b| $fma(a, factor, b));
            ((2 * lanes * $registers * rounds) as f64, all)
        }
    };
}

#[cfg(target_arch = "x86_64")]
chains!(avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, 24);
#[cfg(target_arch = "x86_64")]
chains!(avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, 12);

/// GFLOP/s of one thread.
#[cfg(target_arch = "x86_64")]
fn rate() -> Option<f64> {
    const ROUNDS: usize = 5_000_000;
    let begin = Instant::now();
    let flop = match k::isa() {
        // SAFETY: `isa` names only instructions that this machine has.
        k::Isa::Avx512 => unsafe {
            let (flop, sums) = avx512(ROUNDS);
            std::hint::black_box(sums);
            flop
        },
        // SAFETY: as above.
        k::Isa::Avx2 => unsafe {
            let (flop, sums) = avx2(ROUNDS);
            std::hint::black_box(sums);
            flop
        },
        k::Isa::Portable => return None,
    };
    Some(flop / begin.elapsed().as_secs_f64() * 1e-9)
}

#[cfg(not(target_arch = "x86_64"))]
fn rate() -> Option<f64> {
    None
}

fn main() {
    for threads in [1, k::threads()] {
        let best = (0..7).filter_map(|_| {
            let rates = std::thread::scope(|scope| {
                let all: Vec<_> = (0..threads).map(|_| scope.spawn(rate)).collect();
                all.into_iter().map(|thread| thread.join().ok().flatten()).collect::<Option<Vec<f64>>>()
            });
            rates.map(|rates| rates.iter().sum::<f64>())
        });
        match best.reduce(f64::max) {
            Some(rate) => println!("{} on {threads} threads: {rate:.0} GFLOP/s", k::isa()),
            None => println!("{}: no instructions to measure", k::isa()),
        }
    }
}
