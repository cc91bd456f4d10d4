//! Days and moments as dates.

/// `YYYY-MM-DD` of a day counted from 1970-01-01. The formula is Howard Hinnant's `civil_from_days`: years begin in
/// March, so that the leap day is their last.
pub(crate) fn date(day: i64) -> String {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{:02}", of_year - (153 * from_march + 2) / 5 + 1)
}

/// `YYYY-MM-DDTHH:MM:SSZ` of a moment in seconds since 1970, cut to whole seconds.
pub(crate) fn moment(seconds: f64) -> String {
    let seconds = seconds.clamp(0.0, 2.5e11) as i64;
    let within = seconds.rem_euclid(86_400);
    format!(
        "{}T{:02}:{:02}:{:02}Z",
        date(seconds.div_euclid(86_400)),
        within / 3600,
        within / 60 % 60,
        within % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_that_days_were_counted_from() {
        for text in ["1970-01-01", "1969-12-31", "2000-02-29", "2024-03-01", "1790-01-01", "0001-01-01"] {
            assert_eq!(date(i64::from(crate::date::days(text).unwrap())), text);
        }
        assert_eq!(moment(951_782_401.9), "2000-02-29T00:00:01Z");
    }
}
