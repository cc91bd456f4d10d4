//! Times a step of AdamW beside plain copies that move as many bytes, in turns:
//! `cargo run --release -p regimen-kernels --example adamw -- [millions of parameters] [repeats]`.
//!
//! A step reads four arrays and writes three of them in place: 28 bytes a parameter, for the program and for the memory
//! alike, since every line that is written was read before. The variant that leaves the gradient at zero writes four
//! (32 bytes). A copy moves 8 bytes a float for the program, and so it is counted here. Stores that go through the cache
//! make the memory read each line before it is overwritten (write-allocate): such a copy really moves 12 bytes a float.
//! A copy in large pieces stores around the cache (the system's `memcpy` does so above a few MB) and moves 8. Both are
//! shown; the yardstick is the faster one. A last row does a single addition for each float with the traffic of AdamW:
//! what is missing to it, arithmetic costs.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use regimen_kernels::{AdamW, adamw_step, adamw_step_zeroing, par_rows, par_rows3, threads};

/// Floats of a task, as in the kernel.
const BLOCK: usize = 16_384;
const CFG: AdamW = AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

/// Something that is timed, with the bytes it moves for each float of an array.
struct Row {
    name: &'static str,
    bytes: usize,
    seconds: Vec<f64>,
}

impl Row {
    fn new(name: &'static str, bytes: usize) -> Row {
        Row { name, bytes, seconds: Vec::new() }
    }

    fn time(&mut self, work: impl FnOnce()) {
        let clock = Instant::now();
        work();
        self.seconds.push(clock.elapsed().as_secs_f64());
    }

    /// Median rate in bytes a second, without the first round.
    fn rate(&self, n: usize) -> f64 {
        let mut seconds = self.seconds[1..].to_vec();
        seconds.sort_by(f64::total_cmp);
        (self.bytes * n) as f64 / seconds[seconds.len() / 2]
    }
}

fn main() {
    let mut args = std::env::args().skip(1).map_while(|a| a.parse().ok());
    let n = 1_000_000 * args.next().unwrap_or(100);
    let repeats: usize = args.next().unwrap_or(15).max(1);
    // Filled, so that no page is touched first while the clock runs.
    let [mut p, mut m, mut v, mut g] = [0.5, 0.01, 0.02, 0.3].map(|x| vec![x; n]);
    let (from, mut to) = (vec![1.0f32; n], vec![2.0f32; n]);
    let piece = n.div_ceil(threads());
    let mut rows = [
        Row::new("copy through the cache", 8),
        Row::new("copy around the cache", 8),
        Row::new("AdamW", 28),
        Row::new("AdamW, zeroing", 32),
        Row::new("additions as AdamW", 28),
    ];
    for step in 1..=repeats as u64 + 1 {
        let [cached, around, adamw, zeroing, additions] = &mut rows;
        cached.time(|| par_rows(&mut to, 1, BLOCK, |i, b| b.copy_from_slice(&from[i..i + b.len()])));
        adamw.time(|| adamw_step(&mut p, &mut m, &mut v, &g, &CFG, step, 1.0));
        around.time(|| par_rows(&mut to, 1, piece, |i, b| b.copy_from_slice(&from[i..i + b.len()])));
        zeroing.time(|| adamw_step_zeroing(&mut p, &mut m, &mut v, &mut g, &CFG, step, 1.0));
        additions.time(|| {
            par_rows3((&mut p, 1), (&mut m, 1), (&mut v, 1), BLOCK, |first, p, m, v| {
                let g = &g[first..];
                for (((p, m), v), g) in p.iter_mut().zip(m).zip(v).zip(g) {
                    (*p, *m, *v) = (*p + g, *m + g, *v + g);
                }
            });
        });
    }
    println!("{} M parameters, {} threads, medians of {repeats}", n / 1_000_000, threads());
    let copy = rows[0].rate(n).max(rows[1].rate(n));
    for row in &rows {
        let rate = row.rate(n);
        let milliseconds = 1e3 * (row.bytes * n) as f64 / rate;
        println!(
            "{:>24} {milliseconds:8.1} ms {:6.1} GB/s {:4.0} % of the faster copy",
            row.name,
            rate / 1e9,
            100.0 * rate / copy
        );
    }
}
