//! The tokens of spaCy's English tokenizer (version 3: `spacy.blank("en")`), which datatrove takes for words.
//!
//! A run without white space is cut in this order: exceptions (contractions, abbreviations, emoticons) are taken whole;
//! prefixes and suffixes are cut off, both at each turn, until none is left or the rest is an exception; a rest that looks
//! like a URL stays whole; another one is cut at infixes. At last tokens side by side that make up an exception are put
//! together. The rules are tables of characters and their neighbours; no expression is run, and what is looked up is
//! bounded, so the time is linear in the run.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::classes::{PUNCTUATION, SYMBOL, of};

/// Letters that the rules know, and whether each is small or capital; those of scripts without case are both.
fn case(c: char) -> (bool, bool) {
    match c {
        'a'..='z' => (true, false),
        'A'..='Z' => (false, true),
        _ if c.is_ascii() => (false, false),
        '\u{c0}'..='\u{24f}'
        | '\u{2c60}'..='\u{2c7f}'
        | '\u{a722}'..='\u{a7ff}'
        | '\u{1e00}'..='\u{1eff}'
        | 'Α'..='Ω'
        | 'α'..='ω'
        | 'ά'..='ώ'
        | 'Ά'..='Ώ'
        | 'А'..='я'
        | 'Ѐ'..='Џ'
        | 'ѐ'..='џ'
        | 'ґ'
        | 'Ґ'
        | 'ә'
        | 'Ә'
        | 'ө'
        | 'Ө'
        | 'ү'
        | 'Ү'
        | 'җ'
        | 'Җ'
        | 'ң'
        | 'Ң'
        | 'һ'
        | 'Һ'
        | '\u{ff21}'..='\u{ff3a}'
        | '\u{ff41}'..='\u{ff5a}' => (c.is_lowercase(), c.is_uppercase()),
        '\u{250}'..='\u{2af}'
        | '\u{1d00}'..='\u{1d25}'
        | '\u{1d6b}'..='\u{1d9a}'
        | '\u{ab30}'..='\u{ab64}' => (true, false),
        '\u{1200}'..='\u{137f}'
        | '\u{980}'..='\u{9ff}'
        | '\u{591}'..='\u{5f4}'
        | '\u{fb1d}'..='\u{fb4f}'
        | '\u{620}'..='\u{64a}'
        | '\u{66e}'..='\u{6d5}'
        | '\u{6e5}'..='\u{6ff}'
        | '\u{750}'..='\u{77f}'
        | '\u{8a0}'..='\u{8bd}'
        | '\u{fb50}'..='\u{fbb1}'
        | '\u{fbd3}'..='\u{fd3d}'
        | '\u{fd50}'..='\u{fdc7}'
        | '\u{fdf0}'..='\u{fdfb}'
        | '\u{fe70}'..='\u{fefc}'
        | '\u{d80}'..='\u{dff}'
        | '\u{900}'..='\u{97f}'
        | '\u{c80}'..='\u{cff}'
        | '\u{b80}'..='\u{bff}'
        | '\u{c00}'..='\u{c7f}'
        | '\u{ac00}'..='\u{d7af}'
        | '\u{1100}'..='\u{11ff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{20000}'..='\u{2ebef}'
        | '\u{2e80}'..='\u{303f}'
        | '\u{31c0}'..='\u{33ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{1f200}'..='\u{1f2ff}'
        | '\u{2f800}'..='\u{2fa1f}' => (true, true),
        _ => (false, false),
    }
}

fn alpha(c: char) -> bool {
    case(c) != (false, false)
}

fn lower(c: char) -> bool {
    case(c).0
}

fn upper(c: char) -> bool {
    case(c).1
}

/// `\d`-like class `[0-9]`.
fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn quote(c: char) -> bool {
    "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧".contains(c)
}

fn mark(c: char) -> bool {
    "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪".contains(c)
}

fn icon(c: char) -> bool {
    of(c) & SYMBOL != 0
}

fn currency(c: char) -> bool {
    "$£€¥฿₽﷼₴".contains(c) || ('\u{20a0}'..='\u{20bf}').contains(&c)
}

