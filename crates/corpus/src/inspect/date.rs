//! Days and moments as dates.

use regimen_base::calendar::date_of;

/// `YYYY-MM-DD` of a day counted from 1970-01-01.
pub(crate) fn date(day: i64) -> String {
    let (year, month, day) = date_of(day);
    format!("{year:04}-{month:02}-{day:02}")
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
