//! Dates of documents as days.

use regimen_base::calendar::day_of;

/// Days from 1970-01-01 to the day with which `text` begins, written `YYYY-MM-DD`; none for anything else.
pub(crate) fn days(text: &str) -> Option<i32> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let dashes = text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    if !dashes || text.as_bytes().get(10).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    day_of(year, month, day).and_then(|day| i32::try_from(day).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("1969-12-31T23:59:59Z"), Some(-1));
        assert_eq!(days("2000-03-01"), Some(11_017));
        assert_eq!(days("2024-02-29 12:00"), Some(19_782));
        assert_eq!(days("1790-01-01"), Some(-65_743));
        for bad in
            ["", "2023-02-29", "2023-13-01", "2023-00-10", "20230101", "2023-1-1", "yesterday", "2023-01-011"]
        {
            assert_eq!(days(bad), None, "{bad}");
        }
    }
}
