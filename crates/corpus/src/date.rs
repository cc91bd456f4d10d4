//! Dates of documents as days.

/// Days from 1970-01-01 to the day with which `text` begins, written `YYYY-MM-DD`; none for anything else.
/// The formula is Howard Hinnant's `days_from_civil`: years begin in March, so that the leap day is their last.
pub(crate) fn days(text: &str) -> Option<i32> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i32>().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let dashes = text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !dashes || !(1..=length).contains(&day) || text.as_bytes().get(10).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
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