/// Units that are parted from the digits before them.
const UNITS: &str = "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h \
    kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см см² см³ мм мм² мм³ нм кг г мг \
    м/с км/ч кПа Па мбар Кб КБ кб Мб МБ мб Гб ГБ гб Тб ТБ тбكم كم² كم³ م م² م³ سم سم² سم³ مم مم² مم³ كم غرام جرام جم كغ \
    ملغ كوب اكواب US$ C$ A$";

/// Characters of the longest of them.
const LONGEST_UNIT: usize = 5;

/// The length of the prefix that is cut off.
fn prefix(text: &str) -> usize {
    let Some(c) = text.chars().next() else { return 0 };
    let single = match c {
        '§' | '%' | '=' | '—' | '–' => true,
        '+' => !text[1..].starts_with(digit),
        '.' => {
            return Some(text.bytes().take_while(|b| *b == b'.').count())
                .filter(|dots| *dots > 1)
                .unwrap_or(0);
        }
        'U' | 'C' | 'A' => {
            return ["US$", "C$", "A$"]
                .iter()
                .find(|sign| text.starts_with(**sign))
                .map_or(0, |sign| sign.len());
        }
        _ if c.is_ascii_alphanumeric() => false,
        _ => mark(c) || quote(c) || currency(c) || icon(c),
    };
    if single { c.len_utf8() } else { 0 }
}

/// The length of the suffix that is cut off: of several the longest.
fn suffix(text: &str) -> usize {
    let mut back = text.chars().rev();
    let Some(last) = back.next() else { return 0 };
    let before = back.next();
    let size = last.len_utf8();
    match last {
        '…' if before == Some('…') => 2 * size,
        '.' if before == Some('.') => text.len() - text.trim_end_matches('.').len(),
        '.' => {
            let kept = before.is_some_and(|c| {
                digit(c) || lower(c) || mark(c) || quote(c) || matches!(c, '%' | '²' | '-' | '+' | '|')
            });
            let capitals = before.is_some_and(upper) && back.next().is_some_and(upper);
            let degrees =
                before.is_some_and(|c| "FfCcKk".contains(c)) && text[..text.len() - 2].ends_with('°');
            if kept || capitals || degrees { 1 } else { 0 }
        }
        's' | 'S' if matches!(before, Some('\'' | '’')) => size + before.map_or(0, char::len_utf8),
        '+' => usize::from(before.is_some_and(digit)),
        _ if mark(last) || quote(last) || icon(last) || matches!(last, '—' | '–') => size,
        // Without a digit in reach there is no unit.
        _ => {
            let digits = text.char_indices().rev().take(LONGEST_UNIT + 1).find(|(_, c)| digit(*c));
            let Some(unit) = digits.map(|(at, _)| &text[at + 1..]).filter(|unit| !unit.is_empty()) else {
                return 0;
            };
            let sign = unit.chars().count() == 1 && currency(last);
            if sign || UNITS.split_whitespace().any(|known| known == unit) { unit.len() } else { 0 }
        }
    }
}

/// The next place, from `from` on, where a word is cut inside.
fn infix(text: &str, from: usize) -> Option<Range<usize>> {
    let mut before = text[..from].chars().next_back();
    for (i, c) in text[from..].char_indices() {
        let at = from + i;
        if !c.is_ascii_alphanumeric() {
            let rest = &text[at + c.len_utf8()..];
            let next = rest.chars().next();
            let ahead = |of: fn(char) -> bool| before.is_some_and(of);
            let behind = |of: fn(char) -> bool| next.is_some_and(of);
            let length = match c {
                '.' if next == Some('.') => text[at..].bytes().take_while(|b| *b == b'.').count(),
                '…' => c.len_utf8(),
                _ if icon(c) => c.len_utf8(),
                '+' | '-' | '*' | '^' if ahead(digit) && next.is_some_and(|c| digit(c) || c == '-') => 1,
                '.' if ahead(|c| lower(c) || quote(c)) && behind(|c| upper(c) || quote(c)) => 1,
                ',' if ahead(alpha) && behind(alpha) => 1,
                '-' | '–' | '—' | '~' if ahead(|c| alpha(c) || digit(c)) => {
                    let hyphens = ["-", "–", "—", "--", "---", "——", "~"];
                    let fits = |hyphen: &&&str| {
                        text[at..].strip_prefix(**hyphen).is_some_and(|rest| rest.starts_with(alpha))
                    };
                    hyphens.iter().find(fits).map_or(0, |hyphen| hyphen.len())
                }
                ':' | '<' | '>' | '=' | '/' if ahead(|c| alpha(c) || digit(c)) && behind(alpha) => 1,
                _ => 0,
            };
            if length > 0 {
                return Some(at..at + length);
            }
        }
        before = Some(c);
    }
    None
}

