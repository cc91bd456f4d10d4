//! WARC files: any bytes, as they are or packed; each record must be found again by its span, and it must not matter in
//! which pieces a source gives its bytes.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use regimen_corpus::warc::{Damaged, Item, Options, Packing, Reader, Record, Response};
use regimen_fuzz::{first, run};

/// Gives its bytes a few at a time.
struct Trickle<'d> {
    data: &'d [u8],
    step: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.step.min(self.data.len()).min(out.len());
        out[..n].copy_from_slice(&self.data[..n]);
        self.data = &self.data[n..];
        Ok(n)
    }
}

/// Each part between marks is a member of its own.
fn packed(data: &[u8], zstd: bool) -> Vec<u8> {
    use std::io::Write;
    let mut out = Vec::new();
    for part in data.split(|&byte| byte == 1) {
        if zstd {
            out.extend(zstd::bulk::compress(part, -1).unwrap());
        } else {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::none());
            encoder.write_all(part).unwrap();
            out = encoder.finish().unwrap();
        }
    }
    out
}

const MOST: u64 = 1 << 16;

/// What a reader gives, in short, to compare it.
fn read(source: impl Read, damaged: Damaged, mut each: impl FnMut(&Record, Packing)) -> Vec<String> {
    let options = Options { max_bytes: MOST, damaged };
    let mut reader = match Reader::new("x.warc", source, options) {
        Ok(reader) => reader,
        Err(error) => return vec![error.to_string()],
    };
    let packing = reader.packing();
    let mut out = Vec::new();
    loop {
        match reader.next() {
            Ok(None) => break,
            Ok(Some(Item::Record(record))) => {
                assert!(record.payload.len() as u64 <= MOST);
                out.push(format!("{} {:?} {}", record.id, record.span, record.payload.len()));
                each(&record, packing);
            }
            Ok(Some(Item::Skipped(skipped))) => {
                out.push(format!(
                    "{:?} {} {} {}",
                    skipped.why, skipped.offset, skipped.length, skipped.reason
                ));
            }
            Err(error) => out.push(error.to_string()),
        }
        assert!(out.len() < 100_000, "no end");
    }
    assert!(matches!(reader.next(), Ok(None)), "more after the end");
    out
}

fuzz_target!(|data: &[u8]| {
    let (flags, rest) = first(data);
    let bytes = match flags & 3 {
        1 => packed(rest, false),
        2 => packed(rest, true),
        _ => rest.to_vec(),
    };
    let damaged = if flags & 4 == 0 { Damaged::Error } else { Damaged::Skip };
    let dictionary = bytes.starts_with(&[0x5d, 0x2a, 0x4d, 0x18]);
    run(48 << 20, || {
        let whole = read(&bytes[..], damaged, |record, packing| {
            if record.is_http()
                && let Ok(response) = Response::parse(&record.payload, MOST)
            {
                assert!(response.body.len() as u64 <= MOST);
                response.media_type();
                response.charset();
            }
            record.text();
            record.json();
            let (start, Some(length)) = (record.span.offset as usize, record.span.length) else { return };
            let end = start + length as usize;
            assert!(end <= bytes.len(), "a span of {start} to {end}, the file has {}", bytes.len());
            if packing == Packing::Plain || record.span.within == 0 && !dictionary {
                let options = Options { max_bytes: MOST, damaged: Damaged::Error };
                let again =
                    Reader::new("x", &bytes[start..end], options).and_then(|mut reader| reader.next());
                match again {
                    Ok(Some(Item::Record(again))) => assert!(
                        again.payload == record.payload
                            && again.id == record.id
                            && again.fields == record.fields,
                        "another record at {start}"
                    ),
                    other => panic!("no record at {start} to {end}: {other:?}"),
                }
            }
        });
        // How much a decompressor gives before damaged data depends on how it is fed.
        let damaged_pack = matches!(flags & 3, 0 | 3) && !bytes.starts_with(b"WARC/");
        if damaged_pack {
            return;
        }
        let step = 1 + usize::from(flags >> 4);
        let again = read(Trickle { data: &bytes, step }, damaged, |_, _| {});
        assert_eq!(whole, again, "read {step} bytes at a time");
    });
});
