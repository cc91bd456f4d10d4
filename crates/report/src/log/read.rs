//! The lines of an event log, one at a time.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use regimen_base::{Record, fs};

/// Longest line that is read. Ours are far shorter; a longer one is passed over without being held.
const LONGEST: u64 = 16 << 20;

/// Hand every whole record of the log at `path` to `each`.
pub(super) fn each(path: &Path, each: &mut dyn FnMut(Record)) -> fs::Result<()> {
    let failed = |e| fs::Error::new("read", path, e);
    let mut file = BufReader::with_capacity(1 << 18, fs::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        if line.len() as u64 == LONGEST && line.last() != Some(&b'\n') {
            file.skip_until(b'\n').map_err(failed)?;
            continue;
        }
        if let Ok(record) = serde_json::from_slice(&line) {
            each(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(bytes: &[u8]) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, bytes).unwrap();
        let mut found = 0;
        each(&path, &mut |_| found += 1).unwrap();
        found
    }

    #[test]
    fn broken_and_foreign_lines_are_passed_over() {
        let note = "{\"t\":1,\"k\":\"note\",\"level\":\"info\",\"text\":\"x\"}";
        let foreign = "{\"t\":1,\"k\":\"telepathy\"}";
        assert_eq!(notes(format!("{note}\n\n{foreign}\n\u{0}\n{note}\n{}", &note[..20]).as_bytes()), 2);
        assert_eq!(notes(note.as_bytes()), 1, "the last line needs no end");
        assert_eq!(notes(b""), 0);
    }

    #[test]
    fn a_line_without_end_is_not_held() {
        let note = b"{\"t\":1,\"k\":\"note\",\"level\":\"info\",\"text\":\"x\"}\n";
        let mut bytes = vec![b'x'; LONGEST as usize + 5];
        bytes.push(b'\n');
        bytes.extend_from_slice(note);
        assert_eq!(notes(&bytes), 1);
    }
}
