//! An answer over HTTP/1.x as a WARC record keeps it: status, headers, body.
//!
//! RFC 9112: message format and chunked transfer encoding; RFC 9110 section 8.4: content encodings.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::record::Fields;

/// Bytes of the status line and headers at most.
const HEADER: usize = 1 << 20;

/// Encodings of a body at most, as curl has it.
const CODINGS: usize = 5;

/// Why a block is no readable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It does not begin as HTTP does.
    NotHttp {
        /// Its first characters.
        found: String,
    },
    /// A content or transfer encoding that is not undone here, such as `br`.
    Encoding {
        /// Its name in lower case.
        name: String,
    },
    /// More encodings, one in another, than anybody sends; each may unpack to the limit.
    Nested {
        /// How many.
        encodings: usize,
    },
    /// The body unpacks to more than the limit.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The body does not unpack.
    Damaged {
        /// In the words of the decompressor.
        reason: String,
    },
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unreadable::NotHttp { found } => write!(f, "expected `HTTP/1.1 200 OK`, found `{found}`"),
            Unreadable::Encoding { name } => write!(f, "the encoding `{name}` is not supported"),
            Unreadable::Nested { encodings } => {
                write!(f, "{encodings} encodings, one in another; at most {CODINGS} are undone")
            }
            Unreadable::TooLarge { limit } => write!(f, "the body unpacks to more than {limit} bytes"),
            Unreadable::Damaged { reason } => write!(f, "the body does not unpack: {reason}"),
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code, such as 200.
    pub status: u16,
    /// Header fields as they were sent.
    pub headers: Fields,
    /// The body, with transfer and content encodings undone.
    pub body: Vec<u8>,
    /// Whether the body is whole: its last chunk, its checksum or its announced length is there.
    pub complete: bool,
}

impl Response {
    /// Take an answer apart; `max_bytes` limits the unpacked body.
    ///
    /// Crawlers often store a body that is already decoded under the headers of the encoded one. So a body that does not
    /// begin as its encoding must is taken as it is.
    ///
    /// # Errors
    /// When the block is not HTTP, or the body cannot be unpacked within the limit.
    pub fn parse(block: &[u8], max_bytes: u64) -> Result<Response, Unreadable> {
        let line_end = block.iter().take(HEADER).position(|&b| b == b'\n');
        let status = line_end.and_then(|end| status(&block[..end])).ok_or_else(|| Unreadable::NotHttp {
            found: String::from_utf8_lossy(&block[..block.len().min(20)]).lines().next().unwrap_or("").into(),
        })?;
        let start = line_end.map_or(0, |end| end + 1);
        let (header_end, body_start) = header_end(block, start);
        let (headers, _) = Fields::parse(&block[start..header_end]);
        let mut body = block[body_start..].to_vec();
        let mut complete = true;
        let transfer = list(&headers, "Transfer-Encoding");
        if transfer.iter().any(|name| name == "chunked") {
            if let Some((whole, ended)) = unchunk(&body) {
                (body, complete) = (whole, ended);
            }
        } else if let Some(length) = headers.get("Content-Length").and_then(|v| v.parse::<usize>().ok()) {
            complete = body.len() >= length;
        }
        let codings = list(&headers, "Content-Encoding");
        let packed_transfer = transfer.into_iter().filter(|name| name != "chunked");
        let all: Vec<String> = codings.into_iter().chain(packed_transfer).collect();
        if all.len() > CODINGS {
            return Err(Unreadable::Nested { encodings: all.len() });
        }
        // The last coding was applied last; a coded transfer lies around it all.
        for coding in all.into_iter().rev() {
            let (unpacked, whole) = undo(&coding, body, max_bytes)?;
            body = unpacked;
            complete &= whole;
        }
        if body.len() as u64 > max_bytes {
            return Err(Unreadable::TooLarge { limit: max_bytes });
        }
        Ok(Response { status, headers, body, complete })
    }

    /// The media type in lower case without parameters, such as `text/html`.
    pub fn media_type(&self) -> Option<String> {
        self.headers.get("Content-Type").map(super::media_type).filter(|media| !media.is_empty())
    }

    /// The character set that the header names.
    pub fn charset(&self) -> Option<&str> {
        charset(self.headers.get("Content-Type")?)
    }
}

/// The parameter `charset` of a media type.
pub(super) fn charset(value: &str) -> Option<&str> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

fn status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(&line[..line.len().min(200)]).ok()?;
    let rest = line.strip_prefix("HTTP/").or_else(|| line.strip_prefix("http/"))?;
    let code = rest.split_ascii_whitespace().nth(1)?;
    code.parse().ok().filter(|code| (100..1000).contains(code))
}

