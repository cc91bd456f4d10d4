//! Files written here, whole and broken in every way.

use std::io::{Cursor, Read, Write as _};

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc, FlushCompress};
use proptest::prelude::*;
use regimen_base::Hint as _;

use super::*;
use crate::Error;

fn record(kind: &str, id: &str, extra: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{id}>\r\nWARC-Date: 2026-11-26T10:00:00Z\r\n\
         {extra}Content-Length: {}\r\n\r\n",
        payload.len()
    )
    .into_bytes();
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n\r\n");
    out
}

fn pack(packing: Packing, data: &[u8]) -> Vec<u8> {
    match packing {
        Packing::Plain => data.to_vec(),
        Packing::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Packing::Zstd => zstd::encode_all(data, 3).unwrap(),
    }
}

fn three() -> [Vec<u8>; 3] {
    let html = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>one</p>";
    let noise: Vec<u8> = (0..40_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    [
        record(
            "response",
            "a",
            "WARC-Target-URI: <http://a.b/c>\r\nContent-Type: application/http\r\n",
            html,
        ),
        record("conversion", "b", "Content-Type: text/plain\r\n", "zwei \u{e9}".as_bytes()),
        record("resource", "c", "Content-Type: image/png\r\nwarc-truncated: length\r\n", &noise),
    ]
}

const SKIP: Options = Options { max_bytes: 64 << 20, damaged: Damaged::Skip };

/// Hands bytes out in small pieces, as a socket does.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.len().min(self.1).min(out.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn read(data: &[u8], options: Options) -> (Vec<Item>, Option<Error>, Counts) {
    let mut reader = match Reader::new("x.warc", Drip(data, 777), options) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error), Counts::default()),
    };
    let mut items = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, None, reader.counts()),
            Err(error) => {
                assert!(reader.next().unwrap().is_none(), "nothing follows an error");
                return (items, Some(error), reader.counts());
            }
        }
    }
}

fn ids(items: &[Item]) -> Vec<String> {
    let name = |item: &Item| match item {
        Item::Record(record) => record.id.trim_start_matches("urn:uuid:").to_string(),
        Item::Skipped(skipped) => format!("{:?} {}", skipped.why, skipped.field),
    };
    items.iter().map(name).collect()
}

#[test]
fn every_packing_gives_the_same_records_with_their_places() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let parts = three().map(|part| pack(packing, &part));
        let (items, error, counts) = read(&parts.concat(), Options::default());
        assert!(error.is_none(), "{packing:?}: {error:?}");
        assert_eq!((ids(&items), counts.records), (vec!["a".into(), "b".into(), "c".into()], 3));
        let mut offset = 0;
        for (item, part) in items.iter().zip(&parts) {
            let Item::Record(record) = item else { panic!("{item:?}") };
            let length = part.len() as u64;
            assert_eq!(record.span, Span { offset, length: Some(length), within: 0 }, "{packing:?}");
            offset += length;
        }
        let Item::Record(first) = &items[0] else { panic!() };
        assert_eq!(first.target_uri.as_deref(), Some("http://a.b/c"));
        assert_eq!(first.date.as_deref(), Some("2026-11-26T10:00:00Z"));
        assert_eq!((first.version.as_str(), &first.kind), ("1.1", &Kind::Response));
        assert!(first.is_http());
        let answer = Response::parse(&first.payload, 1000).unwrap();
        assert_eq!((answer.charset(), &answer.body[..]), (Some("utf-8"), &b"<p>one</p>"[..]));
        let Item::Record(second) = &items[1] else { panic!() };
        assert_eq!(second.text(), Some(("zwei \u{e9}".into(), false)));
        let Item::Record(third) = &items[2] else { panic!() };
        assert_eq!((third.truncated.as_deref(), third.text()), (Some("length"), None));
    }
}

