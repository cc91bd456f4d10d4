//! Curves of a run within a stated memory: points at steps that are multiples of a power of two, which grows with the
//! curve. So curves of two runs have their points at the same steps.

use std::collections::BTreeMap;
use std::path::Path;

use regimen_base::{Event, events, fs};

/// Points that a curve keeps at most.
const MOST: usize = 4096;

/// One metric over steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Steps are multiples of it.
    stride: u64,
    points: BTreeMap<u64, f64>,
}

impl Curve {
    fn add(&mut self, step: u64, value: f64) {
        if !step.is_multiple_of(self.stride) {
            return;
        }
        self.points.insert(step, value);
        if self.points.len() > MOST {
            self.widen(self.stride * 2);
        }
    }

    fn widen(&mut self, stride: u64) {
        self.stride = stride;
        self.points.retain(|step, _| step.is_multiple_of(stride));
    }

    /// The points in order.
    pub fn points(&self) -> impl Iterator<Item = (u64, f64)> + '_ {
        self.points.iter().map(|(step, value)| (*step, *value))
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// All curves of an event log, without values that are not finite; none if there is no log.
pub fn curves(log: &Path) -> fs::Result<BTreeMap<String, Curve>> {
    let mut curves: BTreeMap<String, Curve> = BTreeMap::new();
    let read = events::each(log, |record| {
        if let Event::Metrics { step, values } = record.event {
            for (name, value) in values.into_iter().filter(|(_, value)| value.0.is_finite()) {
                let none = || Curve { stride: 1, points: BTreeMap::new() };
                curves.entry(name).or_insert_with(none).add(step, value.0);
            }
        }
    });
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        other => other.map(|()| curves),
    }
}

/// The steps that both curves have, with both values, at most `most`.
pub fn aligned(a: &Curve, b: &Curve, most: usize) -> Vec<(u64, f64, f64)> {
    let mut stride = a.stride.max(b.stride);
    loop {
        let both = |step: &u64| {
            step.is_multiple_of(stride).then(|| Some((*step, *a.points.get(step)?, *b.points.get(step)?)))?
        };
        let found: Vec<(u64, f64, f64)> = a.points.keys().filter_map(both).collect();
        if found.len() <= most.max(1) {
            return found;
        }
        stride *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_base::EventLog;

    #[test]
    fn curves_stay_small_and_meet_at_the_same_steps() {
        let dir = tempfile::tempdir().unwrap();
        let (long, short) = (dir.path().join("long"), dir.path().join("short"));
        let mut log = EventLog::open(&long, 0, None).unwrap();
        for step in 1..=10_000 {
            log.metrics(step, &[("loss", step as f64)]).unwrap();
        }
        let mut log = EventLog::open(&short, 0, None).unwrap();
        for step in 1..=100 {
            log.metrics(step, &[("loss", if step == 8 { f64::NAN } else { 1.0 })]).unwrap();
        }
        let (long, short) = (curves(&long).unwrap(), curves(&short).unwrap());
        let a = &long["loss"];
        assert!(a.points.len() <= MOST && a.points.len() > MOST / 4 && a.stride == 4, "{}", a.stride);
        assert_eq!(a.points().last(), Some((10_000, 10_000.0)));
        let both = aligned(a, &short["loss"], 200);
        let steps: Vec<u64> = both.iter().map(|p| p.0).collect();
        assert_eq!(steps, (1..=25).map(|n| 4 * n).filter(|n| *n != 8).collect::<Vec<_>>());
        assert_eq!(aligned(a, &short["loss"], 6).len(), 6);
        assert!(curves(&dir.path().join("none")).unwrap().is_empty());
    }
}
