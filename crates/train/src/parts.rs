//! How each part of a model fares, looked at now and then: the norm of its gradient, and how far a step moves its
//! weights. Nothing of this reaches the weights; it goes into the event log.
//!
//! Norms of gradients are exact. What an update changes is seen on a sample that is spread evenly over the part, or on
//! all of it if it is small: to hold a copy of all weights would cost a quarter of the memory of a training.

use std::ops::Range;

use regimen_kernels::reduce::norm_sq_f64;
use regimen_tensor::Layout;

/// Floats that are sampled together: a cache line. Segments of an arena start at multiples of it.
const LINE: usize = 16;
/// Lines sampled of a part at most: 32,768 floats tell a ratio to about a percent.
const LINES: usize = 2048;
/// Looks at a training at most, about.
const LOOKS: u64 = 1000;
/// Steps between two looks at least.
const LEAST: u64 = 10;

/// Steps between two looks at a training of so many.
pub fn every(steps: u64) -> u64 {
    (steps / LOOKS).max(LEAST)
}

/// What was seen of a part in a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// `grad_norm/PART`, its name in the event log.
    pub norm_name: String,
    /// Euclidean norm of its gradient, before clipping.
    pub norm: f64,
    /// `update_ratio/PART`.
    pub ratio_name: String,
    /// Norm of the update as a share of the norm of the weights before it; NaN if nothing was updated or all weights
    /// were 0.
    pub ratio: f64,
}

/// The parts of a model: embeddings, each layer, the last norm, the head.
#[derive(Debug)]
pub struct Parts {
    /// Whether the next step is looked at.
    pub wanted: bool,
    seen: Vec<Seen>,
    /// Segments of each part in the arena, in floats.
    segments: Vec<Vec<Range<usize>>>,
    /// Where each part's sampled lines begin.
    lines: Vec<Vec<usize>>,
    before: Vec<f32>,
}

impl Parts {
    /// The parts of a layout: segments whose names begin alike.
    pub fn new(layout: &Layout) -> Parts {
        let mut names: Vec<&str> = Vec::new();
        let mut segments: Vec<Vec<Range<usize>>> = Vec::new();
        for segment in &layout.segments {
            let name = part_of(&segment.name);
            let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                segments.push(Vec::new());
                names.len() - 1
            });
            segments[at].push(segment.range());
        }
        let lines: Vec<Vec<usize>> = segments.iter().map(|ranges| sampled(ranges)).collect();
        let seen = names.into_iter().map(|name| Seen {
            norm_name: format!("grad_norm/{name}"),
            norm: f64::NAN,
            ratio_name: format!("update_ratio/{name}"),
            ratio: f64::NAN,
        });
        let floats = LINE * lines.iter().map(Vec::len).sum::<usize>();
        Parts { wanted: false, seen: seen.collect(), segments, lines, before: Vec::with_capacity(floats) }
    }

    /// Look at the gradients of a step and at the weights before it, if this one is wanted.
    pub(crate) fn before(&mut self, params: &[f32], grads: &[f32]) {
        if !self.wanted {
            return;
        }
        self.before.clear();
        for ((seen, segments), lines) in self.seen.iter_mut().zip(&self.segments).zip(&self.lines) {
            let squares: f64 = segments.iter().map(|range| norm_sq_f64(&grads[range.clone()])).sum();
            (seen.norm, seen.ratio) = (squares.sqrt(), f64::NAN);
            lines.iter().for_each(|&line| self.before.extend_from_slice(&params[line..line + LINE]));
        }
    }

    /// Look at the weights after it.
    pub(crate) fn after(&mut self, params: &[f32]) {
        if !self.wanted {
            return;
        }
        let mut before = self.before.chunks_exact(LINE);
        for (seen, lines) in self.seen.iter_mut().zip(&self.lines) {
            let (mut moved, mut length) = (0.0, 0.0);
            for (&line, before) in lines.iter().zip(&mut before) {
                for (&old, &new) in before.iter().zip(&params[line..line + LINE]) {
                    moved += (f64::from(new) - f64::from(old)).powi(2);
                    length += f64::from(old).powi(2);
                }
            }
            seen.ratio = if length > 0.0 { (moved / length).sqrt() } else { f64::NAN };
        }
    }

    /// What the step that was wanted showed; nothing otherwise.
    pub fn seen(&self) -> &[Seen] {
        if self.wanted { &self.seen } else { &[] }
    }
}

/// `layers.3` of `layers.3.attn.qkv`, `norm` of `norm.bias`.
fn part_of(segment: &str) -> &str {
    let parts = if segment.starts_with("layers.") { 2 } else { 1 };
    segment.match_indices('.').nth(parts - 1).map_or(segment, |(end, _)| &segment[..end])
}

