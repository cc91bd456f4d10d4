//! Bank accounts, cards, social security and phone numbers: what begins with a run of digits.

use super::{CARD, IBAN, PHONE, SSN, at, before, network, run, wordy};

/// What begins at a run of digits that ends before `behind`, itself behind the last datum found.
///
/// Most runs are too short or too long for most kinds, or nothing follows that would make them longer: that is seen
/// before anything is read.
pub(super) fn at_digits(
    bytes: &[u8],
    start: usize,
    behind: usize,
    free: usize,
) -> Option<(usize, usize, usize)> {
    let length = behind - start;
    let (next, goes_on) = (at(bytes, behind), at(bytes, behind + 1).is_ascii_digit());
    if let Some(found) = iban(bytes, start, free) {
        return Some(found);
    }
    if length <= 3
        && next == b'.'
        && let Some(found) = network::at_number(bytes, start)
    {
        return Some(found);
    }
    let four = length == 4 && goes_on && matches!(next, b' ' | b'-');
    if (length >= 13 || four)
        && let Some(found) = card(bytes, start)
    {
        return Some(found);
    }
    if length == 3
        && goes_on
        && next == b'-'
        && let Some(found) = ssn(bytes, start)
    {
        return Some(found);
    }
    let grouped = matches!(length, 1 | 3) && goes_on && matches!(next, b' ' | b'-' | b'.' | b'/');
    let ahead = before(bytes, start);
    if grouped || (7..=15).contains(&length) || bytes[start] == b'0' || matches!(ahead, b'(' | b'+') {
        return phone(bytes, start, free);
    }
    None
}

/// Lengths of account numbers by country: the registry of ISO 13616 (SWIFT).
const IBAN_LENGTHS: [(&[u8; 2], u8); 80] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VG", 24),
    (b"XK", 20),
];

/// An IBAN whose check digits these are: its characters together, or in groups with a space between them.
fn iban(bytes: &[u8], digits: usize, free: usize) -> Option<(usize, usize, usize)> {
    let start = digits.checked_sub(2).filter(|start| *start >= free)?;
    let country = &bytes[start..digits];
    if !country.iter().all(u8::is_ascii_uppercase)
        || wordy(before(bytes, start))
        || !at(bytes, digits + 1).is_ascii_digit()
    {
        return None;
    }
    let length = IBAN_LENGTHS.iter().find(|(code, _)| *code == country)?.1;
    // ISO 7064: the first four characters go to the end, letters count from 10.
    let (mut end, mut count, mut head, mut rest) = (start, 0, 0u32, 0u32);
    let digit = |sum: u32, byte: u8| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte - b'A') + 10) % 97,
    };
    while count < length {
        let byte = at(bytes, end);
        if byte == b' ' && count % 4 == 0 && before(bytes, end) != b' ' {
            end += 1;
            continue;
        }
        if !byte.is_ascii_digit() && !byte.is_ascii_uppercase() {
            return None;
        }
        if count < 4 {
            head = digit(head, byte);
        } else {
            rest = digit(rest, byte);
        }
        count += 1;
        end += 1;
    }
    // The head as it stands has 2 letters of 2 digits each, and 2 digits.
    let sum = (rest * (1_000_000 % 97) + head) % 97;
    (sum == 1 && !wordy(at(bytes, end))).then_some((IBAN, start, end))
}

/// Digits in groups that one space, hyphen, dot or slash parts.
#[derive(Default)]
struct Groups {
    digits: [u8; 20],
    count: usize,
    /// Digits of each group.
    lengths: [u8; 8],
    groups: usize,
    /// What parts them.
    separators: [u8; 8],
    end: usize,
}

const MOST_DIGITS: usize = 19;

impl Groups {
    /// All groups from `start` on that are parted by bytes of a kind; none if they are more than fit.
    fn read(bytes: &[u8], start: usize, separator: impl Fn(u8) -> bool) -> Option<Groups> {
        let mut found = Groups { end: start, ..Groups::default() };
        loop {
            let length = run(bytes, found.end, MOST_DIGITS + 1, |b| b.is_ascii_digit());
            if found.count + length > MOST_DIGITS {
                return None;
            }
            found.digits[found.count..found.count + length]
                .copy_from_slice(&bytes[found.end..found.end + length]);
            found.count += length;
            found.lengths[found.groups] = length as u8;
            found.groups += 1;
            found.end += length;
            let part = at(bytes, found.end);
            if !separator(part) || !at(bytes, found.end + 1).is_ascii_digit() {
                return Some(found);
            }
            if found.groups == found.lengths.len() {
                return None;
            }
            found.separators[found.groups] = part;
            found.end += 1;
        }
    }

