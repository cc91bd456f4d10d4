//! Doors for the fuzz targets in `fuzz/`, which are no part of the API: they lead to readers that are private, and check what
//! must hold whatever the input. They stand here so that those readers need not become public for a test's sake.

use std::path::Path;
use std::sync::Arc;

use regimen_base::Hash256;
use regimen_recipe::InputFile;
use serde_json::Value;

use crate::dolma::attributes::Writer;
use crate::dolma::offsets::Offsets;
use crate::dolma::row::Row;
use crate::error::{Place, Result};
use crate::expr::{Facts, parse};
use crate::read::attribute_row::{self, Beside};
use crate::read::chunk::{Chunks, How};
use crate::read::row::{Fields, RawRow, Scalar, mend_surrogates, parse as parse_row};
use crate::read::stream::Stream;
use crate::tag::{Buffers, Scratch, Set, Shape, TAGGERS, Tags, Wanted, stored};

fn place() -> Place {
    Place { file: "x".into(), unit: "line", number: 1 }
}

/// All taggers that need no files.
fn set() -> Set {
    let alone = |tagger: &Wanted| Set::new(std::slice::from_ref(tagger)).is_ok();
    let wanted: Vec<Wanted> = TAGGERS.iter().map(|kind| Wanted::named(kind.name)).filter(alone).collect();
    Set::new(&wanted).unwrap_or_else(|error| panic!("{error}"))
}

fn shapes(set: &Set) -> Vec<Shape> {
    set.attributes().iter().map(|attribute| attribute.attribute.shape).collect()
}

fn tags(set: &Set, text: &str, metadata: &str) -> Tags {
    let mut tags = Tags::default();
    set.tag(text, metadata, &mut Buffers::default(), &mut Scratch::default(), &mut tags);
    tags
}

/// What taggers find, and the forms in which it is kept.
pub struct Attributes {
    set: Set,
    shapes: Vec<Shape>,
    writer: Writer,
}

impl Default for Attributes {
    fn default() -> Attributes {
        Attributes::new()
    }
}

impl Attributes {
    /// With all taggers that need no files.
    pub fn new() -> Attributes {
        let set = set();
        let (shapes, writer) = (shapes(&set), Writer::new(&set, "x"));
        Attributes { set, shapes, writer }
    }

    /// Tag a text. Spans lie inside it and between its characters; what is stored comes back.
    pub fn tag(&self, text: &str, metadata: &str) {
        let tags = tags(&self.set, text, metadata);
        for (slot, attribute) in self.set.attributes().iter().enumerate() {
            for span in tags.spans(slot) {
                let range = span.start as usize..span.end as usize;
                assert!(text.get(range).is_some(), "{attribute:?}: {span:?}");
                assert!(span.score.is_finite(), "{attribute:?}: {span:?}");
            }
        }
        let mut bytes = Vec::new();
        stored::encode(&self.shapes, &tags, &mut bytes);
        let back = stored::decode(&self.shapes, &bytes, text.len() as u32);
        let back = back.unwrap_or_else(|error| panic!("{error}"));
        for (slot, shape) in self.shapes.iter().enumerate() {
            assert_eq!(back.spans(slot).len(), tags.spans(slot).len(), "slot {slot}");
            if *shape == Shape::Spans {
                let ranges =
                    |tags: &Tags| tags.spans(slot).iter().map(|s| (s.start, s.end)).collect::<Vec<_>>();
                assert_eq!(ranges(&back), ranges(&tags), "slot {slot}");
            }
        }
    }

    /// A row of a document file and the row of its attributes: one line of JSON whose offsets count code points.
    pub fn row(&self, line: &str) {
        let Ok(row) = Row::parse(line, place) else { return };
        let text = row.text();
        let tags = tags(&self.set, text, row.metadata());
        let (mut offsets, mut out) = (Offsets::default(), Vec::new());
        self.writer.write(&row, &tags, &mut offsets, &mut out);
        let lines = out.iter().filter(|&&byte| byte == b'\n').count();
        assert!(lines == 1 || line.contains('\n'), "{lines} lines");
        let written: Value = match serde_json::from_slice(&out) {
            Ok(written) => written,
            // An id or source that is no text is written as it came, whatever a value can hold.
            Err(error) => {
                let raw = [row.id(), row.source.map_or("", |source| source.get())];
                assert!(raw.iter().any(|raw| serde_json::from_str::<Value>(raw).is_err()), "{error}");
                return;
            }
        };
        let points = text.chars().count() as u64;
        for spans in written["attributes"].as_object().into_iter().flat_map(|all| all.values()) {
            for span in spans.as_array().into_iter().flatten() {
                let (start, end) = (span[0].as_u64(), span[1].as_u64());
                assert!(start <= end && end.is_some_and(|end| end <= points), "{span} of {points}");
            }
        }
        for (at, _) in text.char_indices().take(1000) {
            let point = offsets.code_points(text, at as u32);
            assert_eq!(point as usize, text[..at].chars().count());
        }
    }