/// Where the headers end and the body starts.
fn header_end(block: &[u8], start: usize) -> (usize, usize) {
    let mut line = start;
    while line < block.len().min(start + HEADER) {
        let end = block[line..].iter().position(|&b| b == b'\n').map_or(block.len(), |at| line + at + 1);
        if matches!(&block[line..end], b"\n" | b"\r\n") {
            return (line, end);
        }
        line = end;
    }
    (line.min(block.len()), line.min(block.len()))
}

fn list(headers: &Fields, name: &str) -> Vec<String> {
    let values = headers.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let names = values.flat_map(|(_, value)| value.split(','));
    names.map(|n| n.trim().to_ascii_lowercase()).filter(|n| !n.is_empty() && n != "identity").collect()
}

/// The chunks put together, and whether the last one was there. `None` where no chunk starts.
fn unchunk(body: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    loop {
        let rest = &body[at..];
        // A size of 16 digits with extensions and line end fits into so much.
        let line = rest.iter().take(1 << 12).position(|&b| b == b'\n');
        let size = line.and_then(|end| chunk_size(&rest[..end]));
        let (Some(end), Some(size)) = (line, size) else {
            return if at == 0 { None } else { Some((out, false)) };
        };
        if size == 0 {
            return Some((out, true));
        }
        let data = &rest[end + 1..];
        if data.len() < size {
            out.extend_from_slice(data);
            return Some((out, false));
        }
        out.extend_from_slice(&data[..size]);
        let after = &data[size..];
        let blank = if after.starts_with(b"\r\n") { 2 } else { usize::from(after.starts_with(b"\n")) };
        at += end + 1 + size + blank;
    }
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?;
    let digits = line.split(';').next()?.trim();
    let hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if hex { usize::from_str_radix(digits, 16).ok() } else { None }
}

/// Undo one content coding. The flag says whether its data was whole.
fn undo(coding: &str, body: Vec<u8>, limit: u64) -> Result<(Vec<u8>, bool), Unreadable> {
    match coding {
        "gzip" | "x-gzip" if body.starts_with(&[0x1f, 0x8b]) => unpack(GzDecoder::new(&body[..]), limit),
        "deflate" if zlib(&body) => unpack(ZlibDecoder::new(&body[..]), limit),
        // Many servers send bare deflate data under this name. Text cannot be told from it for sure: try.
        "deflate" => Ok(unpack(DeflateDecoder::new(&body[..]), limit).or_else(|error| {
            if error == (Unreadable::TooLarge { limit }) { Err(error) } else { Ok((body, true)) }
        })?),
        "gzip" | "x-gzip" => Ok((body, true)),
        other => Err(Unreadable::Encoding { name: other.chars().take(40).collect() }),
    }
}

/// RFC 1950: method 8, and a header that 31 divides.
fn zlib(body: &[u8]) -> bool {
    matches!(body, [cmf, flg, ..] if cmf & 0x0f == 8 && (u32::from(*cmf) * 256 + u32::from(*flg)) % 31 == 0)
}

