//! All matches of a regular expression in time linear in the text, however far ahead each of them must look.
//!
//! The usual way to find all matches, one search behind the other, is quadratic where each search reads far ahead: `.*x|.`
//! looks for an x in the rest of the line before it takes one letter. Here the text is read in both directions (Frisch and
//! Cardelli, "Greedy regular expression matching", ICALP 2004): from its end, to know for each place from which states of the
//! automaton a match can be completed, and then from its begin, where the preferred one of these states is always the right
//! one. The matches are those of a search that backtracks: leftmost, then by the order of alternatives.
//!
//! What is known of each place would take more memory than the text. So the first reading keeps it at the ends of blocks
//! alone; each block is read from its end once more when the matches have come there.

use std::collections::HashMap;
use std::ops::Range;

use regex_automata::nfa::thompson::{Config, NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

/// Bytes that the automaton of an expression may take.
const AUTOMATON: usize = 1 << 20;
/// Bytes that the sets of a text may take, and again those of one block.
const SETS: usize = 64 << 20;
/// Bytes of a block, as long as its sets fit.
const BLOCK: std::ops::RangeInclusive<usize> = 1 << 8..=1 << 16;
/// Looks, at most, whose combinations each have a table.
const LOOKS: usize = 3;
/// Bits of the number of a slot of the ways onward.
const SLOT_BITS: u32 = 14;

/// Sets of states, and one more for what is not yet known.
type SetId = u32;
const UNKNOWN: SetId = SetId::MAX;

/// An expression whose matches are wanted. None of them is empty.
pub(super) struct AllMatches {
    nfa: NFA,
    /// The states that a match may be at.
    states: Vec<StateID>,
    /// Whether a match may go on in another line.
    crosses: bool,
    /// By state, the states from which it is reached without a byte.
    before: Vec<Vec<StateID>>,
    /// What it looks at around a place.
    looks: Vec<Look>,
    classes: usize,
}

/// Where a match stands after a byte.
#[derive(Clone, Copy)]
enum Next {
    /// At a state that takes the next byte.
    State(StateID),
    /// At its end.
    End,
    /// Nowhere.
    Nowhere,
}

impl AllMatches {
    /// For an expression; none if its automaton is too large for all that is known of a text to be small.
    pub(super) fn new(pattern: &str, syntax: syntax::Config) -> Option<AllMatches> {
        let config = Config::new().nfa_size_limit(Some(AUTOMATON)).which_captures(WhichCaptures::None);
        let nfa = NFA::compiler().configure(config).syntax(syntax).build(pattern).ok()?;
        let mut before = vec![Vec::new(); nfa.states().len()];
        let (mut states, mut met) = (vec![nfa.start_anchored()], vec![0; nfa.states().len().div_ceil(64)]);
        put(&mut met, nfa.start_anchored());
        let mut at = 0;
        while let Some(&from) = states.get(at) {
            at += 1;
            let mut reach = |next: StateID| {
                if !has(&met, next) {
                    put(&mut met, next);
                    states.push(next);
                }
            };
            let mut add = |next: StateID| {
                before[next.as_usize()].push(from);
                reach(next);
            };
            match nfa.state(from) {
                State::Look { next, .. } | State::Capture { next, .. } => add(*next),
                State::Union { alternates } => alternates.iter().for_each(|&next| add(next)),
                State::BinaryUnion { alt1, alt2 } => [*alt1, *alt2].into_iter().for_each(add),
                State::ByteRange { trans } => reach(trans.next),
                State::Sparse(sparse) => sparse.transitions.iter().for_each(|trans| reach(trans.next)),
                // A transition that is none leads to the state 0, which takes nothing.
                State::Dense(dense) => dense.transitions.iter().for_each(|&next| reach(next)),
                State::Fail | State::Match { .. } => {}
            }
        }
        let (looks, classes) = (nfa.look_set_any().iter().collect(), nfa.byte_classes().alphabet_len());
        let crosses = states.iter().any(|&state| after(&nfa, state, b'\n').is_some());
        Some(AllMatches { nfa, states, crosses, before, looks, classes })
    }

    /// Whether a search reads no further than to the end of the line in which its match ends.
    pub(super) fn stays_in_line(&self) -> bool {
        !self.crosses
    }

    /// Tables of a set: one for each combination of looks, up to some.
    fn tables(&self) -> usize {
        1 << self.looks.len().min(LOOKS)
    }

    /// Bytes that a set takes, which stands twice, with its rows and what all these containers take for it.
    fn set_bytes(&self) -> usize {
        128 + 16 * self.before.len().div_ceil(64) + 4 * self.tables() * self.classes
    }

    /// Call `found` with every match in `text` that begins at `from` or later.
    pub(super) fn each(&self, text: &[u8], from: usize, found: &mut dyn FnMut(Range<usize>)) {
        Scan::new(self, text).each(from, found);
    }
}

/// One text on its way.
struct Scan<'e> {
    all: &'e AllMatches,
    text: &'e [u8],
    /// The sets met, one bit a state, and their numbers.
    sets: Vec<Box<[u64]>>,
    numbers: HashMap<Box<[u64]>, SetId>,
    /// By set, whether a match can begin there.
    begins: Vec<bool>,
    /// By set, what is seen there, and class of the byte before it: the set before that byte.
    rows: Vec<SetId>,
    /// The same of expressions that look at many things.
    looking: HashMap<(SetId, u32, u8), SetId>,
    /// Where a match goes on, each in the place of its key's hash.
    ways: Vec<(u128, Next)>,
    /// What is seen between two ASCII letters.
    between: Vec<u32>,
    /// Work space.
    stack: Vec<StateID>,
    /// Sets that are remembered.
    most: usize,
    /// Bytes gone over from the end.
    #[cfg(test)]
    steps: usize,
}