/// Whether a text looks like a URL: scheme, user, host or public address, port, path.
fn url(text: &str) -> bool {
    // None without a dot or with nothing but one.
    if !text.contains('.') || text.len() < 4 {
        return false;
    }
    let scheme = |c: char| c.is_alphanumeric() || matches!(c, '_' | '+' | '-' | '.');
    let rest =
        text.find("://").filter(|&end| text[..end].chars().count() > 1 && text[..end].chars().all(scheme));
    let with_user = |text: &str| {
        host(text) || text.char_indices().any(|(at, c)| c == '@' && at > 0 && host(&text[at + 1..]))
    };
    with_user(text) || rest.is_some_and(|end| with_user(&text[end + 3..]))
}

/// Whether a text is a host with what may follow it.
fn host(text: &str) -> bool {
    let end = text.find([':', '/', '?', '#', '@']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    if let Some(port) = rest.strip_prefix(':') {
        let digits = port.bytes().take_while(u8::is_ascii_digit).count();
        if !(2..=5).contains(&digits) {
            return false;
        }
        rest = &port[digits..];
    }
    if !(rest.is_empty() || rest.starts_with(['/', '?', '#'])) {
        return false;
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || ('\u{a1}'..='\u{ffff}').contains(&c);
    let label = |label: &str| {
        label.chars().count() <= 64
            && label.starts_with(letter)
            && label.ends_with(letter)
            && label.chars().all(|c| letter(c) || matches!(c, '_' | '-'))
    };
    let named = name.rsplit_once('.').is_some_and(|(labels, top)| {
        (2..=63).contains(&top.chars().count()) && top.chars().all(lower) && labels.split('.').all(label)
    });
    named || public(name)
}

/// Whether a text is an IPv4 address outside of private networks, as the expression for URLs has it.
fn public(text: &str) -> bool {
    let mut parts = [0u32; 4];
    let mut count = 0;
    for part in text.split('.') {
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let (Some(slot), true) = (parts.get_mut(count), digits) else { return false };
        *slot = part.parse().unwrap_or(u32::MAX);
        count += 1;
    }
    let [a, b, c, d] = parts;
    count == 4
        && (1..=223).contains(&a)
        && b <= 255
        && c <= 255
        && (1..=254).contains(&d)
        && !matches!((a, b), (10 | 127, _) | (169, 254) | (192, 168) | (172, 16..=31))
}

/// Exceptions: lengths of their tokens in bytes, and what stands in their place before they are put together.
struct Exceptions {
    whole: HashMap<String, Vec<usize>>,
    longest: usize,
    /// By the first token: lengths of the tokens that the other rules make, and the exception.
    parts: HashMap<String, Vec<(Vec<usize>, String)>>,
}

/// Words that would be contractions without their apostrophe, but are none.
const NO_EXCEPTIONS: [&str; 16] = [
    "Ill", "ill", "Its", "its", "Hell", "hell", "Shell", "shell", "Shed", "shed", "were", "Were", "Well",
    "well", "Whore", "whore",
];

/// Exceptions that are one token.
const SINGLE: &str = r#"\t \n — ' \") <space> '' C++ a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w.
    x. y. z. ä. ö. ü. :) :-) :)) :-)) :))) :-))) (: (-: =) (= :] :-] [: [-: [= =] :o) (o: :} :-} 8) 8-) (-8 ;) ;-) (; (-;
    :( :-( :(( :-(( :((( :-((( ): )-: =( >:( :') :'-) :'( :'-( :/ :-/ =/ =| :| :-| ]= =[ :1 :P :-P :p :-p :O :-O :o :-o :0
    :-0 :() >:o :* :-* :3 :-3 =3 :> :-> :X :-X :x :-x :D :-D ;D ;-D =D xD XD xDD XDD 8D 8-D ^_^ ^__^ ^___^ >.< >.> <.< ._.
    ;_; -_- -__- v.v V.V v_v V_V o_o o_O O_o O_O 0_o o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o @_@ <3 <33 <333 </3 (^_^) (-_-)
    (._.) (>_<) (*_*) (¬_¬) ಠ_ಠ ಠ︵ಠ (ಠ_ಠ) ¯\(ツ)/¯ (╯°□°）╯︵┻━┻ ><(((*> em ll nuff 'em 'll 'nuff 'S 's ‘S ‘s and/or w/o
    're 'Cause 'cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout ma'am Ma'am o'clock O'clock lovin' Lovin' lovin Lovin havin'
    Havin' havin Havin Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan.
    Jul. Jun. Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla.
    Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. 'd a.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e.
    I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. p.m. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s."#;

/// Exceptions of several tokens, which `|` parts.
const SEVERAL: &str = "y'|all y|all how|'d|'y How|'d|'y not|'ve not|ve Not|'ve Not|ve can|not Can|not gon|na Gon|na got|ta \
    Got|ta let|'s Let|'s c'm|on C'm|on";

static EXCEPTIONS: LazyLock<Exceptions> = LazyLock::new(|| {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut add = |parts: &[&str]| all.push(parts.iter().map(|part| part.to_string()).collect());
    // Heads in small letters and with a capital, each with tails whose tokens `|` parts.
    let mut join = |heads: &str, tails: &str| {
        for head in heads.split_whitespace() {
            let capital = format!("{}{}", head[..1].to_uppercase(), &head[1..]);
            for head in [head, &capital] {
                for tail in tails.split_whitespace() {
                    let parts: Vec<&str> = std::iter::once(head).chain(tail.split('|')).collect();
                    add(&parts);
                }
            }
        }
    };
    join("i", "'m m 'm|a m|a");
    join("i you he she it we they", "'ll ll 'll|'ve ll|ve 'd d 'd|'ve d|ve");
    join("i you we they", "'ve ve");
    join("you we they", "'re re");
    join("he she it", "'s s");
    join("who what when where why how there that this these those", "'ll ll 'll|'ve ll|ve 'd d 'd|'ve d|ve");
    join("who what when where why how there that this", "'s s");
    join("who what when where why how there these those", "'re re 've ve");
    join("ca could do does did had may might must need ought sha should wo would", "n't nt n't|'ve nt|ve");
    join("could might must should would", "'ve ve");
    join("ai are is was were have has dare", "n't nt");
    for word in ["doin", "goin", "nothin", "nuthin", "ol", "somethin"] {
        let capital = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
        for word in [word, &capital] {
            add(&[word]);
            add(&[&format!("{word}'")]);
        }
    }
    for hour in 1..=12 {
        for half in ["a.m.", "am", "p.m.", "pm"] {
            add(&[&hour.to_string(), half]);
        }
    }
    for unit in ["c", "f", "k", "C", "F", "K"] {
        add(&["°", unit, "."]);
    }
    SINGLE.split_whitespace().for_each(|word| add(&[word]));
    SEVERAL.split_whitespace().for_each(|parts| add(&parts.split('|').collect::<Vec<_>>()));

    let mut whole = HashMap::new();
    for parts in all {
        let key = parts.concat();
        if NO_EXCEPTIONS.contains(&key.as_str()) {
            continue;
        }
        // Each with the typographic apostrophe, too.
        let curly: Vec<String> = parts.iter().map(|part| part.replace('\'', "’")).collect();
        whole.insert(curly.concat(), curly.iter().map(String::len).collect());
        whole.insert(key, parts.iter().map(String::len).collect());
    }
    let mut parts: HashMap<String, Vec<(Vec<usize>, String)>> = HashMap::new();
    for key in whole.keys() {
        if prefix(key) > 0 || suffix(key) > 0 || infix(key, 0).is_some() {
            let mut tokens = Vec::new();
            affixes(key, 0, None, &mut tokens);
            let lengths: Vec<usize> = tokens.iter().map(|token| token.len()).collect();
            parts.entry(key[..lengths[0]].to_string()).or_default().push((lengths, key.clone()));
        }
    }
    // The longest first.
    parts.values_mut().for_each(|list| list.sort_by_key(|(lengths, _)| std::cmp::Reverse(lengths.len())));
    let longest = whole.keys().map(String::len).max().unwrap_or(0);
    Exceptions { whole, longest, parts }
});

impl Exceptions {
    fn of(&self, text: &str) -> Option<&[usize]> {
        if text.len() > self.longest { None } else { self.whole.get(text).map(Vec::as_slice) }
    }
}

/// Put tokens of lengths side by side.
fn push(lengths: &[usize], mut start: usize, out: &mut Vec<Range<usize>>) {
    for length in lengths {
        out.push(start..start + length);
        start += length;
    }
}

/// Cut a run that begins at `base` by all rules but the putting together.
fn affixes(run: &str, base: usize, exceptions: Option<&Exceptions>, out: &mut Vec<Range<usize>>) {
    let known = |text: &str| exceptions.and_then(|exceptions| exceptions.of(text));
    let (mut start, mut end) = (0, run.len());
    let mut tail: Vec<Range<usize>> = Vec::new();
    while start < end {
        let text = &run[start..end];
        if known(text).is_some() {
            break;
        }
        let ahead = prefix(text);
        if ahead > 0 && ahead < text.len() && known(&text[ahead..]).is_some() {
            out.push(base + start..base + start + ahead);
            start += ahead;
            break;
        }
        let behind = suffix(&text[ahead..]);
        if behind > 0 && behind < text.len() && known(&text[..text.len() - behind]).is_some() {
            tail.push(base + end - behind..base + end);
            end -= behind;
            break;
        }
        if ahead == 0 && behind == 0 {
            break;
        }
        if ahead > 0 {
            out.push(base + start..base + start + ahead);
            start += ahead;
        }
        if behind > 0 {
            tail.push(base + end - behind..base + end);
            end -= behind;
        }
    }
    let text = &run[start..end];
    if let Some(lengths) = known(text) {
        push(lengths, base + start, out);
    } else if !text.is_empty() {
        inside(text, base + start, out);
    }
    out.extend(tail.into_iter().rev());
}

/// Cut what has neither prefix nor suffix.
fn inside(text: &str, base: usize, out: &mut Vec<Range<usize>>) {
    let mut next = infix(text, 0);
    if next.is_some() && url(text) {
        next = None;
    }
    let mut start = 0;
    while let Some(cut) = next {
        next = infix(text, cut.end);
        // What stands at the very start is no infix.
        if cut.start == 0 {
            continue;
        }
        if cut.start > start {
            out.push(base + start..base + cut.start);
        }
        out.push(base + cut.start..base + cut.end);
        start = cut.end;
    }
    if start < text.len() {
        out.push(base + start..base + text.len());
    }
}

/// Append the tokens of a run without white space, which begins at `base`.
pub(super) fn tokens(run: &str, base: usize, out: &mut Vec<Range<usize>>) {
    let exceptions = &*EXCEPTIONS;
    if let Some(lengths) = exceptions.of(run) {
        return push(lengths, base, out);
    }
    if run.is_empty() {
        return;
    }
    if run.bytes().all(|b| b.is_ascii_alphabetic()) {
        return out.push(base..base + run.len());
    }
    let first = out.len();
    affixes(run, base, Some(exceptions), out);
    if out.len() > first + 1 {
        put_together(run, base, first, exceptions, out);
    }
}

/// Put tokens side by side together that make up an exception: the longest first, of equally long ones the first.
fn put_together(run: &str, base: usize, first: usize, exceptions: &Exceptions, out: &mut Vec<Range<usize>>) {
    let mut found: Vec<(Range<usize>, &[usize])> = Vec::new();
    for (i, token) in out.iter().enumerate().skip(first) {
        let Some(list) = exceptions.parts.get(&run[token.start - base..token.end - base]) else { continue };
        for (lengths, key) in list {
            let these = out.get(i..i + lengths.len());
            let fits = these.is_some_and(|these| these.iter().map(|t| t.len()).eq(lengths.iter().copied()))
                && run[token.start - base..].starts_with(key.as_str());
            if let (true, Some(whole)) = (fits, exceptions.of(key)) {
                found.push((i..i + lengths.len(), whole));
            }
        }
    }
    if found.is_empty() {
        return;
    }
    found.sort_by_key(|(range, _)| (std::cmp::Reverse(range.len()), range.start));
    let mut taken = vec![false; out.len()];
    found.retain(|(range, _)| {
        let free = !taken[range.start] && !taken[range.end - 1];
        taken[range.clone()].iter_mut().for_each(|taken| *taken = true);
        free
    });
    found.sort_by_key(|(range, _)| range.start);
    let old = out.split_off(first);
    let mut at = first;
    for (range, whole) in found {
        out.extend_from_slice(&old[at - first..range.start - first]);
        push(whole, old[range.start - first].start, out);
        at = range.end;
    }
    out.extend_from_slice(&old[at - first..]);
}

/// Whether a token is nothing but punctuation.
pub(super) fn is_punctuation(token: &str) -> bool {
    token.chars().all(|c| of(c) & PUNCTUATION != 0)
}

/// Whether a token ends a sentence for spaCy's `sentencizer`.
pub(super) fn ends_sentence(token: &str) -> bool {
    let mut chars = token.chars();
    chars.next().is_some_and(super::fineweb::is_terminal) && chars.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(run: &str) -> Vec<&str> {
        let mut out = Vec::new();
        tokens(run, 0, &mut out);
        out.into_iter().map(|range| &run[range]).collect()
    }

    /// Tokens that spaCy 3.8 itself gives.
    #[test]
    fn runs_are_cut_as_spacy_cuts_them() {
        for (run, expected) in [
            ("(\"Hello,\"", "( \" Hello , \""),
            ("don't", "do n't"),
            ("He’s", "He ’s"),
            ("cannot.", "can not ."),
            ("know...", "know ..."),
            ("U.S.", "U.S."),
            ("NASA.", "NASA ."),
            ("e.g.,", "e.g. ,"),
            ("(Mr.)", "( Mr. )"),
            ("well-known", "well - known"),
            ("a--b", "a -- b"),
            ("10km/h", "10 km/h"),
            ("5mg", "5 mg"),
            ("$5.00", "$ 5.00"),
            ("US$5", "US$ 5"),
            ("https://x.com/a-b?c=d.", "https://x.com/a-b?c=d ."),
            ("x=y", "x = y"),
            ("end.Next", "end . Next"),
            ("text:)", "text :)"),
            ("vitamin-a.", "vitamin - a."),
            ("10-12", "10 - 12"),
            ("its", "its"),
            ("10am", "10 am"),
            ("-x-", "-x-"),
            ("a/b/c", "a / b / c"),
            ("me@x.org", "me@x.org"),
            ("@user:", "@user :"),
        ] {
            let expected: Vec<&str> = expected.split(' ').collect();
            assert_eq!(cut(run), expected, "{run}");
        }
    }

    proptest! {
        #[test]
        fn tokens_make_up_the_run(run in "([a-cA-C0-9.,:;'’\"()$%+=/<>@_…—–é中☺-]|n't|'s|://|\\.com|km|US\\$){0,30}") {
            let mut out = Vec::new();
            tokens(&run, 7, &mut out);
            let mut at = 7;
            for token in &out {
                prop_assert!(token.start == at && token.end > at);
                at = token.end;
            }
            prop_assert_eq!(at, 7 + run.len());
            prop_assert!(out.iter().all(|t| run.get(t.start - 7..t.end - 7).is_some()));
        }
    }

    #[test]
    fn time_is_linear_in_long_runs() {
        for run in [
            ".", "(", ")", "a.", "a@", "a-", "a-b", "1+", "…", "'s", ":)", "a/", "://", "-", "5km", "☺", "=",
            "(:",
        ] {
            cut(&run.repeat(200_000 / run.len()));
        }
    }
}