#[test]
fn one_member_may_hold_many_records() {
    for packing in [Packing::Gzip, Packing::Zstd] {
        let parts = three();
        let file = pack(packing, &parts.concat());
        let (items, error, _) = read(&file, Options::default());
        assert!(error.is_none());
        let spans: Vec<Span> = items
            .iter()
            .map(|item| match item {
                Item::Record(record) => record.span,
                Item::Skipped(_) => panic!(),
            })
            .collect();
        assert_eq!(spans[0], Span { offset: 0, length: None, within: 0 });
        assert_eq!(spans[1], Span { offset: 0, length: None, within: parts[0].len() as u64 });
        assert_eq!(spans[2].within, (parts[0].len() + parts[1].len()) as u64);
        assert_eq!(spans[2].length, Some(file.len() as u64));
    }
}

#[test]
fn a_dictionary_in_the_first_frame_is_used() {
    let dictionary = three().concat();
    for packed in [false, true] {
        let raw = if packed { zstd::encode_all(&dictionary[..], 3).unwrap() } else { dictionary.clone() };
        let mut file = 0x184D_2A5Du32.to_le_bytes().to_vec();
        file.extend_from_slice(&(raw.len() as u32).to_le_bytes());
        file.extend_from_slice(&raw);
        let starts = three().map(|part| {
            let start = file.len();
            let mut encoder = zstd::stream::Encoder::with_dictionary(&mut file, 3, &dictionary).unwrap();
            encoder.write_all(&part).unwrap();
            encoder.finish().unwrap();
            start
        });
        let (items, error, _) = read(&file, Options::default());
        assert!(error.is_none(), "{error:?}");
        assert_eq!(ids(&items), ["a", "b", "c"]);
        let Item::Record(second) = &items[1] else { panic!() };
        assert_eq!(second.span.offset, starts[1] as u64);
        // A damaged frame is passed over with the dictionary at hand.
        file[starts[1] + 8] ^= 0xff;
        assert_eq!(ids(&read(&file, SKIP).0).last().map(String::as_str), Some("c"));
    }
}

#[test]
fn damage_is_named_or_skipped_and_the_next_record_is_found() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let good = three().map(|part| pack(packing, &part));
        let broken: [(&str, Vec<u8>); 6] = [
            ("Content-Length", b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <x>\r\nContent-Length: -5\r\n\r\n\r\n\r\n".to_vec()),
            ("WARC-Type", b"WARC/1.0\r\nWARC-Record-ID: <x>\r\nContent-Length: 0\r\n\r\n\r\n\r\n".to_vec()),
            ("WARC-Record-ID", b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 0\r\n\r\n\r\n\r\n".to_vec()),
            ("version", b"WARC/3.0\r\nWARC-Type: response\r\n\r\n".to_vec()),
            ("header", b"WARC/1.0\r\nWARC-Type response\r\n\r\n\r\n\r\n".to_vec()),
            // Two bytes more than it says.
            ("Content-Length", b"WARC/1.0\r\nWARC-Type: a\r\nWARC-Record-ID: <x>\r\nContent-Length: 2\r\n\r\nabcd\r\n\r\n".to_vec()),
        ];
        for (field, bytes) in broken {
            let bad = pack(packing, &bytes);
            let file = [&good[0], &bad, &good[1], &good[2]].map(|part| &part[..]).concat();
            let (items, error, _) = read(&file, Options::default());
            assert_eq!(ids(&items), ["a"]);
            let error = error.unwrap();
            let text = error.to_string();
            let place = format!("`x.warc`, byte {}: WARC {field}: ", good[0].len());
            assert!(text.starts_with(&place), "{packing:?}: {text} is not {place}");
            assert!(error.hint().unwrap().contains("missing_text = \"drop\""));
            let (items, error, counts) = read(&file, SKIP);
            assert!(error.is_none());
            assert_eq!(
                ids(&items),
                ["a".to_string(), format!("Damaged {field}"), "b".into(), "c".into()],
                "{packing:?}"
            );
            let expected = Counts { records: 3, damaged: 1, too_large: 0, skipped_bytes: bad.len() as u64 };
            assert_eq!(counts, expected, "{packing:?} {field}");
        }
    }
}

