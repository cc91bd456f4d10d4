//! A WARC record, and the lines of named fields before its block.

use serde_json::Value;

use super::Span;

/// What a record holds, by its field `WARC-Type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// About the file.
    Warcinfo,
    /// What a server answered, with its protocol headers.
    Response,
    /// Something fetched, without protocol headers.
    Resource,
    /// What the crawler asked.
    Request,
    /// About another record; WAT files keep JSON in it.
    Metadata,
    /// Seen before.
    Revisit,
    /// Another form of a record; WET files keep the text in it.
    Conversion,
    /// The rest of a record that was cut.
    Continuation,
    /// A type that the standard does not know; readers pass over it.
    Other(String),
}

impl Kind {
    /// By its name, in any case of letters.
    pub fn of_name(name: &str) -> Kind {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "warcinfo" => Kind::Warcinfo,
            "response" => Kind::Response,
            "resource" => Kind::Resource,
            "request" => Kind::Request,
            "metadata" => Kind::Metadata,
            "revisit" => Kind::Revisit,
            "conversion" => Kind::Conversion,
            "continuation" => Kind::Continuation,
            _ => Kind::Other(lower),
        }
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        match self {
            Kind::Warcinfo => "warcinfo",
            Kind::Response => "response",
            Kind::Resource => "resource",
            Kind::Request => "request",
            Kind::Metadata => "metadata",
            Kind::Revisit => "revisit",
            Kind::Conversion => "conversion",
            Kind::Continuation => "continuation",
            Kind::Other(name) => name,
        }
    }
}

/// Named fields in the order of the file. Names are compared without regard to case; of several, the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Add the lines of `block`. Lines that begin with a space go on with the one before. Gives back the first line
    /// that is neither, and how many such lines there were.
    pub(super) fn parse(block: &[u8]) -> (Fields, Option<String>) {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut odd = None;
        for line in block.split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if let (b' ' | b'\t', Some((_, value))) = (line[0], fields.last_mut()) {
                value.push(' ');
                value.push_str(String::from_utf8_lossy(line).trim());
                continue;
            }
            match line.iter().position(|&b| b == b':') {
                Some(colon) if colon > 0 => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
                    fields.push((text(&line[..colon]), text(&line[colon + 1..])));
                }
                _ if odd.is_none() => {
                    odd = Some(String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned());
                }
                _ => {}
            }
        }
        (Fields(fields), odd)
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its type.
    pub kind: Kind,
    /// `WARC-Record-ID` without the angle brackets.
    pub id: String,
    /// `WARC-Target-URI`.
    pub target_uri: Option<String>,
    /// `WARC-Date` as it is written, by the standard as `2026-11-26T10:00:00Z`.
    pub date: Option<String>,
    /// `Content-Type` of the block.
    pub content_type: Option<String>,
    /// `WARC-Truncated`: why the crawler kept a part only.
    pub truncated: Option<String>,
    /// `1.0` or `1.1`.
    pub version: String,
    /// All named fields.
    pub fields: Fields,
    /// The block.
    pub payload: Vec<u8>,
    /// Where it lies.
    pub span: Span,
}

impl Record {
    /// The block as JSON, if it says that it is: the metadata records of WAT files.
    pub fn json(&self) -> Option<serde_json::Result<Value>> {
        let media = self.content_type.as_deref().map(super::media_type)?;
        (media == "application/json").then(|| serde_json::from_slice(&self.payload))
    }

    /// Whether the block is what a WAT file says of an answer of a server, to be read with [`super::Wat::parse`].
    pub fn is_wat(&self) -> bool {
        self.kind == Kind::Metadata
            && self.content_type.as_deref().map(super::media_type).is_some_and(|m| m == "application/json")
            && memchr::memmem::find(&self.payload, b"\"HTTP-Response-Metadata\"").is_some()
    }

    /// The block as plain text in UTF-8, if it says that it is: the conversion records of WET files. Bytes that are not
    /// UTF-8 become U+FFFD; the flag says whether there were any.
    pub fn text(&self) -> Option<(String, bool)> {
        let media = self.content_type.as_deref().map(super::media_type)?;
        (media == "text/plain" && self.kind != Kind::Response).then(|| {
            let text = String::from_utf8_lossy(&self.payload);
            let replaced = matches!(text, std::borrow::Cow::Owned(_));
            (text.into_owned(), replaced)
        })
    }

    /// Whether the block is an HTML page without protocol headers.
    pub fn is_page(&self) -> bool {
        let media = self.content_type.as_deref().map(super::media_type);
        self.kind == Kind::Resource && media.is_some_and(|m| m == "text/html" || m == "application/xhtml+xml")
    }

    /// The character set that the field `Content-Type` names, for a block without protocol headers.
    pub fn charset(&self) -> Option<&str> {
        super::http::charset(self.content_type.as_deref()?)
    }

    /// Whether the block is an answer over HTTP, to be read with [`super::Response::parse`].
    pub fn is_http(&self) -> bool {
        self.kind == Kind::Response
            && (self.content_type.as_deref().map(super::media_type).is_some_and(|m| m == "application/http")
                || self.payload.starts_with(b"HTTP/"))
    }
}

/// Why a record is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It cannot be read.
    Damaged,
    /// Its block is above [`super::Options::max_bytes`].
    TooLarge,
}

/// A record that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub why: Why,
    /// Offset in the file of its member, or of itself in a plain file.
    pub offset: u64,
    /// Bytes of the file up to where reading goes on; 0 where that is in the same member.
    pub length: u64,
    /// Unpacked bytes of the member before it, as far as that is known.
    pub within: u64,
    /// Its id if that much could be read.
    pub id: Option<String>,
    /// What is wrong: a field's name, `version`, `header`, `member`, `block`.
    pub field: &'static str,
    /// In words.
    pub reason: String,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record.
    Record(Box<Record>),
    /// Something that is no record, or too large a one.
    Skipped(Skipped),
}

/// How many there were so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records given.
    pub records: u64,
    /// Places passed over because they are damaged.
    pub damaged: u64,
    /// Records passed over because they are too large.
    pub too_large: u64,
    /// Bytes of the file in all that was passed over.
    pub skipped_bytes: u64,
}
