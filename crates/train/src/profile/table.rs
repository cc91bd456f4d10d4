//! The table of a profile: spans added up by operation.

use std::collections::BTreeMap;

use regimen_tensor::profile::{Pass, Record};
use serde::{Deserialize, Serialize};

use super::{Ceiling, STEP};

/// Name of the row for time inside a step and outside of every span: the tape, its memory, and all that has no row.
pub const OUTSIDE: &str = "outside of operations";

/// Where the time of a step went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The first step recorded, counted from 1.
    pub first_step: u64,
    /// The last one.
    pub last_step: u64,
    /// What the rates are compared with.
    pub ceiling: Ceiling,
    /// Operations by time, then [`OUTSIDE`]. Their times add up to that of the step.
    pub rows: Vec<Row>,
    /// A whole step.
    pub step: Row,
}

/// A line of the table; all amounts are means over the steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The operation, with its role where there is one.
    pub name: String,
    /// `forward`, `backward`, or nothing.
    pub pass: String,
    /// Its sizes, if they were the same in every call.
    pub shape: Vec<usize>,
    /// Calls a step.
    pub calls: f64,
    /// Milliseconds a step, without those of spans inside.
    pub milliseconds: f64,
    /// Share of the step's time.
    pub share: f64,
    /// Floating-point operations a step; 0 if it reports none.
    pub flops: f64,
    /// Compulsory traffic in bytes a step; 0 if it reports none.
    pub bytes: f64,
    /// GFLOP per second, where it reports operations.
    pub gflops_per_second: Option<f64>,
    /// The same as a share of the measured product.
    pub share_of_product: Option<f64>,
    /// GB per second, where it reports traffic.
    pub gb_per_second: Option<f64>,
    /// The same as a share of the measured copy; above 1 when caches served it.
    pub share_of_copy: Option<f64>,
}

#[derive(Default)]
struct Sum {
    shape: Option<Vec<usize>>,
    calls: u64,
    nanoseconds: u64,
    flops: f64,
    bytes: f64,
}

impl Profile {
    /// Adds up the spans of whole steps, of which the first is step `first`.
    pub fn of(records: &[Record], first: u64, ceiling: Ceiling) -> Profile {
        let own = own_time(records);
        let mut sums: BTreeMap<(String, Pass), Sum> = BTreeMap::new();
        let (mut outside, mut step) = (Sum::default(), Sum::default());
        for (record, own) in records.iter().zip(own) {
            if record.name == STEP {
                outside.nanoseconds += own;
                step.nanoseconds += record.end - record.start;
                step.calls += 1;
                continue;
            }
            let sum = sums.entry((name(record), record.pass)).or_default();
            sum.add(record, own);
            step.flops += record.cost().flops;
            step.bytes += record.cost().bytes;
        }
        let whole = Whole { steps: step.calls.max(1) as f64, nanoseconds: step.nanoseconds as f64, ceiling };
        let mut rows: Vec<Row> =
            sums.iter().map(|((name, pass), sum)| whole.row(name, word(*pass), sum)).collect();
        // In whole nanoseconds, as they were measured: rows of one time keep their order.
        let nanoseconds = |row: &Row| (row.milliseconds * 1e6).round() as u64;
        rows.sort_by_key(|row| std::cmp::Reverse(nanoseconds(row)));
        rows.push(whole.row(OUTSIDE, "", &outside));
        let last_step = first + step.calls.saturating_sub(1);
        Profile { first_step: first, last_step, ceiling, rows, step: whole.row(STEP, "", &step) }
    }
}

impl Sum {
    fn add(&mut self, record: &Record, own: u64) {
        let shape = &record.work.shape;
        match &mut self.shape {
            None => self.shape = Some(shape.clone()),
            Some(before) if before != shape => before.clear(),
            Some(_) => {}
        }
        self.calls += 1;
        self.nanoseconds += own;
        self.flops += record.cost().flops;
        self.bytes += record.cost().bytes;
    }
}

struct Whole {
    steps: f64,
    nanoseconds: f64,
    ceiling: Ceiling,
}

impl Whole {
    fn row(&self, name: &str, pass: &str, sum: &Sum) -> Row {
        let nanoseconds = sum.nanoseconds as f64;
        // Per nanosecond is giga per second.
        let rate = |amount: f64| (amount > 0.0 && nanoseconds > 0.0).then(|| amount / nanoseconds);
        let (flops, bytes) = (rate(sum.flops), rate(sum.bytes));
        Row {
            name: name.into(),
            pass: pass.into(),
            shape: sum.shape.clone().unwrap_or_default(),
            calls: sum.calls as f64 / self.steps,
            milliseconds: nanoseconds / self.steps * 1e-6,
            share: if self.nanoseconds > 0.0 { nanoseconds / self.nanoseconds } else { 0.0 },
            flops: sum.flops / self.steps,
            bytes: sum.bytes / self.steps,
            gflops_per_second: flops,
            share_of_product: flops.map(|rate| rate * 1e9 / self.ceiling.flops_per_second),
            gb_per_second: bytes,
            share_of_copy: bytes.map(|rate| rate * 1e9 / self.ceiling.bytes_per_second),
        }
    }
}

