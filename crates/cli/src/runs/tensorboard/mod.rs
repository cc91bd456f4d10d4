//! The numbers and samples of a run as an event file of TensorBoard.
//!
//! A file is a row of records (TFRecord: length, its checksum, data, its checksum), each of which is an `Event` of
//! `tensorflow/core/util/event.proto`; the first names the version of the format. Scalars are 32 bits wide there. Samples
//! are tensors of strings that belong to the plug-in `text`.

mod crc32c;
mod protobuf;

use std::path::Path;

use regimen_base::{Event, Record, events, fs};

use crc32c::masked;
use protobuf::Message;

/// The name of a run's file, which has to hold the word `tfevents`.
pub fn file_name(started: f64) -> String {
    format!("events.out.tfevents.{:010}.regimen", started.max(0.0) as u64)
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Written {
    pub scalars: u64,
    pub texts: u64,
}

/// Write all scalars and samples of an event log to `out`.
pub fn write(log: &Path, started: f64, out: &mut fs::File) -> fs::Result<Written> {
    record(out, &Message::default().double(1, started).bytes(3, b"brain.Event:2"))?;
    let mut written = Written::default();
    let mut failed = None;
    events::each(log, |event| {
        if failed.is_none()
            && let Some((message, scalars, texts)) = message(event)
        {
            failed = record(out, &message).err();
            written.scalars += scalars;
            written.texts += texts;
        }
    })?;
    failed.map_or(Ok(written), Err)
}

/// The event for one of ours, with how many scalars and texts it holds.
fn message(Record { t, event }: Record) -> Option<(Message, u64, u64)> {
    let (step, summary, scalars, texts) = match event {
        Event::Metrics { step, values } => {
            let mut summary = Message::default();
            let scalars = values.len() as u64;
            for (name, value) in values {
                let scalar = Message::default().bytes(1, name.as_bytes()).float(2, value.0 as f32);
                summary = summary.message(1, &scalar);
            }
            (step, summary, scalars, 0)
        }
        Event::Sample { step, prompt, text } => {
            // Shown as Markdown: four spaces before a line keep it as it is.
            let body: Vec<String> =
                format!("{prompt}{text}").lines().map(|line| format!("    {line}")).collect();
            let tag = format!("sample/{}", prompt.lines().next().unwrap_or_default());
            (step, Message::default().message(1, &text_value(&tag, &body.join("\n"))), 0, 1)
        }
        _ => return None,
    };
    Some((Message::default().double(1, t).int(2, step).message(5, &summary), scalars, texts))
}

/// A `Summary.Value` with a tensor of one string.
fn text_value(tag: &str, text: &str) -> Message {
    const STRING: u64 = 7;
    const DATA_CLASS_TENSOR: u64 = 2;
    let shape = Message::default().message(2, &Message::default().int(1, 1));
    let tensor = Message::default().int(1, STRING).message(2, &shape).bytes(8, text.as_bytes());
    let plugin = Message::default().bytes(1, b"text");
    let metadata = Message::default().message(1, &plugin).int(4, DATA_CLASS_TENSOR);
    Message::default().bytes(1, tag.as_bytes()).message(8, &tensor).message(9, &metadata)
}

fn record(out: &mut fs::File, message: &Message) -> fs::Result<()> {
    let length = (message.0.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(message.0.len() + 16);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&masked(&length).to_le_bytes());
    bytes.extend_from_slice(&message.0);
    bytes.extend_from_slice(&masked(&message.0).to_le_bytes());
    out.put(&bytes)
}

#[cfg(test)]
mod tests {
    use super::protobuf::tests::{Field, fields};
    use super::*;
    use regimen_base::EventLog;

    /// The records of a file, their checksums looked at.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!(number(8), masked(&bytes[..8]));
            let data = &bytes[12..12 + length];
            assert_eq!(number(12 + length), masked(data));
            out.push(data.to_vec());
            bytes = &bytes[16 + length..];
        }
        out
    }

    fn inner(message: &[u8], field: u64) -> Vec<u8> {
        let found = fields(message).into_iter().find(|(number, _)| *number == field);
        match found {
            Some((_, Field::Bytes(bytes))) => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_and_samples_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let (log, out) = (dir.path().join("events.jsonl"), dir.path().join(file_name(1.5)));
        let mut events = EventLog::open(&log, 0, None).unwrap();
        events.metrics(1, &[("loss", 2.5), ("lr", 1e-3)]).unwrap();
        events.metrics(1 << 40, &[("loss", f64::NAN)]).unwrap();
        let sample = Event::Sample { step: 7, prompt: "The é".into(), text: " end\nof".into() };
        events.emit(sample).unwrap();
        events.note(None, "left out").unwrap();
        drop(events);
        let mut file = fs::create(&out).unwrap();
        assert_eq!(write(&log, 1.5, &mut file).unwrap(), Written { scalars: 3, texts: 1 });
        file.finish().unwrap();
        let all = records(&std::fs::read(&out).unwrap());
        assert_eq!(all.len(), 4);
        assert_eq!(fields(&all[0]), [(1, Field::Double(1.5)), (3, Field::Bytes(b"brain.Event:2".to_vec()))]);
        assert!(
            fields(&all[1]).contains(&(2, Field::Int(1)))
                && fields(&all[2]).contains(&(2, Field::Int(1 << 40)))
        );
        let values: Vec<Vec<(u64, Field)>> = fields(&inner(&all[1], 5))
            .into_iter()
            .map(|(_, value)| match value {
                Field::Bytes(bytes) => fields(&bytes),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(values[0], [(1, Field::Bytes(b"loss".to_vec())), (2, Field::Float(2.5))]);
        assert_eq!(values[1], [(1, Field::Bytes(b"lr".to_vec())), (2, Field::Float(1e-3))]);
        let value = inner(&inner(&all[3], 5), 1);
        assert_eq!(inner(&value, 1), "sample/The é".as_bytes());
        let tensor = inner(&value, 8);
        assert!(fields(&tensor).contains(&(1, Field::Int(7))));
        assert_eq!(inner(&tensor, 8), "    The é end\n    of".as_bytes());
        assert_eq!(inner(&inner(&inner(&value, 9), 1), 1), b"text");
    }
}
