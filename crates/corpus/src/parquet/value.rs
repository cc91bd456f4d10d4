//! Parquet values as JSON.

use parquet::data_type::{AsBytes, Decimal};
use parquet::record::Field;
use regimen_base::calendar::date_of;
use serde_json::{Map, Number, Value};

/// As JSON: dates and times as ISO 8601, decimals as text with all their digits, bytes in base 16, and numbers that JSON
/// does not have as `NaN`, `inf` and `-inf`.
pub(super) fn json(field: &Field) -> Value {
    match field {
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
        Field::TimeMillis(v) => Value::String(time(i64::from(*v) * 1000)),
        Field::TimeMicros(v) => Value::String(time(*v)),
        Field::TimestampMillis(v) => Value::String(timestamp(i128::from(*v) * 1000)),
        Field::TimestampMicros(v) => Value::String(timestamp(i128::from(*v))),
        Field::Group(row) => {
            Value::Object(row.get_column_iter().map(|(name, field)| (name.clone(), json(field))).collect())
        }
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(json).collect()),
        Field::MapInternal(map) => {
            let entry = |(key, value): &(Field, Field)| {
                let key = match json(key) {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                (key, json(value))
            };
            Value::Object(map.entries().iter().map(entry).collect::<Map<_, _>>())
        }
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

fn time(micros: i64) -> String {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 { clock } else { format!("{clock}.{rest:06}") }
}

fn timestamp(micros: i128) -> String {
    const DAY: i128 = 86_400_000_000;
    let days = i64::try_from(micros.div_euclid(DAY)).unwrap_or(0);
    format!("{}T{}Z", date(days), time(micros.rem_euclid(DAY) as i64))
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
        assert_eq!(timestamp(1_700_000_000_123_456), "2023-11-14T22:13:20.123456Z");
        assert_eq!(timestamp(-1_000_000), "1969-12-31T23:59:59Z");
        date(i64::from(i32::MIN));
        timestamp(i128::from(i64::MIN) * 1000);
        let of = |bytes: Vec<u8>, scale| decimal(&Decimal::from_bytes(ByteArray::from(bytes), 38, scale));
        assert_eq!(of(vec![0x04, 0xd2], 2), "12.34");
        assert_eq!(of(vec![0xff, 0xff], 3), "-0.001");
        assert_eq!(of(vec![0x80], 0), "-128");
        assert_eq!(of(vec![], 2), "0.00");
        assert_eq!(of(vec![1; 17], 2), format!("0x{}", "01".repeat(17)));
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(json(&Field::Float(0.1)), value!(0.1));
        assert_eq!(json(&Field::Double(f64::NAN)), value!("NaN"));
        assert_eq!(json(&Field::Float(f32::NEG_INFINITY)), value!("-inf"));
        assert_eq!(json(&Field::ULong(u64::MAX)), value!(u64::MAX));
        assert_eq!(json(&Field::Bytes(ByteArray::from(vec![0, 255]))), value!("00ff"));
    }
}
