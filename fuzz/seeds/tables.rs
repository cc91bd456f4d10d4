//! Seeds that are Parquet files.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::Seeds;

const SCHEMA: &str = "message m {
    required int64 id;
    optional binary text (UTF8);
    required binary raw;
    optional group meta { required double score; }
    optional group tags (LIST) { repeated group list { optional int32 element; } }
    required int32 day (DATE);
}";

fn file(properties: WriterProperties) -> Result<Vec<u8>> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    for group in 0..2i64 {
        let mut rows = writer.next_row_group()?;
        let mut at = 0;
        while let Some(mut column) = rows.next_column()? {
            match at {
                0 => drop(column.typed::<Int64Type>().write_batch(&[group, group + 1, -5], None, None)?),
                1 => {
                    let texts = ["first ä", "third, third, third"].map(ByteArray::from);
                    column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1, 0, 1]), None)?;
                }
                2 => drop(column.typed::<ByteArrayType>().write_batch(
                    &["a", "b", "b"].map(ByteArray::from),
                    None,
                    None,
                )?),
                3 => drop(column.typed::<DoubleType>().write_batch(&[0.5, 1.0], Some(&[1, 1, 0]), None)?),
                4 => {
                    let levels = (Some(&[3i16, 3, 0, 1][..]), Some(&[0i16, 1, 0, 0][..]));
                    column.typed::<Int32Type>().write_batch(&[1, 2], levels.0, levels.1)?;
                }
                _ => drop(column.typed::<Int32Type>().write_batch(&[0, 20_000, -1], None, None)?),
            }
            column.close()?;
            at += 1;
        }
        rows.close()?;
    }
    writer.into_inner()
}

pub fn parquet() -> Seeds {
    let plain = WriterProperties::builder().set_dictionary_enabled(false);
    let delta = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_column_encoding("id".into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY)
        .set_column_encoding("raw".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    let files = [
        ("plain", file(plain.build())),
        ("dictionary", file(WriterProperties::builder().build())),
        ("delta", file(delta.build())),
        ("snappy", file(WriterProperties::builder().set_compression(Compression::SNAPPY).build())),
        (
            "zstd",
            file(WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build()),
        ),
    ];
    let mut seeds = Vec::new();
    for (name, content) in files {
        let content = content.unwrap_or_else(|error| panic!("{name}: {error}"));
        for flags in 0..4u8 {
            seeds.push((format!("{name}-{flags}"), [&[flags], &content[..]].concat()));
        }
    }
    seeds
}
