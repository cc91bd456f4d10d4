//! Runs and parts of runs that are tokens as they stand, or are cut in another way than by the rules: contractions,
//! abbreviations, emoticons.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use super::Cuts;
use super::rules::{infix, prefix, suffix};
use crate::hash::{fold, hash};

/// Hashes short texts.
#[derive(Default)]
struct TextHasher(u64);

impl Hasher for TextHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = fold(self.0 ^ hash(bytes, 0, bytes.len()), 0x9E37_79B9_7F4A_7C15);
    }

    /// What ends a text makes no difference between texts.
    fn write_u8(&mut self, _: u8) {}
}

type ByText<V> = HashMap<String, V, BuildHasherDefault<TextHasher>>;

/// What can be seen of the keys of a table at once: the lengths of those that begin with a byte, of those that have it in
/// the second place, and of those that end with it.
struct Sieve {
    first: [u64; 256],
    second: [u64; 256],
    last: [u64; 256],
}

impl Sieve {
    fn new<'k>(keys: impl Iterator<Item = &'k String>) -> Sieve {
        let mut sieve = Sieve { first: [0; 256], second: [0; 256], last: [0; 256] };
        for key in keys {
            let bit = 1 << key.len().min(63);
            if let (Some(first), Some(last)) = (key.as_bytes().first(), key.as_bytes().last()) {
                sieve.first[usize::from(*first)] |= bit;
                sieve.second[usize::from(key.as_bytes().get(1).copied().unwrap_or(0))] |= bit;
                sieve.last[usize::from(*last)] |= bit;
            }
        }
        sieve
    }

    /// Whether a text may be a key.
    #[inline]
    fn lets(&self, bytes: &[u8]) -> bool {
        let [first, second, last] = match bytes {
            [] => return false,
            [only] => [*only, 0, *only],
            [first, second, ..] => [*first, *second, bytes[bytes.len() - 1]],
        };
        let lengths =
            self.first[usize::from(first)] & self.second[usize::from(second)] & self.last[usize::from(last)];
        lengths >> bytes.len().min(63) & 1 == 1
    }
}

/// Exceptions of several tokens that the other rules cut into more.
struct Head {
    /// Lengths of the tokens that the other rules make, and the exception; the longest first.
    list: Vec<(Vec<usize>, String)>,
    /// The bytes that may follow the first token; all if the end of the run may.
    next: [u64; 4],
}

/// Exceptions: lengths of their tokens in bytes, and what stands in their place before they are put together.
pub(super) struct Exceptions {
    sieve: Sieve,
    whole: ByText<Vec<usize>>,
    heads: Sieve,
    /// By the first token.
    parts: ByText<Head>,
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

pub(super) static EXCEPTIONS: LazyLock<Exceptions> = LazyLock::new(|| {
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

    let mut whole = ByText::default();
    for parts in all {
        let key = parts.concat();
        if NO_EXCEPTIONS.contains(&key.as_str()) {
            continue;
        }
        // Each with the typographic apostrophe, too.
        let curly: Vec<String> = parts.iter().map(|part| part.replace('\'', "’")).collect();
        whole.insert(curly.concat(), curly.iter().map(String::len).collect::<Vec<usize>>());
        whole.insert(key, parts.iter().map(String::len).collect());
    }
    let mut parts: ByText<Head> = ByText::default();
    let mut cuts = Cuts::default();
    for key in whole.keys() {
        if prefix(key) > 0 || suffix(key) > 0 || infix(key, 0).is_some() {
            cuts.tokens.clear();
            cuts.affixes(key, 0, None);
            let lengths: Vec<usize> = cuts.tokens.iter().map(|token| token.len()).collect();
            // One token for the rules, and one as an exception.
            if lengths.len() == 1 && whole[key].len() == 1 {
                continue;
            }
            let (head, rest) = key.split_at(lengths[0]);
            let head =
                parts.entry(head.to_string()).or_insert_with(|| Head { list: Vec::new(), next: [0; 4] });
            match rest.as_bytes().first() {
                Some(&next) => head.next[usize::from(next >> 6)] |= 1 << (next & 63),
                None => head.next = [u64::MAX; 4],
            }
            head.list.push((lengths, key.clone()));
        }
    }
    // The longest first.
    parts
        .values_mut()
        .for_each(|head| head.list.sort_by_key(|(lengths, _)| std::cmp::Reverse(lengths.len())));
    Exceptions { sieve: Sieve::new(whole.keys()), whole, heads: Sieve::new(parts.keys()), parts }
});

impl Exceptions {
    /// Whether a text may be one: of those that are not, most are told.
    #[inline]
    pub fn may_have(&self, text: &[u8]) -> bool {
        self.sieve.lets(text)
    }

    #[inline]
    pub fn of(&self, text: &str) -> Option<&[usize]> {
        if self.sieve.lets(text.as_bytes()) { self.whole.get(text).map(Vec::as_slice) } else { None }
    }

    /// The exceptions whose first token this is, if one may go on with the byte that follows.
    #[inline]
    pub fn headed_by(&self, token: &str, next: Option<u8>) -> &[(Vec<usize>, String)] {
        let head = if self.heads.lets(token.as_bytes()) { self.parts.get(token) } else { None };
        let Some(head) = head else { return &[] };
        let goes_on = match next {
            Some(next) => head.next[usize::from(next >> 6)] >> (next & 63) & 1 == 1,
            None => head.next == [u64::MAX; 4],
        };
        if goes_on { &head.list } else { &[] }
    }
}
