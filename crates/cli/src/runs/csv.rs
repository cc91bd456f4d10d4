//! The numbers of a run as CSV (RFC 4180, with line feeds): one row a step, one column a metric.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use regimen_base::{Event, events, fs};

/// Write all scalars of an event log to `out`; gives back rows and columns. Numbers have as many digits as it takes to
/// read the same number back; what was not a number is `nan`; what was not measured at a step is empty.
pub fn write(log: &Path, out: &mut fs::File) -> fs::Result<(u64, usize)> {
    let mut names = BTreeSet::new();
    events::each(log, |record| {
        if let Event::Metrics { values, .. } = record.event {
            for name in values.into_keys() {
                names.insert(name);
            }
        }
    })?;
    let columns: BTreeMap<&String, usize> = names.iter().enumerate().map(|(i, name)| (name, i)).collect();
    let head: Vec<String> =
        ["step", "time"].into_iter().map(String::from).chain(names.iter().map(|n| quoted(n))).collect();
    out.put((head.join(",") + "\n").as_bytes())?;

    let mut rows = 0;
    let mut row = Row { step: None, time: 0.0, cells: vec![None; names.len()] };
    let mut failed = None;
    events::each(log, |record| {
        if let Event::Metrics { step, values } = record.event
            && failed.is_none()
        {
            // What is measured at one step, one after the other, is one row.
            if row.step != Some(step) {
                failed = row.put(out, &mut rows).err();
                row.step = Some(step);
            }
            row.time = record.t;
            for (name, value) in values {
                if let Some(&column) = columns.get(&name) {
                    row.cells[column] = Some(value.0);
                }
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    row.put(out, &mut rows)?;
    Ok((rows, names.len()))
}

struct Row {
    step: Option<u64>,
    time: f64,
    cells: Vec<Option<f64>>,
}

impl Row {
    fn put(&mut self, out: &mut fs::File, rows: &mut u64) -> fs::Result<()> {
        let Some(step) = self.step.take() else { return Ok(()) };
        let mut line = format!("{step},{}", self.time).into_bytes();
        for cell in &mut self.cells {
            // Writing into memory does not fail.
            let _ = match cell.take() {
                Some(x) if x.is_nan() => write!(line, ",nan"),
                Some(x) => write!(line, ",{x}"),
                None => write!(line, ","),
            };
        }
        line.push(b'\n');
        *rows += 1;
        out.put(&line)
    }
}

/// A cell, in quotes if it needs them.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_base::EventLog;

    #[test]
    fn one_row_a_step_one_column_a_metric() {
        let dir = tempfile::tempdir().unwrap();
        let (log, out) = (dir.path().join("events.jsonl"), dir.path().join("out.csv"));
        let mut events = EventLog::open(&log, 0, None).unwrap();
        events.metrics(1, &[("loss", 0.1 + 0.2), ("a,\"b\"", 1e-300)]).unwrap();
        events.metrics(2, &[("loss", f64::NAN)]).unwrap();
        events.metrics(2, &[("bpb", 2.0)]).unwrap();
        events.note(None, "not a number").unwrap();
        drop(events);
        // A line that was cut is passed over.
        let mut bytes = std::fs::read(&log).unwrap();
        bytes.extend_from_slice(b"{\"t\":1,\"k\":\"metrics\",\"step\":3,\"val");
        std::fs::write(&log, bytes).unwrap();
        let mut file = fs::create(&out).unwrap();
        assert_eq!(write(&log, &mut file).unwrap(), (2, 3));
        file.finish().unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(text.lines().next().unwrap(), "step,time,\"a,\"\"b\"\"\",bpb,loss");
        assert_eq!(
            (lines[0][2].parse::<f64>().unwrap(), lines[0][3], lines[0][4]),
            (1e-300, "", "0.30000000000000004")
        );
        assert_eq!((lines[1][0], lines[1][2], lines[1][3], lines[1][4]), ("2", "", "2", "nan"));
        assert_eq!(lines.len(), 2);
    }
}