#[test]
fn damage_inside_of_a_member_costs_one_record() {
    let good = three();
    let broken: [(&str, &[u8]); 4] = [
        (
            "Content-Length",
            b"WARC/1.0\r\nWARC-Type: a\r\nWARC-Record-ID: <x>\r\nContent-Length: -5\r\n\r\n\r\n\r\n",
        ),
        ("WARC-Type", b"WARC/1.0\r\nWARC-Record-ID: <x>\r\nContent-Length: 0\r\n\r\n\r\n\r\n"),
        // Two bytes more than it says; a length that swallows the next record, and one that swallows all.
        (
            "Content-Length",
            b"WARC/1.0\r\nWARC-Type: a\r\nWARC-Record-ID: <x>\r\nContent-Length: 2\r\n\r\nabcd\r\n\r\n",
        ),
        (
            "Content-Length",
            b"WARC/1.0\r\nWARC-Type: a\r\nWARC-Record-ID: <x>\r\nContent-Length: 900000\r\n\r\nabcd\r\n\r\n",
        ),
    ];
    for packing in [Packing::Gzip, Packing::Zstd] {
        for (field, bad) in broken {
            let member = pack(packing, &[&good[0][..], bad, &good[1], &good[2]].concat());
            let file = [&member[..], &pack(packing, &good[0])].concat();
            let (items, error, counts) = read(&file, SKIP);
            assert!(error.is_none());
            assert_eq!(
                ids(&items),
                ["a".into(), format!("Damaged {field}"), "b".into(), "c".into(), "a".into()]
            );
            assert_eq!((counts.records, counts.damaged, counts.skipped_bytes), (4, 1, 0));
            let Item::Skipped(skipped) = &items[1] else { panic!() };
            assert_eq!((skipped.offset, skipped.length, skipped.within), (0, 0, good[0].len() as u64));
            let Item::Record(next) = &items[2] else { panic!() };
            assert_eq!(next.span.within, (good[0].len() + bad.len()) as u64);
            let error = read(&file, Options::default()).1.unwrap().to_string();
            assert!(error.starts_with(&format!("`x.warc`, byte 0: WARC {field}: ")), "{error}");
        }
        // What lies more than a megabyte back is not kept: the member is lost, not the next one.
        let head = b"WARC/1.0\r\nWARC-Type: a\r\nWARC-Record-ID: <x>\r\nContent-Length: 9000000\r\n\r\n";
        let member = pack(packing, &[&good[0][..], head, &vec![b'x'; 2 << 20], &good[1]].concat());
        let (items, ..) = read(&[&member[..], &pack(packing, &good[2])].concat(), SKIP);
        assert_eq!(ids(&items), ["a", "Damaged Content-Length", "c"]);
    }
}

#[test]
fn many_damaged_records_are_read_again_a_few_times_only() {
    let lines = b"WARC/1.0\n".repeat((1 << 20) / 9);
    let head = b"WARC/1.0\r\nWARC-Type: a\r\nWARC-Record-ID: <x>\r\nContent-Length: 900000\r\n\r\n";
    let lengths = head.repeat((2 << 20) / head.len());
    for content in [lines, lengths] {
        let most = 8 * content.len() as u64 + (1 << 20);
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            let file = [pack(packing, &content), pack(packing, &three()[1])].concat();
            let mut reader = Reader::new("x.warc", Cursor::new(&file), SKIP).unwrap();
            let (mut member, mut whole) = (0, 0);
            while reader.next().unwrap().is_some() {
                let (of_member, of_file) = reader.read_again();
                (member, whole) = (member.max(of_member), whole.max(of_file));
            }
            // Some is read again, and no more than the limit.
            assert!(packing == Packing::Plain || member > 1 << 19, "{packing:?} {member} {whole}");
            assert!(member <= most && whole <= most + 8 * 1000, "{packing:?} {member} {whole}");
            assert!(packing == Packing::Plain || reader.counts().records == 1, "{packing:?}");
        }
    }
}

#[test]
fn a_length_that_swallows_the_next_record_costs_one_record() {
    let good = three();
    let long = b"WARC/1.0\r\nWARC-Type: a\r\nWARC-Record-ID: <x>\r\nContent-Length: 100\r\n\r\nabcd\r\n\r\n";
    let file = [&good[0][..], long, &good[1], &good[2]].concat();
    let (items, ..) = read(&file, SKIP);
    assert_eq!(ids(&items), ["a", "Damaged Content-Length", "b", "c"]);
}