/// Starts of at most [`LINES`] lines, evenly spread over some segments. The last line of a segment may reach into the
/// padding behind it, which stays 0.
fn sampled(segments: &[Range<usize>]) -> Vec<usize> {
    let lines = |range: &Range<usize>| range.len().div_ceil(LINE);
    let all: usize = segments.iter().map(lines).sum();
    let many = all.min(LINES);
    let (mut starts, mut passed, mut next) = (Vec::with_capacity(many), 0, 0);
    for range in segments {
        let here = lines(range);
        while next < many && next * all / many < passed + here {
            starts.push(range.start + (next * all / many - passed) * LINE);
            next += 1;
        }
        passed += here;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_tensor::{Init, LayoutBuilder};

    fn layout(sizes: &[(&str, usize)]) -> Layout {
        let mut builder = LayoutBuilder::new();
        for (name, size) in sizes {
            builder.segment(name, &[*size], true, Init::Zeros).unwrap();
        }
        builder.build()
    }

    #[test]
    fn small_parts_are_measured_exactly() {
        let layout = layout(&[
            ("embed", 40),
            ("layers.0.a", 3),
            ("layers.0.b.bias", 20),
            ("layers.10.a", 1),
            ("norm", 5),
        ]);
        let mut parts = Parts::new(&layout);
        let mut params: Vec<f32> = (0..layout.len).map(|i| i as f32).collect();
        let grads: Vec<f32> = (0..layout.len).map(|i| (i % 7) as f32).collect();
        // The padding is 0.
        let mut inside = vec![false; layout.len];
        layout.segments.iter().for_each(|s| inside[s.range()].fill(true));
        params.iter_mut().zip(&inside).filter(|(_, inside)| !**inside).for_each(|(x, _)| *x = 0.0);
        parts.before(&params, &grads);
        assert!(parts.seen().is_empty(), "not wanted");
        parts.wanted = true;
        parts.before(&params, &grads);
        let old = params.clone();
        params.iter_mut().for_each(|x| *x *= 1.25);
        parts.after(&params);
        let names: Vec<&str> = parts.seen().iter().map(|s| s.norm_name.as_str()).collect();
        assert_eq!(names, ["grad_norm/embed", "grad_norm/layers.0", "grad_norm/layers.10", "grad_norm/norm"]);
        assert!(parts.seen().iter().all(|s| (s.ratio - 0.25).abs() < 1e-9), "{:?}", parts.seen());
        let ranges = [layout.segments[1].range(), layout.segments[2].range()];
        let squares: f32 = ranges.into_iter().flat_map(|r| grads[r].to_vec()).map(|g| g * g).sum();
        assert!((parts.seen()[1].norm - f64::from(squares).sqrt()).abs() < 1e-6);
        assert_eq!(old[1], 1.0);
    }

    #[test]
    fn a_large_part_is_sampled_evenly_and_truly() {
        let layout = layout(&[("layers.0.a", 100_003), ("layers.0.b", 900_001)]);
        let mut parts = Parts::new(&layout);
        assert_eq!(parts.lines[0].len(), LINES);
        let in_first = parts.lines[0].iter().filter(|&&line| line < 100_003).count();
        assert!((200..=210).contains(&in_first), "{in_first}");
        assert!(parts.lines[0].windows(2).all(|w| w[0] < w[1]));
        let noise = |i: usize, salt: usize| ((i * 2_654_435_761 + salt) % 1000) as f32 / 1000.0 - 0.5;
        let mut params: Vec<f32> = (0..layout.len).map(|i| noise(i, 1)).collect();
        let old = params.clone();
        parts.wanted = true;
        parts.before(&params, &vec![0.0; layout.len]);
        params.iter_mut().enumerate().for_each(|(i, x)| *x += 1e-3 * noise(i, 77));
        parts.after(&params);
        let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let moved = norm(&mut params.iter().zip(&old).map(|(a, b)| a - b));
        let exact = moved / norm(&mut old.iter().copied());
        assert!((parts.seen()[0].ratio / exact - 1.0).abs() < 0.02, "{} {exact}", parts.seen()[0].ratio);
    }

    #[test]
    fn weights_of_zero_and_skipped_steps_have_no_ratio() {
        let layout = layout(&[("norm.bias", 8)]);
        let mut parts = Parts::new(&layout);
        parts.wanted = true;
        parts.before(&[0.0; 16], &[3.0; 16]);
        assert!(parts.seen()[0].ratio.is_nan() && parts.seen()[0].norm == 72f64.sqrt());
        parts.after(&[1.0; 16]);
        assert!(parts.seen()[0].ratio.is_nan());
        assert_eq!((every(40), every(100_000)), (10, 100));
    }
}
