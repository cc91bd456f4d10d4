//! What the machine reaches at most, measured on the spot with the threads of the training.

use std::time::{Duration, Instant};

use regimen_kernels::{Mat, MatMut, par_rows, sgemm, threads};
use serde::{Deserialize, Serialize};

/// Side of the square matrices whose product is timed.
const SIDE: usize = 1024;
/// Floats that are copied: 64 MiB, more than a core's caches hold.
const FLOATS: usize = 1 << 24;
/// Floats a task copies.
const CHUNK: usize = 1 << 16;
/// Runs at least and at most; between them time decides.
const RUNS: (usize, usize) = (4, 20);
const TIME: Duration = Duration::from_millis(250);

/// The best of several runs of a matrix product and of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// FLOP per second of a single-precision product of square matrices (1024 rows).
    pub flops_per_second: f64,
    /// Bytes read and bytes written per second by a copy of 64 MiB.
    pub bytes_per_second: f64,
    /// Threads that took part.
    pub threads: usize,
}

impl Ceiling {
    /// Measure it; takes about half a second and 140 MB.
    pub fn measure() -> Ceiling {
        // Pages that were never written to are all the same page, and copied far too fast.
        let (a, b) = (vec![0.5f32; SIDE * SIDE], vec![0.25f32; SIDE * SIDE]);
        let mut c = vec![1.0f32; SIDE * SIDE];
        let product = best(|| {
            let (a, b) = (Mat::new(&a, SIDE, SIDE), Mat::new(&b, SIDE, SIDE));
            sgemm(1.0, a, b, 0.0, MatMut::new(&mut c, SIDE, SIDE));
        });
        let (from, mut to) = (vec![1.0f32; FLOATS], vec![2.0f32; FLOATS]);
        let copy = best(|| {
            par_rows(&mut to, 1, CHUNK, |first, to| to.copy_from_slice(&from[first..first + to.len()]));
        });
        Ceiling {
            flops_per_second: 2.0 * (SIDE as f64).powi(3) / product,
            bytes_per_second: 8.0 * FLOATS as f64 / copy,
            threads: threads(),
        }
    }
}

/// Seconds of the fastest run, after one to warm up.
fn best(mut work: impl FnMut()) -> f64 {
    work();
    let began = Instant::now();
    let mut best = f64::INFINITY;
    for run in 0..RUNS.1 {
        if run >= RUNS.0 && began.elapsed() >= TIME {
            break;
        }
        let clock = Instant::now();
        work();
        best = best.min(clock.elapsed().as_secs_f64());
    }
    best
}