/// Nanoseconds of each span that belong to no span inside it.
fn own_time(records: &[Record]) -> Vec<u64> {
    let mut own: Vec<u64> = records.iter().map(|r| r.end - r.start).collect();
    // Records stand in the order in which they began, so those around one are open when it begins.
    let mut around: Vec<usize> = Vec::new();
    for (i, record) in records.iter().enumerate() {
        while around.last().is_some_and(|outer| records[*outer].end <= record.start) {
            around.pop();
        }
        if let Some(outer) = around.last() {
            own[*outer] = own[*outer].saturating_sub(record.end - record.start);
        }
        around.push(i);
    }
    own
}

/// The operation and its role. Layers are one row: of a segment's name only what stands behind its layer is shown.
pub(super) fn name(record: &Record) -> String {
    let parts: Vec<&str> = record.work.role.split('.').collect();
    let layer = parts.iter().rposition(|part| part.parse::<u64>().is_ok());
    let role = match layer {
        Some(at) if at + 1 < parts.len() => parts[at + 1..].join("."),
        _ => record.work.role.clone(),
    };
    if role.is_empty() { record.name.into() } else { format!("{} {role}", record.name) }
}

/// A pass in a word.
pub(super) fn word(pass: Pass) -> &'static str {
    match pass {
        Pass::Forward => "forward",
        Pass::Backward => "backward",
        Pass::Outside => "",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use regimen_tensor::Work;

    use super::*;

    const CEILING: Ceiling = Ceiling { flops_per_second: 100e9, bytes_per_second: 10e9, threads: 2 };

    fn record(name: &'static str, pass: Pass, role: &str, shape: &[usize], start: u64, end: u64) -> Record {
        let work = Work::on(shape).role(role).forward(4000, 100).backward(8000, 300);
        Record { name, pass, work: Arc::new(work), start, end }
    }

    /// Two steps; in each a linear layer of two blocks forward, one backward around another operation.
    fn steps() -> Vec<Record> {
        let mut records = Vec::new();
        for (step, at) in [(1, 1000), (2, 5000)] {
            records
                .push(Record { work: Arc::default(), ..record(STEP, Pass::Outside, "", &[], at, at + 1000) });
            records.push(record("fetch", Pass::Outside, "", &[], at, at + 50));
            for layer in 0..2 {
                let (role, begin) = (format!("layers.{layer}.mlp.up"), at + 100 + 100 * layer);
                records.push(record("linear", Pass::Forward, &role, &[step, 3], begin, begin + 100));
            }
            let role = "layers.1.mlp.up";
            records.push(record("linear", Pass::Backward, role, &[7, 3], at + 300, at + 800));
            records.push(record("add", Pass::Backward, "", &[7], at + 400, at + 700));
            records.push(record("head", Pass::Backward, "head", &[7], at + 800, at + 900));
        }
        records
    }

    #[test]
    fn spans_add_up_to_the_step() {
        let profile = Profile::of(&steps(), 3, CEILING);
        let found: Vec<_> = profile
            .rows
            .iter()
            .map(|r| (&r.name[..], &r.pass[..], r.calls, (r.milliseconds * 1e6).round() as u64))
            .collect();
        let expected = [
            ("add", "backward", 1.0, 300),
            ("linear mlp.up", "forward", 2.0, 200),
            ("linear mlp.up", "backward", 1.0, 200),
            ("head head", "backward", 1.0, 100),
            ("fetch", "", 1.0, 50),
            (OUTSIDE, "", 0.0, 150),
        ];
        assert_eq!(found, expected);
        assert_eq!((profile.first_step, profile.last_step, profile.step.calls), (3, 4, 1.0));
        let shares: f64 = profile.rows.iter().map(|row| row.share).sum();
        let times: f64 = profile.rows.iter().map(|row| row.milliseconds).sum();
        assert!((shares - 1.0).abs() < 1e-12 && (times - profile.step.milliseconds).abs() < 1e-12);
        assert!((profile.step.milliseconds - 1e-3).abs() < 1e-12);
        assert!((profile.step.flops - (2.0 * 4000.0 + 4000.0 + 3.0 * 8000.0)).abs() < 1e-9);
    }

    #[test]
    fn rates_are_those_of_the_row_s_own_time() {
        let profile = Profile::of(&steps(), 1, CEILING);
        let row = |name: &str, pass: &str| {
            profile.rows.iter().find(|r| r.name == name && r.pass == pass).unwrap().clone()
        };
        let forward = row("linear mlp.up", "forward");
        assert_eq!((forward.flops, forward.bytes), (8000.0, 800.0));
        // 8000 FLOP in 200 ns, of 100 GFLOP/s; 800 bytes in 200 ns, of 10 GB/s.
        assert_eq!((forward.gflops_per_second, forward.gb_per_second), (Some(40.0), Some(4.0)));
        assert_eq!((forward.share_of_product, forward.share_of_copy), (Some(0.4), Some(0.4)));
        assert_eq!(row("linear mlp.up", "backward").gflops_per_second, Some(40.0));
        // The shape is shown where it was one.
        assert_eq!(forward.shape, Vec::<usize>::new());
        assert_eq!(row("linear mlp.up", "backward").shape, [7, 3]);
        assert_eq!(row(OUTSIDE, "").gflops_per_second, None);
    }

    #[test]
    fn a_role_is_what_stands_behind_the_layer() {
        let named = |role: &str| name(&record("linear", Pass::Forward, role, &[], 0, 1));
        assert_eq!(named("layers.12.attn.qkv"), "linear attn.qkv");
        assert_eq!(named("towers.0.layers.3.mlp.up"), "linear mlp.up");
        assert_eq!(named("head"), "linear head");
        assert_eq!(named("heads.2"), "linear heads.2");
        assert_eq!(named(""), "linear");
    }
}