/// No way has this key, and between no letters this is seen.
const NO_WAY: u128 = u128::MAX;
const UNSEEN: u32 = u32::MAX;

impl<'e> Scan<'e> {
    fn new(all: &'e AllMatches, text: &'e [u8]) -> Scan<'e> {
        let between = if all.looks.is_empty() { 0 } else { 1 << 14 };
        Scan {
            all,
            text,
            sets: Vec::new(),
            numbers: HashMap::new(),
            begins: Vec::new(),
            rows: Vec::new(),
            looking: HashMap::new(),
            ways: vec![(NO_WAY, Next::Nowhere); 1 << SLOT_BITS],
            between: vec![UNSEEN; between],
            stack: Vec::new(),
            most: SETS / all.set_bytes(),
            #[cfg(test)]
            steps: 0,
        }
    }

    fn each(&mut self, from: usize, found: &mut dyn FnMut(Range<usize>)) {
        let length = (SETS / self.all.set_bytes()).clamp(*BLOCK.start(), *BLOCK.end());
        let blocks: Vec<Range<usize>> = (from..self.text.len())
            .step_by(length)
            .map(|start| start..self.text.len().min(start + length))
            .collect();
        // The set at the end of each block, last block first.
        let mut ends: Vec<Box<[u64]>> = Vec::with_capacity(blocks.len());
        let mut set = self.last();
        for block in blocks.iter().rev() {
            ends.push(self.sets[set as usize].clone());
            for at in block.clone().rev() {
                set = self.forget(set);
                set = self.back(set, at);
            }
        }
        let mut open: Option<(usize, StateID)> = None;
        let mut known = Vec::new();
        for (block, end) in blocks.iter().zip(ends.iter().rev()) {
            let mut set = self.number(end.clone());
            set = self.forget(set);
            known.clear();
            known.push(set);
            for at in block.clone().rev() {
                set = self.back(set, at);
                known.push(set);
            }
            known.reverse();
            for (at, sets) in block.clone().zip(known.windows(2)) {
                let (begin, state) = match open {
                    Some(open) => open,
                    None if !self.begins[sets[0] as usize] => continue,
                    None => match self.begin(sets[0], at) {
                        Next::State(state) => (at, state),
                        Next::End | Next::Nowhere => continue,
                    },
                };
                open = match self.onward(state, sets[1], at) {
                    Next::State(state) => Some((begin, state)),
                    Next::End => {
                        found(begin..at + 1);
                        None
                    }
                    Next::Nowhere => None,
                };
            }
        }
    }

    /// What of all that the expression looks at is seen around a place, one bit each.
    fn looks(&mut self, at: usize) -> u32 {
        if self.all.looks.is_empty() {
            return 0;
        }
        // Nothing is looked at but the two characters.
        let letters = match self.text[at.saturating_sub(1)..].first_chunk() {
            Some(&[a, b]) if at > 0 && (a | b).is_ascii() => Some(usize::from(a) << 7 | usize::from(b)),
            _ => None,
        };
        if let Some(letters) = letters
            && self.between[letters] != UNSEEN
        {
            return self.between[letters];
        }
        let matcher = self.all.nfa.look_matcher();
        let seen = |&look: &Look| u32::from(matcher.matches(look, self.text, at));
        let looks = self.all.looks.iter().map(seen).zip(0..).fold(0, |all, (seen, bit)| all | seen << bit);
        if let Some(letters) = letters {
            self.between[letters] = looks;
        }
        looks
    }

    /// Whether `looks` has a look.
    fn sees(&self, looks: u32, look: Look) -> bool {
        self.all.looks.iter().position(|&other| other == look).is_some_and(|bit| looks >> bit & 1 == 1)
    }

    /// The set at the end of the text.
    fn last(&mut self) -> SetId {
        let looks = self.looks(self.text.len());
        let set = self.closed(vec![0; self.all.before.len().div_ceil(64)], looks);
        self.number(set)
    }

    /// The set before the byte at `at`, of the set behind it.
    #[inline]
    fn back(&mut self, behind: SetId, at: usize) -> SetId {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        let (byte, looks) = (self.text[at], self.looks(at));
        let class = self.all.nfa.byte_classes().get(byte);
        let known = match self.row(behind, looks, class) {
            Some(row) => self.rows[row],
            None => self.looking.get(&(behind, looks, class)).copied().unwrap_or(UNKNOWN),
        };
        if known == UNKNOWN { self.back_anew(behind, looks, byte) } else { known }
    }

    /// Where in the rows a set stands, if these looks have a table.
    fn row(&self, set: SetId, looks: u32, class: u8) -> Option<usize> {
        let tables = self.all.tables();
        let row = |looks| (set as usize * tables + looks) * self.all.classes + usize::from(class);
        Some(looks as usize).filter(|&looks| looks < tables).map(row)
    }

    #[inline(never)]
    fn back_anew(&mut self, behind: SetId, looks: u32, byte: u8) -> SetId {
        let mut set = vec![0; self.all.before.len().div_ceil(64)];
        for &state in &self.all.states {
            if after(&self.all.nfa, state, byte).is_some_and(|next| has(&self.sets[behind as usize], next)) {
                put(&mut set, state);
            }
        }
        let set = self.closed(set, looks);
        let set = self.number(set);
        let class = self.all.nfa.byte_classes().get(byte);
        match self.row(behind, looks, class) {
            Some(row) => self.rows[row] = set,
            None => {
                self.looking.insert((behind, looks, class), set);
            }
        }
        set
    }

    /// A set with the states of a match's end, and all from which one of its states is reached without a byte.
    fn closed(&mut self, mut set: Vec<u64>, looks: u32) -> Box<[u64]> {
        let nfa = &self.all.nfa;
        let mut stack = std::mem::take(&mut self.stack);
        for &state in &self.all.states {
            if matches!(nfa.state(state), State::Match { .. }) {
                put(&mut set, state);
            }
            if has(&set, state) {
                stack.push(state);
            }
        }
        while let Some(state) = stack.pop() {
            for &from in &self.all.before[state.as_usize()] {
                let through = match nfa.state(from) {
                    State::Look { look, .. } => self.sees(looks, *look),
                    _ => true,
                };
                if through && !has(&set, from) {
                    put(&mut set, from);
                    stack.push(from);
                }
            }
        }
        self.stack = stack;
        set.into()
    }

    /// Where a match that begins at `at` stands there.
    fn begin(&mut self, set: SetId, at: usize) -> Next {
        let looks = self.looks(at);
        let start = self.all.nfa.start_anchored();
        self.way(set, start, looks, self.all.classes as u32, |_| Some(start))
    }

    /// Where a match goes on from a state behind the byte at `at`, of the set there.
    #[inline]
    fn onward(&mut self, state: StateID, set: SetId, at: usize) -> Next {
        let byte = self.text[at];
        let looks = self.looks(at + 1);
        let class = u32::from(self.all.nfa.byte_classes().get(byte));
        self.way(set, state, looks, class, |scan| after(&scan.all.nfa, state, byte))
    }

    /// A way that is remembered, or is gone from the state that `from` gives.
    #[inline]
    fn way(
        &mut self,
        set: SetId,
        state: StateID,
        looks: u32,
        class: u32,
        from: impl Fn(&Self) -> Option<StateID>,
    ) -> Next {
        let low = u64::from(set) << 32 | state.as_usize() as u64;
        let high = u64::from(looks) << 32 | u64::from(class);
        let key = u128::from(high) << 64 | u128::from(low);
        let mixed = (low ^ high.rotate_left(24)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let slot = (mixed >> (u64::BITS - SLOT_BITS)) as usize;
        if self.ways[slot].0 != key {
            let next = from(self).map_or(Next::Nowhere, |from| self.go(set, from, looks));
            self.ways[slot] = (key, next);
        }
        self.ways[slot].1
    }

    /// From a state, the first way to a state of the set that takes a byte, or to the end of the match.
    #[inline(never)]
    fn go(&mut self, set: SetId, from: StateID, looks: u32) -> Next {
        let mut met = vec![0; self.all.before.len().div_ceil(64)];
        let mut stack = std::mem::take(&mut self.stack);
        stack.clear();
        stack.push(from);
        let mut next = Next::Nowhere;
        while let Some(state) = stack.pop() {
            if !has(&self.sets[set as usize], state) || has(&met, state) {
                continue;
            }
            put(&mut met, state);
            match self.all.nfa.state(state) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                    next = Next::State(state);
                    break;
                }
                State::Match { .. } => {
                    next = Next::End;
                    break;
                }
                State::Look { look, next } if self.sees(looks, *look) => stack.push(*next),
                State::Capture { next, .. } => stack.push(*next),
                // The first alternative is looked at first.
                State::Union { alternates } => stack.extend(alternates.iter().rev()),
                State::BinaryUnion { alt1, alt2 } => stack.extend([*alt2, *alt1]),
                State::Look { .. } | State::Fail => {}
            }
        }
        stack.clear();
        self.stack = stack;
        next
    }

    fn number(&mut self, set: Box<[u64]>) -> SetId {
        if let Some(&known) = self.numbers.get(&set) {
            return known;
        }
        let number = self.sets.len() as SetId;
        self.begins.push(has(&set, self.all.nfa.start_anchored()));
        self.sets.push(set.clone());
        let tables = self.all.tables();
        self.rows.resize(self.sets.len() * tables * self.all.classes, UNKNOWN);
        self.numbers.insert(set, number);
        number
    }

    /// Where there are too many sets, all but this one are forgotten, which gets another number.
    fn forget(&mut self, set: SetId) -> SetId {
        if self.sets.len() <= self.most && self.looking.len() <= *BLOCK.end() {
            return set;
        }
        let kept = std::mem::take(&mut self.sets[set as usize]);
        self.sets.clear();
        self.rows.clear();
        self.numbers.clear();
        self.begins.clear();
        self.looking.clear();
        self.ways.fill((NO_WAY, Next::Nowhere));
        self.number(kept)
    }
}

