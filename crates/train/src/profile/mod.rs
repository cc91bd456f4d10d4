//! Profiling a training: some steps are recorded, then told as a table and written as a trace.
//!
//! The first steps of a session are left out: they draw the buffers that later ones reuse. The rates of the table stand
//! beside what this machine was measured to reach at most ([`Ceiling`]), right after the recorded steps.

mod ceiling;
mod table;
mod trace;

use std::path::PathBuf;
use std::sync::Arc;

use regimen_base::{Event, fs};
use regimen_recipe::Job;
use regimen_tensor::profile::{Span, outside};
use regimen_tensor::{Recorder, Work};

pub use ceiling::Ceiling;
pub use table::{OUTSIDE, Profile, Row};

use crate::error::Result;
use crate::trainer::Trainer;

/// Name of the span around a whole step.
pub const STEP: &str = "step";
/// Steps of a session that are not profiled if it has more.
const WARM_UP: u64 = 2;

/// Which steps of this session are profiled, and what was recorded.
pub struct Profiler {
    recorder: Arc<Recorder>,
    first: u64,
    last: u64,
    path: PathBuf,
}

impl Profiler {
    /// A profiler for a session that goes on after step `done` and ends with step `steps`, if the job asks for one.
    pub fn new(job: &Job, done: u64, steps: u64) -> Option<Profiler> {
        let asked = job.profile.as_ref()?;
        let (first, last) = window(done, steps, asked.steps);
        Some(Profiler { recorder: Arc::default(), first, last, path: asked.path.clone() })
    }

    /// Call before every step, with the steps done. While the result lives the step is being recorded, if it is to be.
    pub fn begin(&self, done: u64, trainer: &mut Trainer) -> Option<Span<'_>> {
        let wanted = (self.first..=self.last).contains(&(done + 1));
        trainer.recorder = wanted.then(|| self.recorder.clone());
        outside(wanted.then_some(&*self.recorder), STEP, Work::default)
    }

    /// Whether the last step to record is done.
    pub fn is_complete(&self, done: u64) -> bool {
        done >= self.last
    }

    /// Put together what was recorded, write it, and tell of it in the event log.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(self, job: &mut Job) -> Result<()> {
        let records = self.recorder.take();
        if records.is_empty() {
            let text = format!("nothing was profiled: the training stopped before step {}", self.first);
            job.log.warn(None, text)?;
            return Ok(());
        }
        let profile = Profile::of(&records, self.first, Ceiling::measure());
        let table = serde_json::to_value(&profile).unwrap_or_default();
        fs::write(&self.path, &trace::encode(job.stage, &records, &profile, &table))?;
        let path = self.path.strip_prefix(job.root).unwrap_or(&self.path).display().to_string();
        job.log.emit(Event::Profile { path, table })?;
        Ok(())
    }
}

/// First and last step to record, counted from 1. A short session is warmed up less.
fn window(done: u64, steps: u64, wanted: u64) -> (u64, u64) {
    let left = steps.saturating_sub(done);
    let first = done + 1 + WARM_UP.min(left.saturating_sub(1));
    (first, steps.min((first - 1).saturating_add(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_steps_of_a_session_are_left_out_if_there_are_others() {
        assert_eq!(window(0, 100, 10), (3, 12));
        assert_eq!(window(40, 100, 1), (43, 43));
        assert_eq!(window(0, 5, 10), (3, 5));
        assert_eq!(window(0, 2, 10), (2, 2));
        assert_eq!(window(7, 8, 10), (8, 8));
        assert_eq!(window(0, 100, u64::MAX), (3, 100));
    }
}
