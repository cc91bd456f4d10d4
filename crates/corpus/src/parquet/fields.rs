//! What the fields of Parquet's headers hold. The Parquet library reads a field that it knows as what it should be, whatever type
//! the header gives it: with another type all that follows would be read shifted, and none of the sizes looked at before
//! would be those that count.
//!
//! Source: `parquet.thrift` of parquet-format 2.12. Fields that are not here are passed over by their own type, by the library
//! too.

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    Truth,
    Byte,
    /// A whole number of 16, 32 or 64 bits, which are written alike; enumerations too.
    Whole,
    Double,
    /// Bytes or text.
    Bytes,
    List(&'static Holds),
    /// A struct, or a union, which is a struct with one field.
    Struct(Fields),
}

use Holds::{Byte, Bytes, Double, List, Struct, Truth, Whole};

/// Numbers of fields with what they hold.
pub(super) type Fields = &'static [(i16, Holds)];

impl Holds {
    /// Whether a value of this type of Thrift's compact protocol is read as it is written.
    pub fn is(self, kind: u8) -> bool {
        match self {
            Truth => matches!(kind, 1 | 2),
            Byte => kind == 3,
            Whole => matches!(kind, 4..=6),
            Double => kind == 7,
            Bytes => kind == 8,
            List(_) => matches!(kind, 9 | 10),
            Struct(_) => kind == 12,
        }
    }

    /// In words.
    pub fn called(self) -> &'static str {
        match self {
            Truth => "a truth value",
            Byte => "a byte",
            Whole => "a whole number",
            Double => "a number",
            Bytes => "bytes",
            List(_) => "a list",
            Struct(_) => "a struct",
        }
    }
}

const EMPTY: Holds = Struct(&[]);
const STATISTICS: Holds = Struct(&[
    (1, Bytes),
    (2, Bytes),
    (3, Whole),
    (4, Whole),
    (5, Bytes),
    (6, Bytes),
    (7, Truth),
    (8, Truth),
    (9, Whole),
]);

/// `PageHeader`.
pub(super) const PAGE: Fields = &[
    (1, Whole),
    (2, Whole),
    (3, Whole),
    (4, Whole),
    // DataPageHeader, IndexPageHeader, DictionaryPageHeader, DataPageHeaderV2.
    (5, Struct(&[(1, Whole), (2, Whole), (3, Whole), (4, Whole), (5, STATISTICS)])),
    (6, EMPTY),
    (7, Struct(&[(1, Whole), (2, Whole), (3, Truth)])),
    (
        8,
        Struct(&[
            (1, Whole),
            (2, Whole),
            (3, Whole),
            (4, Whole),
            (5, Whole),
            (6, Whole),
            (7, Truth),
            (8, STATISTICS),
        ]),
    ),
];

/// `FileMetaData`.
pub(super) const FOOTER: Fields = &[
    (1, Whole),
    (2, List(&SCHEMA_ELEMENT)),
    (3, Whole),
    (4, List(&ROW_GROUP)),
    (5, List(&KEY_VALUE)),
    (6, Bytes),
    // ColumnOrder.
    (7, List(&Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))),
    (8, ENCRYPTION),
    (9, Bytes),
];

const KEY_VALUE: Holds = Struct(&[(1, Bytes), (2, Bytes)]);
const UNIT: Holds = Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]);
const TIME: Holds = Struct(&[(1, Truth), (2, UNIT)]);

const SCHEMA_ELEMENT: Holds = Struct(&[
    (1, Whole),
    (2, Whole),
    (3, Whole),
    (4, Bytes),
    (5, Whole),
    (6, Whole),
    (7, Whole),
    (8, Whole),
    (9, Whole),
    (10, LOGICAL_TYPE),
]);

const LOGICAL_TYPE: Holds = Struct(&[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Struct(&[(1, Whole), (2, Whole)])),
    (6, EMPTY),
    (7, TIME),
    (8, TIME),
    (10, Struct(&[(1, Byte), (2, Truth)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Bytes)])),
    (18, Struct(&[(1, Bytes), (2, Whole)])),
    (19, EMPTY),
]);

const ROW_GROUP: Holds = Struct(&[
    (1, List(&COLUMN_CHUNK)),
    (2, Whole),
    (3, Whole),
    // SortingColumn.
    (4, List(&Struct(&[(1, Whole), (2, Truth), (3, Truth)]))),
    (5, Whole),
    (6, Whole),
    (7, Whole),
]);

const COLUMN_CHUNK: Holds = Struct(&[
    (1, Bytes),
    (2, Whole),
    (3, COLUMN_META_DATA),
    (4, Whole),
    (5, Whole),
    (6, Whole),
    (7, Whole),
    // ColumnCryptoMetaData.
    (8, Struct(&[(1, EMPTY), (2, Struct(&[(1, List(&Bytes)), (2, Bytes)]))])),
    (9, Bytes),
]);

const COLUMN_META_DATA: Holds = Struct(&[
    (1, Whole),
    (2, List(&Whole)),
    (3, List(&Bytes)),
    (4, Whole),
    (5, Whole),
    (6, Whole),
    (7, Whole),
    (8, List(&KEY_VALUE)),
    (9, Whole),
    (10, Whole),
    (11, Whole),
    (12, STATISTICS),
    // PageEncodingStats.
    (13, List(&Struct(&[(1, Whole), (2, Whole), (3, Whole)]))),
    (14, Whole),
    (15, Whole),
    // SizeStatistics, GeospatialStatistics.
    (16, Struct(&[(1, Whole), (2, List(&Whole)), (3, List(&Whole))])),
    (17, Struct(&[(1, BOUNDING_BOX), (2, List(&Whole))])),
]);

const BOUNDING_BOX: Holds = Struct(&[
    (1, Double),
    (2, Double),
    (3, Double),
    (4, Double),
    (5, Double),
    (6, Double),
    (7, Double),
    (8, Double),
]);

/// `EncryptionAlgorithm`: files that are encrypted are refused, and yet their footers are read.
const ENCRYPTION: Holds = Struct(&[(1, AES), (2, AES)]);
const AES: Holds = Struct(&[(1, Bytes), (2, Bytes), (3, Truth)]);
