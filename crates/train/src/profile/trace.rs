//! A profile in the Trace Event Format of Chrome (complete events), which `chrome://tracing` and Perfetto open.
//!
//! <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>: `ts` and `dur` are microseconds;
//! keys that the format does not know, such as the table here, are carried along.

use regimen_tensor::profile::Record;
use serde_json::{Value, json};

use super::table::{name, word};
use super::{Profile, STEP};

/// The file's content: one event a line.
pub(super) fn encode(stage: &str, records: &[Record], profile: &Profile, table: &Value) -> Vec<u8> {
    let origin = records.first().map_or(0, |record| record.start);
    let thread = format!("training ({} threads compute)", profile.ceiling.threads);
    let mut events = vec![meta("process_name", &format!("regimen: {stage}")), meta("thread_name", &thread)];
    let mut step = profile.first_step;
    for record in records {
        events.push(event(record, origin, step));
        if record.name == STEP {
            step += 1;
        }
    }
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let text = format!(
        "{{\"displayTimeUnit\":\"ms\",\"profile\":{table},\"traceEvents\":[\n{}\n]}}\n",
        lines.join(",\n")
    );
    text.into_bytes()
}

fn meta(what: &str, name: &str) -> Value {
    json!({"ph": "M", "name": what, "pid": 1, "tid": 1, "args": {"name": name}})
}

fn event(record: &Record, origin: u64, step: u64) -> Value {
    let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1e3;
    let mut event = json!({
        "ph": "X",
        "name": name(record),
        "cat": if word(record.pass).is_empty() { "step" } else { word(record.pass) },
        "pid": 1,
        "tid": 1,
        "ts": microseconds(record.start - origin),
        "dur": microseconds(record.end - record.start),
    });
    event["args"] = if record.name == STEP {
        json!({"step": step})
    } else {
        let cost = record.cost();
        let mut args = json!({"shape": record.work.shape, "flops": cost.flops, "bytes": cost.bytes});
        if !record.work.role.is_empty() {
            args["segment"] = record.work.role.clone().into();
        }
        args
    };
    event
}