fn unpack(mut decoder: impl Read, limit: u64) -> Result<(Vec<u8>, bool), Unreadable> {
    let mut out = Vec::new();
    let read = decoder.by_ref().take(limit.saturating_add(1)).read_to_end(&mut out);
    if out.len() as u64 > limit {
        return Err(Unreadable::TooLarge { limit });
    }
    match read {
        Ok(_) => Ok((out, true)),
        // A body that was cut gives what there is of it.
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof && !out.is_empty() => Ok((out, false)),
        Err(e) => Err(Unreadable::Damaged { reason: e.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn chunked(data: &[u8], size: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for part in data.chunks(size) {
            out.extend_from_slice(format!("{:X};a=b\r\n", part.len()).as_bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
        out
    }

    fn answer(headers: &str, body: &[u8]) -> Result<Response, Unreadable> {
        let mut block = format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
        block.extend_from_slice(body);
        Response::parse(&block, 1 << 20)
    }

    #[test]
    fn encodings_are_undone() {
        let text = b"so much text, so much text, so much text".repeat(9);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&text).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
        raw.write_all(&text).unwrap();
        let (zlib, raw, gz) = (zlib.finish().unwrap(), raw.finish().unwrap(), gzip(&text));
        for (headers, body) in [
            ("", text.clone()),
            ("Content-Encoding: gzip\r\n", gz.clone()),
            ("content-encoding: X-GZIP\r\nTransfer-Encoding: chunked\r\n", chunked(&gz, 7)),
            ("Content-Encoding: deflate\r\n", zlib),
            ("Content-Encoding: deflate\r\n", raw),
            ("Content-Encoding: identity\r\nTransfer-Encoding: Chunked\r\n", chunked(&text, 100)),
            ("Content-Encoding: gzip, gzip\r\n", gzip(&gz)),
            ("Transfer-Encoding: gzip, chunked\r\n", chunked(&gz, 50)),
            // Stored decoded, with the headers of the encoded answer.
            ("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", text.clone()),
        ] {
            let got = answer(headers, &body).unwrap_or_else(|e| panic!("{headers}: {e}"));
            assert_eq!((got.status, got.body, got.complete), (200, text.clone(), true), "{headers}");
        }
    }

    #[test]
    fn what_is_cut_is_given_and_said() {
        let text: Vec<u8> = (0..5000u32).flat_map(|i| i.to_string().into_bytes()).collect();
        let gz = gzip(&text);
        let half = answer("Content-Encoding: gzip\r\n", &gz[..gz.len() / 2]).unwrap();
        assert!(!half.complete && text.starts_with(&half.body) && half.body.len() > 1000);
        let cut = answer("Transfer-Encoding: chunked\r\n", b"5\r\nabcde\r\n5\r\nfg").unwrap();
        assert_eq!((cut.body, cut.complete), (b"abcdefg".to_vec(), false));
        let short = answer("Content-Length: 100\r\n", b"abc").unwrap();
        assert_eq!((short.body, short.complete), (b"abc".to_vec(), false));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let why = |result: Result<Response, Unreadable>| result.unwrap_err().to_string();
        assert_eq!(why(answer("Content-Encoding: br\r\n", b"xx")), "the encoding `br` is not supported");
        assert_eq!(
            why(Response::parse(b"GET / HTTP/1.1\r\n\r\n", 9)),
            "expected `HTTP/1.1 200 OK`, found `GET / HTTP/1.1`"
        );
        assert_eq!(why(Response::parse(b"", 9)), "expected `HTTP/1.1 200 OK`, found ``");
        let nested = |n: usize| {
            let body = (0..n).fold(b"text".to_vec(), |body, _| gzip(&body));
            answer(
                &format!(
                    "Content-Encoding: {}\r\nTransfer-Encoding: gzip\r\n",
                    vec!["gzip"; n - 1].join(",")
                ),
                &body,
            )
        };
        assert_eq!(nested(5).unwrap().body, b"text");
        assert_eq!(why(nested(6)), "6 encodings, one in another; at most 5 are undone");
        // A megabyte and one byte of zeros from one kilobyte.
        let bomb = gzip(&vec![0; (1 << 20) + 1]);
        assert_eq!(
            why(answer("Content-Encoding: gzip\r\n", &bomb)),
            "the body unpacks to more than 1048576 bytes"
        );
        let mut bad = gzip(b"hello hello hello hello");
        bad[12] ^= 0xff;
        assert!(why(answer("Content-Encoding: gzip\r\n", &bad)).starts_with("the body does not unpack: "));
    }

    #[test]
    fn headers_of_all_kinds() {
        let got =
            answer("A: 1\r\nB:2\n c\r\nContent-Type: Text/HTML ; x=y; Charset=\"utf-8\"\r\n", b"").unwrap();
        assert_eq!((got.headers.get("a"), got.headers.get("b")), (Some("1"), Some("2 c")));
        assert_eq!((got.media_type().as_deref(), got.charset()), (Some("text/html"), Some("utf-8")));
        let bare = Response::parse(b"HTTP/1.0 404 Not Found\n\nx", 9).unwrap();
        assert_eq!((bare.status, bare.body), (404, b"x".to_vec()));
        let open = Response::parse(b"HTTP/1.0 404 Not Found\r\nA: b", 9).unwrap();
        assert_eq!((open.headers.get("a"), open.body.len()), (Some("b"), 0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_without_panic(
            headers in "[a-zA-Z: \r\n,;=-]{0,80}",
            body in proptest::collection::vec(any::<u8>(), 0..300),
            coding in prop::sample::select(vec!["", "Content-Encoding: gzip\r\n", "Content-Encoding: deflate\r\n", "Transfer-Encoding: chunked\r\n"]),
        ) {
            if let Ok(answer) = answer(&format!("{coding}{headers}"), &body) {
                prop_assert!(answer.body.len() <= 1 << 20);
            }
        }

        #[test]
        fn chunks_come_back(body in proptest::collection::vec(any::<u8>(), 0..400), size in 1usize..50) {
            prop_assert_eq!(unchunk(&chunked(&body, size)), Some((body, true)));
        }
    }
}
