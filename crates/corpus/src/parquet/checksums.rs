//! Tests of pages that carry the checksum of their bytes.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::fields::PAGE;
use super::reader::{Item, Options, Reader};
use super::thrift::walk;

/// Two columns of several pages; the library writes no checksums.
fn plain(packing: Compression) -> Vec<u8> {
    let schema = "message m { required int64 id; required binary text (UTF8); }";
    let properties = WriterProperties::builder()
        .set_compression(packing)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_data_page_row_count_limit(20)
        .set_write_batch_size(20)
        .build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&(0..60).collect::<Vec<_>>(), None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let texts: Vec<ByteArray> = (0..60).map(|i| ByteArray::from(&*format!("text {}", i % 40))).collect();
    column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

/// A whole number as Thrift writes it, behind the mark of a field that comes right after the one before it.
fn field(number: i32) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 31)) as u32;
    let mut out = vec![0x15];
    while rest > 127 {
        out.push(rest as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

/// The same file with a checksum in the header of every page; and of each page its column, number and bytes.
fn checked(plain: &[u8]) -> (Vec<u8>, Vec<(String, u64, std::ops::Range<usize>)>) {
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(plain)).unwrap();
    let metadata = reader.metadata().clone();
    let (mut out, mut pages) = (b"PAR1".to_vec(), Vec::new());
    let group = metadata.row_group(0).clone();
    let columns = group.columns().iter().map(|column| {
        let (start, length) = column.byte_range();
        let (mut at, end) = (start as usize, (start + length) as usize);
        let (begin, mut data) = (out.len(), None);
        for number in 0.. {
            if at == end {
                break;
            }
            let (mut kind, mut bytes) = (0, 0);
            let header = walk(&plain[at..end], PAGE, &mut |path, value| {
                match path {
                    [1] => kind = value,
                    [3] => bytes = value as usize,
                    _ => {}
                }
                Ok(())
            });
            let header = header.ok().unwrap();
            let content = &plain[at + header..at + header + bytes];
            let mut crc = flate2::Crc::new();
            crc.update(content);
            // Behind three numbers, each with its mark, and before the header of the kind of page.
            let mut behind = at;
            for _ in 0..3 {
                behind += 1;
                behind += plain[behind..].iter().position(|byte| byte & 128 == 0).unwrap() + 1;
            }
            if kind != 2 {
                data.get_or_insert(out.len());
            }
            out.extend_from_slice(&plain[at..behind]);
            out.extend(field(crc.sum() as i32));
            out.push(plain[behind] - 0x10);
            out.extend_from_slice(&plain[behind + 1..at + header]);
            pages.push((column.column_path().string(), number, out.len()..out.len() + bytes));
            out.extend_from_slice(content);
            at += header + bytes;
        }
        let dictionary = column.dictionary_page_offset().map(|_| begin as i64);
        let column: ColumnChunkMetaData = column.clone();
        let column = column
            .into_builder()
            .set_total_compressed_size((out.len() - begin) as i64)
            .set_data_page_offset(data.unwrap() as i64)
            .set_dictionary_page_offset(dictionary);
        column.build().unwrap()
    });
    let columns = columns.collect();
    let group = group.into_builder().set_column_metadata(columns).build().unwrap();
    let metadata = ParquetMetaDataBuilder::new(metadata.file_metadata().clone()).add_row_group(group).build();
    ParquetMetaDataWriter::new(&mut out, &metadata).finish().unwrap();
    (out, pages)
}

fn read(file: Vec<u8>) -> crate::error::Result<Vec<Item>> {
    Reader::new("x.parquet", Bytes::from(file), Options::default())?.collect()
}

#[test]
fn a_page_whose_bytes_do_not_have_its_checksum_is_told() {
    for packing in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let plain = plain(packing);
        let (file, pages) = checked(&plain);
        let whole = read(file.clone()).unwrap();
        assert_eq!(whole, read(plain).unwrap());
        assert_eq!(whole.len(), 60);
        assert!(pages.len() >= 6, "{pages:?}");
        for (column, number, bytes) in pages {
            for at in [bytes.start, bytes.end - 1] {
                let mut flipped = file.clone();
                flipped[at] ^= 1;
                let error = read(flipped).unwrap_err();
                let told = error.to_string();
                let page =
                    format!("page {number} of the column `{column}`: its bytes do not have its checksum");
                assert!(told.starts_with("`x.parquet`") && told.contains(&page), "{told}");
                let hint = regimen_base::Hint::hint(&error).unwrap();
                assert!(hint.contains("its bytes are damaged"), "{hint}");
            }
        }
    }
}

#[test]
fn pages_are_numbered_where_other_things_are_wrong() {
    let (mut file, pages) = checked(&plain(Compression::UNCOMPRESSED));
    // The kind of the second page of texts, which no page is.
    let (_, _, first) = pages.iter().find(|(column, number, _)| column == "text" && *number == 0).unwrap();
    file[first.end] = 0x18;
    let told = read(file).unwrap_err().to_string();
    assert!(told.contains("page 1 of the column `text`: header of a page: field 1 has type 8"), "{told}");
}
