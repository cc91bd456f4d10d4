//! Parquet tables: rows, or an error that says what is wrong.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_corpus::parquet::{Item, Options, Other, Reader};
use regimen_fuzz::{first, run};

fuzz_target!(|data: &[u8]| {
    let (flags, file) = first(data);
    let options = Options {
        text: "text".into(),
        id: (flags & 1 == 0).then(|| "id".into()),
        other: if flags & 2 == 0 { Other::All } else { Other::Named(vec!["meta".into()]) },
        max_bytes: 1 << 16,
        max_page: 1 << 20,
    };
    run(300 << 20, || {
        let Ok(mut reader) = Reader::new("x", bytes::Bytes::copy_from_slice(file), options) else { return };
        if flags & 4 != 0 {
            reader.read_groups(1..2);
        }
        for _ in 0..20_000 {
            match reader.next() {
                Ok(Some(Item::Row(row))) => assert!(row.text.is_none_or(|text| text.len() <= 1 << 16)),
                Ok(Some(Item::TooLarge { bytes, .. })) => assert!(bytes > 1 << 16),
                Ok(None) => break,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    assert!(matches!(reader.next(), Ok(None)), "more after an error");
                    break;
                }
            }
        }
    });
});
