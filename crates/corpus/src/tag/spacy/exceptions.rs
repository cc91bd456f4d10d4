//! Runs and parts of runs that are tokens as they stand, or are cut in another way than by the rules: contractions,
//! abbreviations, emoticons.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::Cuts;
use super::rules::{infix, prefix, suffix};
use super::table::{Hashes, Table};
use crate::hash::hash;

/// The bytes that may follow a text, a bit each.
type Next = [u64; 4];

/// Any byte, and the end of the run.
const ANY: Next = [u64::MAX; 4];

#[inline]
fn may_follow(set: &Next, next: Option<u8>) -> bool {
    match next {
        Some(next) => set[usize::from(next >> 6)] >> (next & 63) & 1 == 1,
        None => *set == ANY,
    }
}

/// Exceptions of several tokens that the other rules cut into more.
#[derive(Default)]
struct Head {
    /// Lengths of the tokens that the other rules make, and the exception; the longest first.
    list: Vec<(Vec<usize>, String)>,
    /// What may follow the first token.
    next: Next,
}

/// Exceptions: lengths of their tokens in bytes, and what stands in their place before they are put together.
pub(super) struct Exceptions {
    whole: Table<Vec<usize>>,
    /// Those of them that are made of the letters of ASCII.
    plain: Hashes,
    /// By the first token.
    parts: Table<Head>,
    /// What may follow a first token of one byte, which most marks are.
    lone: Box<[Next; 256]>,
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

    let mut whole = BTreeMap::new();
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
    let mut parts: BTreeMap<String, Head> = BTreeMap::new();
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
            let head = parts.entry(head.to_string()).or_default();
            match rest.as_bytes().first() {
                Some(&next) => head.next[usize::from(next >> 6)] |= 1 << (next & 63),
                None => head.next = ANY,
            }
            head.list.push((lengths, key.clone()));
        }
    }
    let mut lone = Box::new([[0; 4]; 256]);
    for (key, head) in &mut parts {
        // The longest first.
        head.list.sort_by_key(|(lengths, _)| std::cmp::Reverse(lengths.len()));
        if let [only] = key.as_bytes() {
            lone[usize::from(*only)] = head.next;
        }
    }
    let whole = Table::new(whole);
    let plain = whole.keys().filter(|key| key.bytes().all(|b| b.is_ascii_alphabetic()));
    let plain = Hashes::new(plain.map(|key| hash(key.as_bytes(), 0, key.len())));
    Exceptions { whole, plain, parts: Table::new(parts), lone }
});

impl Exceptions {
    /// Whether letters of ASCII with this hash may be one: of those that are not, most are told.
    #[inline]
    pub fn may_have_plain(&self, hash: u64) -> bool {
        self.plain.may_have(hash)
    }

    #[inline]
    pub fn of(&self, text: &str) -> Option<&[usize]> {
        self.whole.get(text).map(Vec::as_slice)
    }

    /// The exceptions whose first token this is, if one may go on with the byte that follows.
    #[inline]
    pub fn headed_by(&self, token: &str, next: Option<u8>) -> &[(Vec<usize>, String)] {
        if let [only] = token.as_bytes()
            && !may_follow(&self.lone[usize::from(*only)], next)
        {
            return &[];
        }
        match self.parts.get(token) {
            Some(head) if may_follow(&head.next, next) => &head.list,
            _ => &[],
        }
    }
}