    /// A row of an attribute file that another tool wrote, beside a document with this id and text: refused, or spans inside
    /// the text and between its characters.
    pub fn foreign(&self, line: &str, id: &str, text: &str) {
        let find = |name: &str| {
            let shape = [Shape::Spans, Shape::Value][name.len() % 2];
            Ok((name.len() < 9).then_some((name.len() as u32, shape)))
        };
        let beside = Beside { id, text: Some(text), called: &|| "the document".into() };
        let mut room = attribute_row::Room::default();
        room.begin();
        let read = attribute_row::read(line.as_bytes(), &place, &beside, &find, &mut room, &mut |_, span| {
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?}");
        });
        if let Err(error) = read {
            assert!(error.to_string().len() < 2000, "{error}");
        }
    }

    /// Stored tags, whatever the bytes: refused, or spans inside the text.
    pub fn stored(&self, bytes: &[u8]) {
        const LENGTH: u32 = 1000;
        let few = [Shape::Spans, Shape::Value, Shape::Flag, Shape::Spans];
        for shapes in [&few[..], &self.shapes] {
            let Ok(tags) = stored::decode(shapes, bytes, LENGTH) else { continue };
            for slot in 0..shapes.len() {
                assert!(tags.spans(slot).iter().all(|span| span.start <= span.end && span.end <= LENGTH));
            }
            let mut again = Vec::new();
            stored::encode(shapes, &tags, &mut again);
            assert!(stored::decode(shapes, &again, LENGTH).is_ok());
        }
    }
}

/// A row of a JSONL file, by both readers and by `serde_json`.
pub fn row(line: &str) {
    let fields = Fields { text: "text", id: "id" };
    let value = serde_json::from_str::<Value>(line);
    let parsed = parse_row(line, fields);
    match &parsed {
        Ok(row) => match value {
            _ if !row.metadata.is_empty() && mend_surrogates(&row.metadata) != row.metadata => {
                panic!("half of a pair in {}", row.metadata)
            }
            Ok(value) => same(row, &value),
            // What is passed over need not fit into a value.
            Err(error) => {
                let error = error.to_string();
                let beyond = ["number out of range", "recursion limit", "hex escape", "surrogate"];
                assert!(beyond.iter().any(|reason| error.contains(reason)), "{error}");
            }
        },
        Err(bad) => {
            assert!(bad.column >= 1 && !bad.reason.is_empty());
            if bad.surrogate {
                assert!(line.contains('\\'), "no half of a pair in {line}");
            }
        }
    }
    let mended = mend_surrogates(line);
    if parsed.is_ok() {
        assert!(parse_row(&mended, fields).is_ok(), "mended to {mended}");
    }
    if let Ok(row) = Row::parse(line, place) {
        assert!(row.line() == line);
        assert!(line.trim_start().starts_with('{'));
    }
}

fn same(row: &RawRow<'_>, value: &Value) {
    let alike = |scalar: &Scalar<'_>, value: &Value| match scalar {
        Scalar::Null => value.is_null(),
        Scalar::Text(text) => value.as_str() == Some(text),
        Scalar::Integer(digits) => serde_json::from_str::<Value>(digits).is_ok_and(|n| n == *value),
        Scalar::Other(_) => !value.is_string() && !value.is_null(),
    };
    for (field, scalar) in [("text", &row.text), ("id", &row.id), ("created", &row.created)] {
        assert!(alike(scalar, &value[field]), "{field}: {scalar:?} of {}", value[field]);
    }
}

/// A file, plain or packed, cut into chunks: nothing is lost, and its lines are numbered through. `blocks` other than 1 cuts
/// into blocks of so many bytes.
pub fn chunks(path: &Path, blocks: usize) {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    let file = InputFile { path: "x.jsonl".into(), full: path.into(), blake3: Hash256::of(b""), bytes };
    let whole = || -> Result<Vec<u8>> {
        let mut all = Vec::new();
        Stream::open(&file, Arc::default())?.append(&mut all, MOST)?;
        Ok(all)
    };
    let Ok(all) = whole() else { return };
    let hows = [How::Lines, How::Whole, How::Blocks(blocks)];
    for how in if all.len() < MOST { hows } else { [How::Lines; 3] } {
        let Ok(stream) = Stream::open(&file, Arc::default()) else { return };
        let mut chunks = Chunks::new(stream, how, 0, 0);
        let mut offset = 0;
        let mut next = 1;
        // A packed file may hold much more than it has bytes.
        while offset < MOST {
            let chunk = match chunks.next() {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(_) if all.len() >= MOST => return,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(chunk.offset as usize, offset);
            assert_eq!(chunk.first, next);
            if offset + chunk.data.len() <= all.len() {
                assert!(chunk.data == all[offset..offset + chunk.data.len()]);
            }
            offset += chunk.data.len();
            next += match &chunk.ends {
                Some(ends) => {
                    assert!(ends.is_sorted() && ends.last() == Some(&chunk.data.len()));
                    ends.len() as u64
                }
                None => chunk.data.iter().filter(|&&byte| byte == b'\n').count() as u64,
            };
            if how == How::Lines {
                let _ = chunk.rows("x", |line, place| {
                    assert!(!line.contains('\n') && place().number >= chunk.first && place().number <= next);
                    Ok(())
                });
            }
        }
        assert!(all.len() >= MOST || offset == all.len(), "{offset} of {}", all.len());
    }
}

/// Bytes of a file that are looked at.
const MOST: usize = 4 << 20;

/// Filter expressions over the attributes of all taggers.
pub struct Expressions {
    set: Set,
}

impl Default for Expressions {
    fn default() -> Expressions {
        Expressions::new()
    }
}

impl Expressions {
    /// With all taggers that need no files.
    pub fn new() -> Expressions {
        Expressions { set: set() }
    }

    /// Whether an expression holds for a document; nothing if it is refused.
    pub fn holds(&self, expression: &str, text: &str, metadata: &str) -> Option<bool> {
        let truth = match parse(expression, &self.set) {
            Ok(truth) => truth,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return None;
            }
        };
        let tags = tags(&self.set, text, metadata);
        let facts = Facts {
            text,
            bytes: text.len(),
            source: "s",
            id: "1",
            licence: "MIT",
            author: "human",
            metadata,
            tags: &tags,
        };
        Some(truth.of(&facts))
    }
}