    fn lengths(&self) -> &[u8] {
        &self.lengths[..self.groups]
    }

    /// What parts the groups, one less than these.
    fn separators(&self) -> &[u8] {
        &self.separators[1..self.groups.max(1)]
    }

    /// Whether one and the same byte parts the groups.
    fn even(&self) -> bool {
        self.separators().windows(2).all(|pair| pair[0] == pair[1])
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.count]
    }
}

/// Neither before `start` nor behind `end` does the number go on.
fn alone(bytes: &[u8], start: usize, end: usize) -> bool {
    let (ahead, next) = (before(bytes, start), at(bytes, end));
    let edge = |byte: u8| wordy(byte) || matches!(byte, b'_' | b'%' | b'=' | b'/' | b'\\');
    if edge(ahead) || matches!(ahead, b'.' | b'-' | b'+' | b'$' | b'#' | b'&' | b',') || edge(next) {
        return false;
    }
    let goes_on = matches!(next, b'.' | b'-' | b':' | b',') && wordy(at(bytes, end + 1));
    !goes_on
}

/// A card number: together, or in groups of four (4-6-5, 4-6-4) parted by spaces or hyphens.
fn card(bytes: &[u8], start: usize) -> Option<(usize, usize, usize)> {
    let groups = Groups::read(bytes, start, |b| matches!(b, b' ' | b'-'))?;
    let shape = match groups.lengths() {
        [_] | [4, 6, 5] | [4, 6, 4] => true,
        [4, rest @ .., last] => rest.iter().all(|n| *n == 4) && *last <= 4,
        _ => false,
    };
    let fits = shape && groups.even() && issued(groups.digits()) && luhn(groups.digits());
    (fits && alone(bytes, start, groups.end)).then_some((CARD, start, groups.end))
}

/// Prefixes and lengths of the issuers (ISO/IEC 7812 ranges as the networks publish them).
fn issued(digits: &[u8]) -> bool {
    if digits.len() < 13 {
        return false;
    }
    let prefix = digits[..4].iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    matches!(
        (prefix, digits.len()),
        (4000..=4999, 13 | 16 | 19)
            | (5100..=5599 | 2221..=2720, 16)
            | (3400..=3499 | 3700..=3799, 15)
            | (3000..=3059 | 3600..=3699 | 3800..=3999, 14)
            | (6011 | 6440..=6599 | 6200..=6299 | 3528..=3589, 16..=19)
            | (5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763, 13..=19)
    )
}

