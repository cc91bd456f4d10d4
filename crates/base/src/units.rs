//! How numbers are shown to people.

/// `1.2 kB`, `3.4 MB`: decimal multiples, as disks and texts are counted.
pub fn bytes(n: u64) -> String {
    scaled(n as f64, &["B", "kB", "MB", "GB", "TB"], 1000.0)
}

/// What [`bytes`] writes, and people do: `500MB`, `2 GB`, `1000000`. Nothing if it is no number of at least a byte.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let factor = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        _ => return None,
    };
    let number = digits.parse::<f64>().ok().filter(|n| *n > 0.0 && n * factor < 1e18)?;
    Some((number * factor) as u64)
}

/// `1.0 KiB`, `3.2 GiB`: binary multiples, as memory is counted.
pub fn memory(n: u64) -> String {
    scaled(n as f64, &["B", "KiB", "MiB", "GiB", "TiB"], 1024.0)
}

/// `950`, `12.3k`, `4.56M`: counts of tokens, parameters, documents.
pub fn count(n: f64) -> String {
    let (value, unit) = step(n, &["", "k", "M", "G", "T", "P"], 1000.0);
    format!("{}{unit}", digits(value, unit.is_empty()))
}

/// `12.3 GFLOP`, `20.1 TFLOP`.
pub fn flops(n: f64) -> String {
    scaled(n, &["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"], 1000.0)
}

/// `850 ms`, `4.2 s`, `03:12`, `2:03:12`.
pub fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let total = seconds.round() as u64;
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes:02}:{rest:02}") }
}

/// `1 document`, `2 documents`.
pub fn plural(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn step<'a>(n: f64, names: &[&'a str], base: f64) -> (f64, &'a str) {
    let mut value = n;
    let mut i = 0;
    // 999.5 would be printed as 1000 of the smaller unit.
    while value.abs() >= base * 0.9995 && i + 1 < names.len() {
        value /= base;
        i += 1;
    }
    (value, names[i])
}

fn digits(value: f64, whole: bool) -> String {
    if whole && value.fract() == 0.0 || value.abs() >= 99.95 {
        format!("{value:.0}")
    } else if value.abs() >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn scaled(n: f64, names: &[&str], base: f64) -> String {
    let (value, unit) = step(n, names, base);
    format!("{} {unit}", digits(value, unit == names[0]))
}

/// A number with about three digits.
pub fn short(x: f64) -> String {
    match x.abs() {
        a if a >= 1e6 => format!("{:.1}M", x / 1e6),
        a if a >= 1e4 => format!("{:.0}k", x / 1e3),
        a if a >= 100.0 || (x.fract() == 0.0 && a >= 1.0) => format!("{x:.0}"),
        a if a >= 1.0 => format!("{x:.1}"),
        0.0 => "0".into(),
        _ => format!("{x:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("500MB", 500_000_000), (" 2 gb ", 2_000_000_000), ("1.5k", 1500), ("7", 7), ("12B", 12)]
        {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "MB", "-1", "0", "1e30", "2 GiB", "4 apples", "1 2", "NaN", "inf"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(5_300_000), "5.30 MB");
        assert_eq!(memory(4 << 30), "4.00 GiB");
        assert_eq!(count(950.0), "950");
        assert_eq!(count(999_999.0), "1.00M");
        assert_eq!(count(12_345.0), "12.3k");
        assert_eq!(flops(20.1e12), "20.1 TFLOP");
        assert_eq!(duration(0.85), "850 ms");
        assert_eq!(duration(192.0), "03:12");
        assert_eq!(duration(7392.0), "2:03:12");
        assert_eq!(plural(1, "document"), "1 document");
        assert_eq!(plural(0, "document"), "0 documents");
    }

    #[test]
    fn numbers_are_short() {
        let all = [0.0, 0.12345, 3.0, 3.16, 250.4, 12_345.0, 2_500_000.0, -0.5];
        assert_eq!(all.map(short), ["0", "0.123", "3", "3.2", "250", "12k", "2.5M", "-0.500"]);
    }
}
