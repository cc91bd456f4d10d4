//! Days of the Gregorian calendar, counted from 1970-01-01.
//!
//! The formulas are Howard Hinnant's `days_from_civil` and `civil_from_days` ("chrono-compatible low-level date algorithms"):
//! years begin in March, so that the leap day is their last and the months before it have fixed lengths.

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;
/// Days of 400 years.
const ERA: i64 = 146_097;

/// The number of a day; none if there is no such day. `month` and `day` are counted from 1.
pub fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * ERA + day_of_era - EPOCH)
}

/// Year, month and day of a day, months and days counted from 1.
pub fn date_of(day: i64) -> (i64, i64, i64) {
    let day = day + EPOCH;
    let era = day.div_euclid(ERA);
    let day_of_era = day.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_lead_to_dates_and_back() {
        assert_eq!((day_of(1970, 1, 1), date_of(0)), (Some(0), (1970, 1, 1)));
        assert_eq!((day_of(2000, 3, 1), day_of(2000, 2, 29)), (Some(11_017), Some(11_016)));
        for none in [(2023, 2, 29), (1900, 2, 29), (2024, 4, 31), (2024, 13, 1), (2024, 1, 0)] {
            assert_eq!(day_of(none.0, none.1, none.2), None, "{none:?}");
        }
        for day in (-1_000_000..1_000_000).step_by(97) {
            let (year, month, of_month) = date_of(day);
            assert_eq!(day_of(year, month, of_month), Some(day));
        }
    }
}
