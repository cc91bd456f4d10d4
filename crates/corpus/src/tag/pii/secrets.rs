//! Keys, tokens, and values assigned to names such as `password`.

use memchr::memmem;

use super::super::phrases::Phrases;
use super::{
    AWS, GITHUB, GITLAB, GOOGLE, HUGGING_FACE, JWT, NPM, PASSWORD, PEM, PYPI, SK, SLACK, STRIPE, at, before,
    run, wordy,
};

/// How secrets begin, and what verifies them.
const BEGINNINGS: [(&str, Verify); 39] = [
    ("AKIA", aws),
    ("ASIA", aws),
    ("ABIA", aws),
    ("ACCA", aws),
    ("ghp_", github),
    ("gho_", github),
    ("ghu_", github),
    ("ghs_", github),
    ("ghr_", github),
    ("github_pat_", github_fine),
    ("xoxb-", slack),
    ("xoxp-", slack),
    ("xoxa-", slack),
    ("xoxr-", slack),
    ("xoxs-", slack),
    ("xoxe-", slack),
    ("xapp-", slack),
    ("AIza", google),
    ("sk_live_", stripe),
    ("sk_test_", stripe),
    ("rk_live_", stripe),
    ("rk_test_", stripe),
    ("whsec_", stripe),
    ("sk-", sk),
    ("glpat-", gitlab),
    ("npm_", npm),
    ("pypi-AgEIcHlwaS5vcmc", pypi),
    ("hf_", hugging_face),
    ("eyJ", jwt),
    ("-----BEGIN ", never),
    ("password", word),
    ("passwd", word),
    ("pwd", word),
    ("passphrase", word),
    ("secret", key),
    ("token", key),
    ("api_key", key),
    ("apikey", key),
    ("access_key", key),
];
const PEM_BEGINS: usize = 29;

/// Where a secret lies whose beginning lies between two places.
type Verify = fn(&[u8], usize, usize) -> Option<(usize, usize, usize)>;

pub(super) struct Secrets {
    beginnings: Phrases,
}

impl Secrets {
    pub fn new() -> Secrets {
        // Case is left to what verifies; names of variables may be in any.
        Secrets { beginnings: Phrases::new(BEGINNINGS.map(|(beginning, _)| beginning)) }
    }

    pub fn find(&self, bytes: &[u8], add: &mut impl FnMut(usize, usize, usize)) {
        let mut free = 0;
        self.beginnings.each(bytes, |number, start, end| {
            let Some((beginning, verify)) = BEGINNINGS.get(number) else { return true };
            // Names may be in any case, the rest not.
            let any_case = number > PEM_BEGINS;
            if start < free || !(any_case || &bytes[start..end] == beginning.as_bytes()) {
                return true;
            }
            let secret =
                if number == PEM_BEGINS { pem(bytes, start, end) } else { verify(bytes, start, end) };
            if let Some((attribute, start, end)) = secret.filter(|secret| secret.1 >= free) {
                add(attribute, start, end);
                free = end;
            }
            true
        });
    }
}

fn never(_: &[u8], _: usize, _: usize) -> Option<(usize, usize, usize)> {
    None
}

fn letter_or_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// A token of `least` to `most` bytes of a kind behind its beginning, and nothing more of the kind.
fn token(
    bytes: &[u8],
    (start, end): (usize, usize),
    (least, most): (usize, usize),
    of: fn(u8) -> bool,
) -> Option<(usize, usize)> {
    let ahead = before(bytes, start);
    if wordy(ahead) || matches!(ahead, b'_' | b'-') {
        return None;
    }
    let length = run(bytes, end, most + 1, of);
    ((least..=most).contains(&length) && !wordy(at(bytes, end + length))).then_some((start, end + length))
}

/// Four letters and 16 characters of base 32 (AWS, IAM identifiers).
fn aws(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    let of = |b: u8| matches!(b, b'A'..=b'Z' | b'2'..=b'7');
    token(bytes, (start, end), (16, 16), of).map(|(start, end)| (AWS, start, end))
}