/// The state behind a byte, if the state takes it.
fn after(nfa: &NFA, state: StateID, byte: u8) -> Option<StateID> {
    match nfa.state(state) {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(sparse) => sparse.matches_byte(byte),
        State::Dense(dense) => dense.matches_byte(byte),
        _ => None,
    }
}

fn has(set: &[u64], state: StateID) -> bool {
    set[state.as_usize() / 64] >> (state.as_usize() % 64) & 1 == 1
}

fn put(set: &mut [u64], state: StateID) {
    set[state.as_usize() / 64] |= 1 << (state.as_usize() % 64);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_automata::meta::Regex;

    use super::*;

    /// The matches from `from` on where `most` sets are remembered (all that fit: none), and those of one search after the other.
    fn both(pattern: &str, text: &[u8], from: usize, most: Option<usize>) -> [Vec<Range<usize>>; 2] {
        let syntax = syntax::Config::new().multi_line(true);
        let mut ours = Vec::new();
        let all = AllMatches::new(pattern, syntax).unwrap();
        let mut scan = Scan::new(&all, text);
        scan.most = most.unwrap_or(scan.most);
        scan.each(from, &mut |place| ours.push(place));
        let regex = Regex::builder().syntax(syntax).build(pattern).unwrap();
        let input = regex_automata::Input::new(text).range(from..);
        [ours, regex.find_iter(input).map(|found| found.range()).collect()]
    }

    const PATTERNS: [&str; 30] = [
        "a",
        "ab|a",
        "a|ab",
        ".*b|.",
        "(?:a|ab)(?:c|bcd)?",
        "a+?b*",
        "(?:a*)*b",
        "(?:a*?)*b",
        "(?:a|b)*?c",
        "^a.*$",
        "^.|b$",
        r"\bb\w*",
        r"\Ba|c\b",
        r"\w+",
        r"[^a]é|\s",
        r"(?s).\z|\A.",
        r"(?:(?:a|)(?:b|))+c",
        "(?:^|c)a",
        "a{2,3}|b{2}",
        "(?:a.c|b)$",
        r"(?i)É|A{2}",
        r"(?-u:\b)a|b(?-u:\B)",
        r"(?:\bb\b|^)+c",
        "(?:b$|a)+\n?",
        r"(?Rm)^.+$",
        r"(?Rm)a$|\r",
        r"(?:^.|.$)(?R:^|$)|c",
        r"\b{start-half}a|b\b{end-half}",
        r"\b{start}.|.\b{end}",
        r"(?:^a|\bb|c$|\Bé|\A |a\z|(?-u:\b)b)[ab ]*",
    ];

    proptest! {
        #[test]
        fn matches_are_those_of_one_search_after_the_other(
            text in r"[abc é\r\n]{0,40}", pattern in 0..PATTERNS.len(), from in 0usize..5,
        ) {
            let from = (0..=from.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            let [ours, right] = both(PATTERNS[pattern], text.as_bytes(), from, None);
            prop_assert_eq!(ours, right);
        }

        #[test]
        fn so_they_are_for_expressions_of_any_shape(
            pattern in r"(?:[abc.]|a[*+?]|b[*+?]\?|\(\?:[abc.]\*\|[abc]\)[*+]|\|[abc]|\^|\$|\\b){1,8}",
            text in r"[abc\n]{0,30}",
        ) {
            let hir = regex_syntax::parse(&pattern);
            prop_assume!(hir.is_ok_and(|hir| hir.properties().minimum_len().unwrap_or(0) > 0));
            let [ours, right] = both(&pattern, text.as_bytes(), 0, None);
            prop_assert_eq!(ours, right);
        }
    }

    #[test]
    fn blocks_and_forgotten_sets_do_not_show() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        // Of each place a set knows which of the next thirteen letters are a b: there are many.
        let text: Vec<u8> = (0..10_000).map(|_| b"ab"[usize::from(random() & 1)]).collect();
        for pattern in ["a.{12}b", "(?:a.{11}a|b)+?a", "b.*", "^.*a.{13}|b"] {
            for most in [Some(0), Some(3), None] {
                let [ours, right] = both(pattern, &text, 3, most);
                assert!(!right.is_empty() && ours == right, "{pattern}");
            }
        }
        // A damaged text.
        let bytes: Vec<u8> = (0..140_000).map(|_| random()).collect();
        for pattern in [r"\w.|\s+\w", r"\b\w+?\b|\B ", PATTERNS[PATTERNS.len() - 1]] {
            let [ours, right] = both(pattern, &bytes, 0, Some(3));
            assert!(!right.is_empty() && ours == right, "{pattern}");
        }
        for from in [0, 3] {
            assert_eq!(both("a+", b"abc", from, None)[0].len(), usize::from(from == 0));
        }
        assert!(both("a+|b", b"", 0, None)[0].is_empty());
    }

    #[test]
    fn every_place_is_read_from_the_end_twice() {
        let text = "ab".repeat(100_000);
        let all = AllMatches::new(".*x|.", syntax::Config::new()).unwrap();
        let mut scan = Scan::new(&all, text.as_bytes());
        let mut count = 0;
        scan.each(0, &mut |_| count += 1);
        assert_eq!((count, scan.steps), (text.len(), 2 * text.len()));
    }
}
