//! Parquet values as JSON.

use parquet::basic::{LogicalType, TimeUnit};
use parquet::data_type::{AsBytes, Decimal};
use parquet::record::Field;
use parquet::schema::types::Type;
use regimen_base::calendar::date_of;
use serde_json::{Map, Number, Value};

/// As JSON: dates and times as ISO 8601, decimals as text with all their digits, bytes in base 16, and numbers that JSON
/// does not have as `NaN`, `inf` and `-inf`. The library gives nanoseconds as plain numbers; where a column [`has_nanos`],
/// `column` is it.
pub(super) fn json(field: &Field, column: Option<&Type>) -> Value {
    match field {
        Field::Long(v) if column.and_then(nanos).is_some() => {
            let at = if column.and_then(nanos) == Some(Nanos::Timestamp) { timestamp } else { time_of };
            Value::String(at(i128::from(*v)))
        }
        Field::Null => Value::Null,
        Field::Bool(v) => Value::Bool(*v),
        Field::Byte(v) => (*v).into(),
        Field::Short(v) => (*v).into(),
        Field::Int(v) => (*v).into(),
        Field::Long(v) => (*v).into(),
        Field::UByte(v) => (*v).into(),
        Field::UShort(v) => (*v).into(),
        Field::UInt(v) => (*v).into(),
        Field::ULong(v) => (*v).into(),
        Field::Float16(v) => float(f64::from(*v)),
        // By its shortest digits: 0.1 stays 0.1.
        Field::Float(v) => v.to_string().parse().map_or(Value::Null, float),
        Field::Double(v) => float(*v),
        Field::Decimal(v) => Value::String(decimal(v)),
        Field::Str(v) => Value::String(v.clone()),
        Field::Bytes(v) => Value::String(hex(v.data())),
        Field::Date(days) => Value::String(date(i64::from(*days))),
        Field::TimeMillis(v) => Value::String(time_of(i128::from(*v) * 1_000_000)),
        Field::TimeMicros(v) => Value::String(time_of(i128::from(*v) * 1000)),
        Field::TimestampMillis(v) => Value::String(timestamp(i128::from(*v) * 1_000_000)),
        Field::TimestampMicros(v) => Value::String(timestamp(i128::from(*v) * 1000)),
        Field::Group(row) => {
            let value = |(name, field): (&String, &Field)| (name.clone(), json(field, child(column, name)));
            Value::Object(row.get_column_iter().map(value).collect())
        }
        Field::ListInternal(list) => {
            let element = column.map(element);
            Value::Array(list.elements().iter().map(|field| json(field, element)).collect())
        }
        Field::MapInternal(map) => {
            let entries = column.and_then(|column| column.get_fields().first());
            let part = |at: usize| Some(&**entries?.get_fields().get(at)?);
            let entry = |(key, value): &(Field, Field)| {
                let key = match json(key, part(0)) {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                (key, json(value, part(1)))
            };
            Value::Object(map.entries().iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Nanos {
    Time,
    Timestamp,
}

/// What a column of nanoseconds counts; none for other columns.
fn nanos(column: &Type) -> Option<Nanos> {
    match column.get_basic_info().logical_type_ref()? {
        LogicalType::Timestamp(of) if of.unit == TimeUnit::NANOS => Some(Nanos::Timestamp),
        LogicalType::Time(of) if of.unit == TimeUnit::NANOS => Some(Nanos::Time),
        _ => None,
    }
}

/// Whether a column, or one in it, holds nanoseconds.
pub(super) fn has_nanos(column: &Type) -> bool {
    match column.is_primitive() {
        true => nanos(column).is_some(),
        false => column.get_fields().iter().any(|field| has_nanos(field)),
    }
}

fn child<'t>(column: Option<&'t Type>, name: &str) -> Option<&'t Type> {
    column?.get_fields().iter().find(|field| field.name() == name).map(|field| &**field)
}

/// What a list holds: in a group that is repeated, with one column in it, that one; else what is repeated.
fn element(list: &Type) -> &Type {
    match list.is_primitive() {
        true => list,
        false => match list.get_fields() {
            [repeated] if !repeated.is_primitive() && repeated.get_fields().len() == 1 => {
                &repeated.get_fields()[0]
            }
            [repeated] => repeated,
            _ => list,
        },
    }
}

fn float(v: f64) -> Value {
    Number::from_f64(v).map_or_else(|| Value::String(v.to_string()), Value::Number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Two's complement, big endian, with so many digits behind the point. Above 16 bytes in base 16.
fn decimal(v: &Decimal) -> String {
    let bytes = v.data().as_bytes();
    if bytes.len() > 16 {
        return format!("0x{}", hex(bytes));
    }
    let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
    let fill = if negative { -1i128 } else { 0 };
    let number = bytes.iter().fold(fill, |number, &b| number << 8 | i128::from(b));
    let scale = usize::try_from(v.scale()).unwrap_or(0).min(100);
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if negative { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// `YYYY-MM-DD` of a day counted from 1970-01-01.
fn date(days: i64) -> String {
    let (year, month, day) = date_of(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The time of day at so many nanoseconds of it, with as many digits as it needs: none, 6 or 9.
fn time_of(nanos: i128) -> String {
    const SECOND: i128 = 1_000_000_000;
    let (seconds, rest) = (nanos.div_euclid(SECOND), nanos.rem_euclid(SECOND));
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match rest {
        0 => clock,
        rest if rest % 1000 == 0 => format!("{clock}.{:06}", rest / 1000),
        rest => format!("{clock}.{rest:09}"),
    }
}

fn timestamp(nanos: i128) -> String {
    const DAY: i128 = 86_400_000_000_000;
    let days = i64::try_from(nanos.div_euclid(DAY)).unwrap_or(0);
    format!("{}T{}Z", date(days), time_of(nanos.rem_euclid(DAY)))
}

#[cfg(test)]
mod tests {
    use parquet::data_type::ByteArray;
    use serde_json::json as value;

    use super::*;

    #[test]
    fn dates_times_and_decimals() {
        assert_eq!(
            (date(0), date(-1), date(11_016)),
            ("1970-01-01".into(), "1969-12-31".into(), "2000-02-29".into())
        );
        assert_eq!(timestamp(1_700_000_000_123_456_000), "2023-11-14T22:13:20.123456Z");
        assert_eq!(timestamp(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123456789Z");
        assert_eq!(timestamp(-1_000_000_000), "1969-12-31T23:59:59Z");
        date(i64::from(i32::MIN));
        timestamp(i128::from(i64::MIN) * 1_000_000);
        let of = |bytes: Vec<u8>, scale| decimal(&Decimal::from_bytes(ByteArray::from(bytes), 38, scale));
        assert_eq!(of(vec![0x04, 0xd2], 2), "12.34");
        assert_eq!(of(vec![0xff, 0xff], 3), "-0.001");
        assert_eq!(of(vec![0x80], 0), "-128");
        assert_eq!(of(vec![], 2), "0.00");
        assert_eq!(of(vec![1; 17], 2), format!("0x{}", "01".repeat(17)));
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(json(&Field::Float(0.1), None), value!(0.1));
        assert_eq!(json(&Field::Double(f64::NAN), None), value!("NaN"));
        assert_eq!(json(&Field::Float(f32::NEG_INFINITY), None), value!("-inf"));
        assert_eq!(json(&Field::ULong(u64::MAX), None), value!(u64::MAX));
        assert_eq!(json(&Field::Bytes(ByteArray::from(vec![0, 255])), None), value!("00ff"));
    }
}