/// At least 36 letters and digits, checksum included (GitHub, formats of tokens).
fn github(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    token(bytes, (start, end), (36, 255), letter_or_digit).map(|(start, end)| (GITHUB, start, end))
}

fn github_fine(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    let of = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    token(bytes, (start, end), (40, 255), of).map(|(start, end)| (GITHUB, start, end))
}

fn slack(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    let of = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let (start, to) = token(bytes, (start, end), (20, 255), of)?;
    bytes[end..to].iter().any(u8::is_ascii_digit).then_some((SLACK, start, to))
}

fn google(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    token(bytes, (start, end), (35, 35), base64url).map(|(start, end)| (GOOGLE, start, end))
}

fn stripe(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    token(bytes, (start, end), (16, 255), letter_or_digit).map(|(start, end)| (STRIPE, start, end))
}

/// Personal access tokens of GitLab: 20 characters, or more with the routing that newer ones have.
fn gitlab(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    let of = |b: u8| base64url(b) || b == b'.';
    let (start, mut to) = token(bytes, (start, end), (20, 300), of)?;
    // A full stop behind it is the sentence's.
    while bytes[to - 1] == b'.' {
        to -= 1;
    }
    if to - end < 20 {
        return None;
    }
    bytes[end..to].iter().any(u8::is_ascii_digit).then_some((GITLAB, start, to))
}

/// 36 letters and digits, checksum included.
fn npm(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    token(bytes, (start, end), (36, 36), letter_or_digit).map(|(start, end)| (NPM, start, end))
}

/// A macaroon whose location is pypi.org, in base64url.
fn pypi(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    token(bytes, (start, end), (50, 1000), base64url).map(|(start, end)| (PYPI, start, end))
}

/// 34 letters and digits, capital and small ones.
fn hugging_face(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    let (start, to) = token(bytes, (start, end), (34, 40), letter_or_digit)?;
    let has = |of: fn(&u8) -> bool| bytes[end..to].iter().any(of);
    (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)).then_some((HUGGING_FACE, start, to))
}

/// At least 20 characters that look random: capital and small letters and digits, 3.5 bits a character.
fn sk(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    let (start, to) = token(bytes, (start, end), (20, 255), base64url)?;
    let key = &bytes[end..to];
    let has = |of: fn(&u8) -> bool| key.iter().any(of);
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    (mixed && entropy(key) >= 3.5).then_some((SK, start, to))
}

/// Three parts in base64url, of which the first two are JSON objects (RFC 7519, RFC 7515 section 7.1).
fn jwt(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    if wordy(before(bytes, start)) {
        return None;
    }
    let mut to = end;
    for part in 0..3 {
        let length = run(bytes, to, 4096, base64url);
        if length < 8 || length == 4096 {
            return None;
        }
        to += length;
        if part < 2 {
            let next = at(bytes, to) == b'.' && (part == 1 || bytes[to + 1..].starts_with(b"eyJ"));
            if !next {
                return None;
            }
            to += 1;
        }
    }
    Some((JWT, start, to))
}