#[test]
fn a_file_cut_anywhere_gives_what_is_whole_and_says_where_it_ends() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let parts = three().map(|part| pack(packing, &part));
        let file = parts.concat();
        let ends = [parts[0].len(), parts[0].len() + parts[1].len(), file.len()];
        for cut in (1..file.len()).step_by(97).chain([ends[0] - 1, ends[0] + 1, ends[1] - 1, ends[1] + 3]) {
            let (items, error, counts) = read(&file[..cut], Options::default());
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            // In a plain file the line ends behind the last record may be missing.
            let may = packing == Packing::Plain && ends.iter().any(|&end| cut < end && cut + 4 >= end);
            assert!(items.len() == whole || may && items.len() == whole + 1, "{packing:?} {cut}: {items:?}");
            let at_an_end = ends.contains(&cut) || may;
            assert_eq!(error.is_none(), at_an_end, "{packing:?} {cut}: {error:?}");
            if cut > 6 {
                let (skipped, error, again) = read(&file[..cut], SKIP);
                assert!(error.is_none(), "{error:?}");
                assert_eq!(again.records, counts.records);
                assert_eq!(skipped.len() as u64, again.records + again.damaged);
                assert!(at_an_end || again.damaged == 1, "{packing:?} {cut} {again:?}");
            }
        }
    }
}

#[test]
fn members_with_garbage_behind_them() {
    let parts = three().map(|part| pack(Packing::Gzip, &part));
    let garbage = b"\x1f\x8bgarbage \x1f\x8b\x08\x00 more";
    let (items, error, _) = read(&[&parts[0], &garbage[2..]].concat(), Options::default());
    assert_eq!((ids(&items), items.len()), (vec!["a".to_string()], 1));
    let place = format!("`x.warc`, byte {}: WARC member: ", parts[0].len());
    assert!(error.unwrap().to_string().starts_with(&place));
    let file = [&parts[0][..], garbage, &parts[1], garbage].concat();
    let (items, _, counts) = read(&file, SKIP);
    assert_eq!(ids(&items), ["a", "Damaged member", "b", "Damaged member"]);
    assert_eq!(counts.skipped_bytes, 2 * garbage.len() as u64);
    // Zeros are padding.
    let (items, error, _) = read(&[&parts[0][..], &[0; 9000], &parts[1]].concat(), Options::default());
    assert!(error.is_none());
    assert_eq!(ids(&items), ["a", "b"]);
    // A checksum that does not fit.
    let mut file = parts.concat();
    file[parts[0].len() - 6] ^= 1;
    assert_eq!(ids(&read(&file, SKIP).0), ["Damaged member", "b", "c"]);
}

#[test]
fn what_is_no_warc_file_is_refused_under_any_policy() {
    for data in [&b"<html>"[..], b"{\"id\": 1}\n", b"WAR"] {
        let error = read(data, SKIP).1.unwrap().to_string();
        assert!(error.starts_with("`x.warc`, byte 0: WARC version: the file begins with neither"), "{error}");
    }
    assert!(read(b"", SKIP).1.is_none());
}

#[test]
fn the_first_bad_header_of_endless_length_ends() {
    let mut file = b"WARC/1.0\r\nA: ".to_vec();
    file.resize(3 << 20, b'x');
    let error = read(&file, Options::default()).1.unwrap().to_string();
    assert!(error.contains("more than 1 MiB before the first empty line"), "{error}");
}

#[test]
fn large_blocks_are_passed_over() {
    let options = Options { max_bytes: 1000, ..Options::default() };
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let parts = three().map(|part| pack(packing, &part));
        let (items, error, counts) = read(&[&parts[2][..], &parts[0], &parts[1]].concat(), options);
        assert!(error.is_none());
        assert_eq!(ids(&items), ["TooLarge Content-Length", "a", "b"]);
        assert_eq!((counts.too_large, counts.skipped_bytes), (1, parts[2].len() as u64), "{packing:?}");
    }
}