/// Luhn's check digit (ISO/IEC 7812-1, annex B).
fn luhn(digits: &[u8]) -> bool {
    let doubled = |(i, digit): (usize, &u8)| {
        let digit = u32::from(digit - b'0');
        if i % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

/// `AAA-GG-SSSS` with an area that is given out (none of 000, 666, 900 and more), a group and a serial that are not zero.
fn ssn(bytes: &[u8], start: usize) -> Option<(usize, usize, usize)> {
    let groups = Groups::read(bytes, start, |b| b == b'-')?;
    let fits = groups.lengths() == [3, 2, 4]
        && !matches!(&groups.digits()[..3], b"000" | b"666" | [b'9', ..])
        && &groups.digits()[3..5] != b"00"
        && &groups.digits()[5..] != b"0000";
    (fits && alone(bytes, start, groups.end)).then_some((SSN, start, groups.end))
}

/// Calling codes in use: one digit, two digits, or the first two of three (ITU-T E.164, list of assigned codes).
fn calling_code(digits: &[u8]) -> bool {
    matches!(
        digits,
        [b'1' | b'7', ..]
            | [b'2', b'0'..=b'7' | b'9', ..]
            | [b'3', b'0'..=b'9', ..]
            | [b'4' | b'5' | b'6', _, ..]
            | [b'8', b'0'..=b'2' | b'4'..=b'8', ..]
            | [b'9', b'0'..=b'6' | b'8' | b'9', ..]
    )
}

/// Groups of national numbers with a leading zero: the digits of each group.
const NATIONAL: [&[u8]; 20] = [
    &[2, 4, 4],
    &[3, 4, 4],
    &[3, 3, 4],
    &[4, 3, 3],
    &[4, 3, 4],
    &[5, 3, 3],
    &[3, 3, 3],
    &[4, 2, 4],
    &[3, 3, 2, 2],
    &[3, 2, 2, 2],
    &[3, 2, 2, 3],
    &[4, 2, 2, 2],
    &[2, 2, 2, 2, 2],
    &[5, 6],
    &[4, 6],
    &[4, 7],
    &[3, 7],
    &[2, 8],
    &[5, 5],
    &[3, 8],
];

/// A phone number: the plus sign and parentheses belong to it.
fn phone(bytes: &[u8], digits: usize, free: usize) -> Option<(usize, usize, usize)> {
    let mut start = digits;
    let parenthesis = before(bytes, start) == b'(' && start > free;
    if parenthesis {
        start -= 1;
    }
    let plus = before(bytes, start) == b'+' && start > free;
    if plus {
        start -= 1;
    }
    if start < free {
        return None;
    }
    let mut all = Groups::read(bytes, digits, |b| matches!(b, b' ' | b'-' | b'.' | b'/'))?;
    let closing =
        |end: usize| at(bytes, end) == b')' && matches!(at(bytes, end + 1), b' ' | b'-' | b'0'..=b'9');
    let shape;
    if parenthesis {
        // `(212) 555-0123`, `(020) 7946 0958`
        if all.groups != 1 || !closing(all.end) {
            return None;
        }
        let next = all.end + 1 + usize::from(!at(bytes, all.end + 1).is_ascii_digit());
        let rest = Groups::read(bytes, next, |b| matches!(b, b' ' | b'-' | b'.'))?;
        if rest.lengths()[0] == 0 || all.count + rest.count > 15 {
            return None;
        }
        shape = match (all.lengths(), rest.lengths()) {
            _ if plus => calling_code(all.digits()) && (8..=15).contains(&(all.count + rest.count)),
            ([3], [3, 4] | [7]) => america(all.digits(), rest.digits()) || all.digits()[0] == b'0',
            ([2..=5], _) => {
                all.digits()[0] == b'0' && (9..=12).contains(&(all.count + rest.count)) && rest.groups <= 4
            }
            _ => false,
        };
        all.end = rest.end;
    } else if plus {
        // `+49 (0)30 123456`, `+1 (212) 555-0123`
        let mut count = all.count;
        let opening = all.end + usize::from(at(bytes, all.end) == b' ');
        if all.groups == 1 && all.count <= 3 && at(bytes, opening) == b'(' {
            let inner = run(bytes, opening + 1, 5, |b| b.is_ascii_digit());
            if !(1..=4).contains(&inner) || !closing(opening + 1 + inner) {
                return None;
            }
            let behind = opening + inner + 2;
            let next = behind + usize::from(!at(bytes, behind).is_ascii_digit());
            let rest = Groups::read(bytes, next, |b| matches!(b, b' ' | b'-' | b'.' | b'/'))?;
            count += inner + rest.count;
            all.end = rest.end;
        }
        shape = calling_code(all.digits()) && (8..=15).contains(&count) && all.groups <= 6;
    } else {
        // What a word for phones does not help needs no look for one.
        if !national(&all, true) {
            return None;
        }
        let called = called(bytes, start);
        // Rows of a table are no phone numbers.
        if !called && next_to_numbers(bytes, start, all.end) {
            return None;
        }
        shape = national(&all, called);
    }
    let ahead = before(bytes, start);
    let edge = alone(bytes, start, all.end) || (matches!(ahead, b'=' | b'/' | b',') && called(bytes, start));
    (shape && edge).then_some((PHONE, start, all.end))
}

/// Area and exchange of the North American numbering plan: neither begins with 0 or 1; of the areas that end in 00 those
/// from 500 on serve purposes, not places.
fn america(area: &[u8], rest: &[u8]) -> bool {
    let from_two = |digits: &[u8]| matches!(digits.first(), Some(b'2'..=b'9'));
    from_two(area) && from_two(rest) && (area.get(1..3) != Some(b"00") || area[0] >= b'5')
}

/// Numbers without a plus sign and parentheses.
fn national(all: &Groups, called: bool) -> bool {
    let digits = all.digits();
    match all.lengths() {
        [3, 3, 4] if all.even() && !matches!(all.separators()[0], b'/') && digits[0] != b'0' => {
            america(digits, &digits[3..])
        }
        [1, 3, 3, 4] if all.even() && digits[0] == b'1' => america(&digits[1..], &digits[4..]),
        [3, 4] => called && digits[0] != b'0',
        [7..=15] => called,
        lengths if digits.first() == Some(&b'0') && digits.get(1) != Some(&b'0') => {
            let (first, rest) = all.separators().split_first().unwrap_or((&0, &[]));
            // `089/123 45 67`: the area may be parted in another way than the rest.
            let even = all.even()
                || (matches!(first, b'/' | b'-') && rest.windows(2).all(|pair| pair[0] == pair[1]));
            let two = matches!(lengths, [2..=5, 5..=8])
                && (9..=12).contains(&all.count)
                && (called || matches!(first, b'/' | b'-'));
            even && (two || NATIONAL.contains(&lengths))
        }
        _ => false,
    }
}

/// Whether a word for phones stands shortly before.
fn called(bytes: &[u8], start: usize) -> bool {
    let ahead = &bytes[start.saturating_sub(16)..start];
    let words: [&[u8]; 7] = [b"tel", b"phone", b"fax", b"mobil", b"cell", b"call", b"whatsapp"];
    words.iter().any(|word| ahead.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// Whether another number stands beside, with white space between.
fn next_to_numbers(bytes: &[u8], start: usize, end: usize) -> bool {
    let space = |b: &&u8| matches!(b, b' ' | b'\t');
    let ahead = bytes[..start].iter().rev().take(8).find(|b| !space(b));
    let behind = bytes[end..].iter().take(8).find(|b| !space(b));
    let beside = matches!(at(bytes, end), b' ' | b'\t');
    ahead.is_some_and(u8::is_ascii_digit) || (beside && behind.is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::super::tests::one;

    #[test]
    fn phones_of_many_countries() {
        for (text, number) in [
            ("call (212) 555-0123 now", "(212) 555-0123"),
            ("or 212-555-0123.", "212-555-0123"),
            ("or 212.555.0123,", "212.555.0123"),
            ("1-800-555-0123", "1-800-555-0123"),
            ("+1 (212) 555-0123", "+1 (212) 555-0123"),
            ("+49 (0)30 1234567", "+49 (0)30 1234567"),
            ("+442079460958", "+442079460958"),
            ("+33 1 23 45 67 89!", "+33 1 23 45 67 89"),
            ("London: 020 7946 0958", "020 7946 0958"),
            ("01 23 45 67 89", "01 23 45 67 89"),
            ("089/1234567", "089/1234567"),
            ("(020) 7946 0958", "(020) 7946 0958"),
            ("Tel.: 2125550123", "2125550123"),
            ("<a href=\"tel:+12125550123\">", "+12125550123"),
        ] {
            assert_eq!(one("phone", text), Some(number), "{text}");
        }
    }

    #[test]
    fn dates_versions_and_other_numbers_are_no_phones() {
        for text in [
            "2024-01-31",
            "01-02-2024",
            "12:30:45",
            "1234567890",
            "212-555-01234",
            "1.212.555.0123.4",
            "112-555-0123",
            "212-155-0123",
            "isbn 978-3-16-148410-0",
            "3.14159265358",
            "+0 123 456 789",
            "+1 2",
            "x212-555-0123",
            "100 200 3000 400",
            "200 300 4000 500 600 7000",
            "$212 555 0123",
            "id=2125550123",
            "123,456,7890",
            "00 12 34 56 78",
            "2024-01-31 12:30",
            "(212) 5",
            "a/212-555-0123/b",
            "1999-2000",
        ] {
            assert_eq!(one("phone", text), None, "{text}");
        }
    }

    #[test]
    fn accounts_have_their_length_and_check_digits() {
        for text in [
            "DE89370400440532013000",
            "GB82 WEST 1234 5698 7654 32",
            "NO9386011117947",
            "FR14 2004 1010 0505 0001 3M02 606",
        ] {
            assert_eq!(one("iban", &format!("IBAN: {text}.")), Some(text));
        }
        for text in [
            "DE88370400440532013000",
            "DE8937040044053201300",
            "XX89370400440532013000",
            "aDE89370400440532013000",
            "DE893704004405320130001",
        ] {
            assert_eq!(one("iban", text), None, "{text}");
        }
    }

    #[test]
    fn cards_have_a_prefix_a_length_and_a_check_digit() {
        for text in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5500-0000-0000-0004",
            "3782 822463 10005",
            "30569309025904",
            "6011111111111117",
            "3530111333300000",
        ] {
            assert_eq!(one("card", &format!("card {text}, ")), Some(text));
        }
        for text in [
            "4111111111111112",
            "1111111111111117",
            "4111 1111-1111 1111",
            "0.4111111111111111",
            "41111111111111111",
            "4111 11 1111 1111 11",
            "a4111111111111111",
        ] {
            assert_eq!(one("card", text), None, "{text}");
        }
    }

    #[test]
    fn social_security_numbers_have_parts_that_are_given_out() {
        assert_eq!(one("ssn", "SSN 123-45-6789."), Some("123-45-6789"));
        for text in [
            "000-45-6789",
            "666-45-6789",
            "900-45-6789",
            "123-00-6789",
            "123-45-0000",
            "123-45-67890",
            "1-123-45-6789",
        ] {
            assert_eq!(one("ssn", text), None, "{text}");
        }
    }
}