/// A PEM block of a private key (RFC 7468) to the end with its own label, or its first line if there is none before the next
/// block begins: who writes about keys names such a line alone.
fn pem(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize, usize)> {
    let label = run(bytes, end, 48, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
    let line = end + label + 5;
    let label = &bytes[end..end + label];
    if !label.windows(11).any(|w| w == b"PRIVATE KEY") || bytes.get(line - 5..line)? != b"-----" {
        return None;
    }
    let block = &bytes[line..];
    let block = &block[..memmem::find(block, b"-----BEGIN ").unwrap_or(block.len())];
    let last = [b"-----END ", label, b"-----"].concat();
    let whole = memmem::find(block, &last).map_or(line, |at| line + at + last.len());
    Some((PEM, start, whole))
}

/// The value that is assigned to the name that ends somewhere behind `end`: its place, and whether it stands in quotes.
fn assigned(bytes: &[u8], end: usize) -> Option<(usize, usize, bool)> {
    let mut to = end + run(bytes, end, 24, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    to += usize::from(matches!(at(bytes, to), b'"' | b'\''));
    to += usize::from(at(bytes, to) == b']');
    to += run(bytes, to, 8, |b| b == b' ');
    let sign = bytes.get(to..)?;
    to += match sign {
        [b':', b'=', ..] | [b'=', b'>', ..] => 2,
        [b'=', b'=', ..] => return None,
        [b'=' | b':', ..] => 1,
        _ => return None,
    };
    let spaces = run(bytes, to, 8, |b| b == b' ');
    let start = to + spaces;
    match at(bytes, start) {
        quote @ (b'"' | b'\'' | b'`') => {
            let length = run(bytes, start + 1, 129, |b| b != quote && b > b' ');
            (length <= 128 && at(bytes, start + 1 + length) == quote).then_some((
                start + 1,
                start + 1 + length,
                true,
            ))
        }
        _ => {
            let of = |b: u8| b.is_ascii_alphanumeric() || b"/+_-=!@#$%^*~".contains(&b);
            let length = run(bytes, start, 129, of);
            let next = at(bytes, start + length);
            // Unquoted as in files of settings: `KEY=value` to the end of the line.
            (spaces == 0 && length <= 128 && matches!(next, 0 | b'\n' | b'\r' | b' ')).then_some((
                start,
                start + length,
                false,
            ))
        }
    }
}

/// A password: at least 6 characters of 2 kinds, 2.5 bits each.
fn word(bytes: &[u8], _: usize, end: usize) -> Option<(usize, usize, usize)> {
    let (start, to, quoted) = assigned(bytes, end)?;
    let value = &bytes[start..to];
    let digits = value.iter().any(u8::is_ascii_digit);
    let marks = value.iter().any(|b| b.is_ascii_punctuation() && !matches!(b, b'_' | b'-' | b'.'));
    let least = if quoted { 6 } else { 8 };
    let fits =
        value.len() >= least && (digits || (marks && quoted)) && entropy(value) >= 2.5 && !placeholder(value);
    fits.then_some((PASSWORD, start, to))
}

/// A key or token: at least 16 characters, a digit and a letter among them, 3 bits each.
fn key(bytes: &[u8], _: usize, end: usize) -> Option<(usize, usize, usize)> {
    let (start, to, _) = assigned(bytes, end)?;
    let value = &bytes[start..to];
    let mixed = value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
    let dense = value.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=_-.".contains(b));
    let fits = value.len() >= 16 && mixed && dense && entropy(value) >= 3.0 && !placeholder(value);
    fits.then_some((PASSWORD, start, to))
}

/// What stands where a secret goes and is none: a variable, a call, a word such as `example`.
fn placeholder(value: &[u8]) -> bool {
    let has = |part: &[u8]| value.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    let parts: [&[u8]; 16] = [
        b"${",
        b"$(",
        b"{{",
        b"%(",
        b"<",
        b"(",
        b"[",
        b"process.env",
        b"xxxx",
        b"****",
        b"....",
        b"example",
        b"placeholder",
        b"changeme",
        b"your_",
        b"your-",
    ];
    parts.iter().any(|part| has(part))
        || value.starts_with(b"$")
        || value.starts_with(b"%")
        || value.starts_with(b"http")
}

/// Shannon's entropy of the bytes, in bits a byte.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    value.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let all = value.len() as f64;
    let part = |count: &u32| f64::from(*count) / all;
    -counts.iter().filter(|count| **count > 0).map(|count| part(count) * part(count).log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, one};
    use super::*;

    /// Put together here, so that no scanner takes the tests for a leak.
    fn made(beginning: &str, rest: &str) -> String {
        format!("{beginning}{rest}")
    }

    #[test]
    fn keys_are_found_by_their_beginnings() {
        let random = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE";
        let dashed = "123456789012-abcdefABCDEF012";
        for (kind, secret) in [
            ("secret_aws", made("AKIA", "IOSFODNN7EXAMPLE")),
            ("secret_github", made("ghp_", &random[..36])),
            ("secret_github", made("github_pat_", random)),
            ("secret_slack", made("xoxb-", dashed)),
            ("secret_google", made("AIza", &random[..35])),
            ("secret_stripe", made("sk_live_", &random[..24])),
            ("secret_sk", made("sk-", random)),
            ("secret_gitlab", made("glpat-", &random[..20])),
            ("secret_npm", made("npm_", &random[..36])),
            ("secret_pypi", made("pypi-", &format!("AgEIcHlwaS5vcmc{random}{}", &random[..6]))),
            ("secret_hugging_face", made("hf_", &random[..34])),
            ("secret_jwt", made("eyJ", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop-_12")),
        ] {
            assert_eq!(one(kind, &format!("x = \"{secret}\";")), Some(secret.as_str()), "{kind}");
            assert_eq!(one(kind, &format!("x{secret}")), None, "{kind}");
            assert_eq!(
                one(kind, &secret[..secret.len() - 14])
                    .filter(|_| kind != "secret_jwt" && kind != "secret_sk" && kind != "secret_slack"),
                None,
                "{kind}"
            );
        }
        assert_eq!(BEGINNINGS[PEM_BEGINS].0, "-----BEGIN ");
        let token = made("glpat-", &random[..20]);
        assert_eq!(one("secret_gitlab", &format!("Use {token}. Then")), Some(token.as_str()));
        assert_eq!(one("secret_hugging_face", "hf_a_name_of_a_function_or_so_and_so_on"), None);
        assert_eq!(one("secret_aws", "akiaIOSFODNN7EXAMPLE"), None);
        assert_eq!(one("secret_sk", "sk-some-name-of-a-style-sheet-class"), None);
    }

    #[test]
    fn no_beginning_lies_within_another() {
        for (i, (one, _)) in BEGINNINGS.iter().enumerate() {
            for (j, (other, _)) in BEGINNINGS.iter().enumerate() {
                let within = other.to_ascii_lowercase().contains(&one.to_ascii_lowercase());
                assert!(i == j || !within, "{one} in {other}");
            }
        }
    }

    #[test]
    fn private_keys_are_taken_whole() {
        let block = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----";
        assert_eq!(one("secret_private_key", &format!("a\n{block}\nb")), Some(block));
        let cut = "-----BEGIN PRIVATE KEY-----\nMIIabc\n";
        assert_eq!(one("secret_private_key", cut), Some(&cut[..27]));
        // A line that is only spoken of does not take what stands up to the end of another block.
        let spoken = format!("-----BEGIN RSA PRIVATE KEY----- is how it begins\n{}", "prose ".repeat(99));
        for end in ["-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"]
        {
            assert_eq!(one("secret_private_key", &format!("{spoken}{end}")), Some(&spoken[..31]));
        }
        assert_eq!(
            one("secret_private_key", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"),
            None
        );
    }

    #[test]
    fn assigned_values_count_if_they_look_random() {
        for (text, value) in [
            ("password = \"hunter2x!\"", "hunter2x!"),
            ("DB_PASSWORD=s3cr3tPa55\n", "s3cr3tPa55"),
            ("'passwd': 'k9$Lm2'", "k9$Lm2"),
            ("api_key: \"a1b2c3d4e5f6a7b8c9\"", "a1b2c3d4e5f6a7b8c9"),
            ("SECRET_KEY := 'Zx81kkQw92mmRt73'", "Zx81kkQw92mmRt73"),
        ] {
            assert_eq!(one("secret_assignment", text), Some(value), "{text}");
        }
        for text in [
            "password = \"password\"",
            "password = get(\"x1y2z3\")",
            "password: ${PASS1word}",
            "password == \"abc123xyz\"",
            "token = \"a short one 1\"",
            "passwords: 123456",
            "password=\"your_pass1\"",
            "secret = 'aaaaaaaaaaaaaaaaaaa1'",
            "the password: none",
            "password=",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
        assert!((entropy(b"abab") - 1.0).abs() < 1e-12 && entropy(b"aaaa") == 0.0);
    }
}
