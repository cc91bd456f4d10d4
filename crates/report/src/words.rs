//! Numbers and times as words on the page.

use regimen_base::calendar::date_of;

/// `1,234,567`.
pub(crate) fn grouped(n: f64) -> String {
    let digits = format!("{:.0}", n.abs());
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    if n <= -0.5 {
        out.push('\u{2212}');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with `digits` significant digits: `3.142`, `12,345`, `3.0e-5`.
pub(crate) fn significant(x: f64, digits: i32) -> String {
    if !x.is_finite() {
        return "not a number".into();
    }
    if x == 0.0 {
        return "0".into();
    }
    let magnitude = x.abs().log10().floor() as i32;
    if (x.fract() == 0.0 || magnitude >= digits) && x.abs() < 1e15 {
        return grouped(x);
    }
    if !(-4..15).contains(&magnitude) {
        return format!("{x:.*e}", (digits - 1).max(0) as usize);
    }
    format!("{x:.*}", (digits - 1 - magnitude).max(0) as usize)
}

/// A share of one as `12.3 %`.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value.abs() >= 99.95 || value == 0.0 {
        format!("{value:.0} %")
    } else if value.abs() >= 0.095 {
        format!("{value:.1} %")
    } else {
        format!("{} %", significant(value, 1))
    }
}

/// `a`, `a and b`, `a, b and c`; more than `most` names are counted instead of listed to the end.
pub(crate) fn listing(names: &[String], most: usize) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        _ if names.len() > most => {
            format!("{} and {} more", names[..most - 1].join(", "), names.len() - most + 1)
        }
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The text with its first letter in upper case.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// `2026-11-23 09:30 UTC` from seconds since 1970.
pub(crate) fn moment(seconds: f64) -> String {
    let seconds = seconds.clamp(0.0, 2.5e11) as i64;
    let (year, month, day) = date_of(seconds.div_euclid(86_400));
    let within = seconds.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", within / 3600, within / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(-100.0), "\u{2212}100");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(significant(2.34567, 4), "2.346");
        assert_eq!(significant(0.00031, 3), "0.000310");
        assert_eq!(significant(0.000031, 2), "3.1e-5");
        assert_eq!(significant(12_345.6, 4), "12,346");
        assert_eq!(significant(f64::NAN, 4), "not a number");
        assert_eq!(percent(0.1234), "12.3 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.0004), "0.04 %");
    }

    #[test]
    fn lists_stay_short() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(String::from).into();
        assert_eq!(listing(&names[..1], 3), "a");
        assert_eq!(listing(&names[..3], 3), "a, b and c");
        assert_eq!(listing(&names, 3), "a, b and 2 more");
    }

    #[test]
    fn moments() {
        assert_eq!(moment(0.0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(951_782_400.0), "2000-02-29 00:00 UTC");
        assert_eq!(moment(1_795_426_245.0), "2026-11-23 09:30 UTC");
        assert_eq!(moment(4_107_542_399.0), "2100-02-28 23:59 UTC");
    }
}
