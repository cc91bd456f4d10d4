//! Numbers, lengths of time and dates as people write them.

use regimen_base::calendar::day_of;
use regimen_base::units;

/// A number, perhaps with `k`, `M`, `G` or `T` behind it.
pub fn number(text: &str) -> Option<f64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 1e3),
        b'M' => (&text[..text.len() - 1], 1e6),
        b'G' => (&text[..text.len() - 1], 1e9),
        b'T' => (&text[..text.len() - 1], 1e12),
        _ => (text, 1.0),
    };
    let starts = digits.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = digits.replace('_', "").parse().ok().filter(|_| starts)?;
    Some(number * factor).filter(|x| x.is_finite())
}

/// A length of time in seconds: `90s`, `15m`, `12h`, `30d`, `8w`, or a number of seconds.
pub fn time(text: &str) -> Option<f64> {
    let units = [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86_400.0), ('w', 604_800.0)];
    let (digits, factor) =
        match units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds))) {
            Some(found) => found,
            None => (text, 1.0),
        };
    digits.parse().ok().map(|n: f64| n * factor).filter(|s| s.is_finite() && *s >= 0.0)
}

/// The same for a flag.
pub fn seconds(text: &str) -> Result<f64, String> {
    time(text).ok_or_else(|| "write a length of time such as 12h, 30d or 8w".into())
}

/// A date in UTC as the Unix times between which it lies: `2026`, `2026-01`, `2026-01-31`, `2026-01-31T18:30`,
/// `2026-01-31T18:30:05`.
pub fn date(text: &str) -> Option<(f64, f64)> {
    let (day, clock) = match text.split_once('T') {
        Some((day, clock)) => (day, Some(clock.strip_suffix('Z').unwrap_or(clock))),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map(|part| digits(part, 2));
    let of_month = parts.next().map(|part| digits(part, 2));
    if parts.next().is_some() {
        return None;
    }
    let (from, to) = match (month, of_month) {
        (None, _) => (day_of(year, 1, 1)?, day_of(year + 1, 1, 1)?),
        (Some(month), None) => {
            let month = month.filter(|m| (1..=12).contains(m))?;
            (
                day_of(year, month, 1)?,
                if month == 12 { day_of(year + 1, 1, 1)? } else { day_of(year, month + 1, 1)? },
            )
        }
        (Some(month), Some(day)) => {
            let first = day_of(year, month?, day?)?;
            (first, first + 1)
        }
    };
    let (from, to) = (from as f64 * 86_400.0, to as f64 * 86_400.0);
    let Some(clock) = clock else { return Some((from, to)) };
    // A time of day belongs to a day.
    of_month?;
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2).filter(|h| *h < 24)?;
    let minute = digits(parts.next()?, 2).filter(|m| *m < 60)?;
    let second = parts.next().map(|part| digits(part, 2).filter(|s| *s < 60));
    if parts.next().is_some() {
        return None;
    }
    let start = from + (hour * 3600 + minute * 60) as f64;
    Some(match second {
        Some(second) => (start + second? as f64, start + second? as f64 + 1.0),
        None => (start, start + 60.0),
    })
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A number for people: whole, or with five significant digits.
pub fn shown(x: f64) -> String {
    if x == x.trunc() && x.abs() < 1e9 {
        return format!("{x:.0}");
    }
    if x.abs() >= 1e9 {
        return units::count(x);
    }
    let text = if x.abs() < 1e-3 { format!("{x:.4e}") } else { format!("{x:.*}", places(x)) };
    let (digits, exponent) = text.split_once('e').map_or((text.as_str(), None), |(d, e)| (d, Some(e)));
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    exponent.map_or_else(|| digits.into(), |e| format!("{digits}e{e}"))
}

/// Places behind the point that leave five significant digits.
fn places(x: f64) -> usize {
    (4 - x.abs().log10().floor() as i64).clamp(0, 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_times_and_dates() {
        assert_eq!(number("1e-3"), Some(0.001));
        assert_eq!(
            (number("10M"), number("2.5k"), number("-3"), number("1_000")),
            (Some(1e7), Some(2500.0), Some(-3.0), Some(1000.0))
        );
        assert!(["", "k", "nan", "inf", "abc", "1x", "é"].iter().all(|t| number(t).is_none()));
        assert_eq!(
            (time("90s"), time("1.5h"), time("2w"), time("7")),
            (Some(90.0), Some(5400.0), Some(1_209_600.0), Some(7.0))
        );
        assert!(["", "d", "-1d", "1y", "é"].iter().all(|t| time(t).is_none()));
        assert_eq!(date("1970-01-02"), Some((86_400.0, 172_800.0)));
        assert_eq!(date("1970"), Some((0.0, 365.0 * 86_400.0)));
        assert_eq!(date("2024-02"), Some((1_706_745_600.0, 1_709_251_200.0)));
        assert_eq!(date("1970-12"), Some((334.0 * 86_400.0, 365.0 * 86_400.0)));
        assert_eq!(date("1970-01-01T01:02"), Some((3720.0, 3780.0)));
        assert_eq!(date("1970-01-01T01:02:03Z"), Some((3723.0, 3724.0)));
        for wrong in [
            "",
            "1970-13",
            "1970-02-30",
            "1970-1-1",
            "1970-01T00:00",
            "1970-01-01T24:00",
            "1970-01-01T1",
            "x",
        ] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_shown_with_five_digits() {
        let all = [0.0, 3.0, -12.0, 2.893_790_775, 0.004, 0.000_2, 123_456.789, 2_557_632.0, 6.7e11, -0.25];
        let shown: Vec<String> = all.into_iter().map(shown).collect();
        assert_eq!(shown, ["0", "3", "-12", "2.8938", "0.004", "2e-4", "123457", "2557632", "670G", "-0.25"]);
    }
}