/// A gzip member of `head` and then `zeros` bytes of zeros, `zeros` a multiple of a megabyte.
fn bomb(head: &[u8], zeros: u64) -> Vec<u8> {
    const PIECE: usize = 1 << 20;
    let piece = vec![0u8; PIECE];
    let mut crc = Crc::new();
    crc.update(head);
    let mut encoder = DeflateEncoder::new(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], Compression::best());
    encoder.write_all(head).unwrap();
    encoder.flush().unwrap();
    let mut out = encoder.get_ref().clone();
    // A block of zeros that ends on a whole byte can stand behind any other.
    let mut compress = flate2::Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(1 << 16);
    compress.compress_vec(&piece, &mut block, FlushCompress::Full).unwrap();
    assert_eq!(compress.total_in(), PIECE as u64);
    let mut of_piece = Crc::new();
    of_piece.update(&piece);
    for _ in 0..zeros / PIECE as u64 {
        out.extend_from_slice(&block);
        crc.combine(&of_piece);
    }
    out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&((head.len() as u64 + zeros) as u32).to_le_bytes());
    out
}

#[test]
fn ten_gigabytes_of_zeros_stay_small() {
    let zeros = 10_000 << 20;
    let head =
        format!("WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <x>\r\nContent-Length: {zeros}\r\n\r\n");
    let bomb = bomb(head.as_bytes(), zeros);
    assert!(bomb.len() < 20 << 20);
    let parts = three().map(|part| pack(Packing::Gzip, &part));
    let file = [&parts[0][..], &bomb, &parts[1]].concat();
    let mut reader = Reader::new("x.warc.gz", Cursor::new(file), Options::default()).unwrap();
    let mut items = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        // The only vectors that grow with the input are blocks.
        items.push(item);
    }
    assert_eq!(ids(&items), ["a", "TooLarge Content-Length", "b"]);
    let Item::Skipped(skipped) = &items[1] else { panic!() };
    assert_eq!(skipped.length, bomb.len() as u64);
    assert_eq!(skipped.reason, "the block has 10.5 GB, more than the 67.1 MB that are allowed");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..600), start in 0usize..4) {
        let start: &[u8] = [&b""[..], b"WARC/1.0\r\n", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], &[0x28, 0xb5, 0x2f, 0xfd]][start];
        let file = [start, &data].concat();
        read(&file, Options::default());
        let (items, _, counts) = read(&file, SKIP);
        prop_assert_eq!(items.len() as u64, counts.records + counts.damaged + counts.too_large);
    }

    #[test]
    fn flipped_bytes_never_lose_more_than_they_touch(
        flips in proptest::collection::vec((0usize..100_000, 1u8..=255), 1..4),
        packing in prop::sample::select(vec![Packing::Plain, Packing::Gzip, Packing::Zstd]),
    ) {
        let parts: Vec<Vec<u8>> = three().into_iter().cycle().take(9).map(|part| pack(packing, &part)).collect();
        let mut file = parts.concat();
        let length = file.len();
        for (at, flip) in &flips {
            file[at % length] ^= flip;
        }
        let (items, error, counts) = read(&file, SKIP);
        if error.is_none() {
            prop_assert_eq!(items.len() as u64, counts.records + counts.damaged + counts.too_large);
            // A flip in a member, or in a length, may cost a neighbour, and no more.
            prop_assert!(counts.records + 2 * flips.len() as u64 + 1 >= 9, "{:?} {:?}", ids(&items), flips);
            prop_assert!(counts.skipped_bytes <= length as u64);
        }
    }
}

#[test]
fn what_is_found_does_not_depend_on_the_pieces_of_the_source() {
    let one = record("resource", "a", "", b"x");
    let mut plain = one.clone();
    plain.extend_from_slice(b"something that is no record\r\n");
    let member = [&one[..], b"WA"].concat();
    for data in [plain, pack(Packing::Gzip, &member), pack(Packing::Zstd, &member)] {
        let all = |step: usize| {
            let mut reader = Reader::new("x.warc", Drip(&data, step), SKIP).unwrap();
            std::iter::from_fn(move || reader.next().unwrap()).collect::<Vec<Item>>()
        };
        let whole = all(usize::MAX);
        assert!(matches!(whole.last(), Some(Item::Skipped(_))), "{whole:?}");
        assert_eq!(all(1), whole);
        assert_eq!(all(7), whole);
    }
}
