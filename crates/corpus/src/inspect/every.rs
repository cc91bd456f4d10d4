//! Every match of a regular expression in time linear in the text, whatever the expression.
//!
//! The usual way to find all matches, one search behind the other, is quadratic where each search reads far ahead: `.*x|.`
//! looks for an x in the rest of the line before it takes one letter. Here the text is read twice (Frisch and Cardelli,
//! "Greedy regular expression matching", ICALP 2004): once from its end, to know for each place from which states of the
//! automaton a match can be completed, and then from its begin, where the preferred one of these states is always the right
//! one. The matches are those of a search that backtracks: leftmost, then by the order of alternatives.
//!
//! What is known of each place would take more memory than the text. So the first reading keeps it at the ends of blocks
//! alone, and the second finds it again, block by block.

use std::collections::HashMap;
use std::ops::Range;

use regex_automata::nfa::thompson::{BuildError, Config, NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

/// Least bytes of a block.
const BLOCK: usize = 1 << 12;
/// At most this many blocks.
const BLOCKS: usize = 1 << 10;
/// Sets that a text's search remembers from block to block.
const SETS: usize = 1 << 12;

/// Sets of states, and one more for what is not yet known.
type SetId = u32;
const UNKNOWN: SetId = SetId::MAX;

/// An expression whose matches are wanted. None of them is empty.
pub(super) struct Every {
    nfa: NFA,
    /// By state, the states from which it is reached without a byte.
    before: Vec<Vec<u32>>,
    classes: usize,
}

/// Where a match stands after a byte.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    /// At a state that takes the next byte.
    State(StateID),
    /// At its end.
    End,
    /// Nowhere.
    Nowhere,
}

impl Every {
    /// For an expression and the most memory that its automaton may take.
    pub(super) fn new(pattern: &str, syntax: syntax::Config, most: usize) -> Result<Every, BuildError> {
        let config = Config::new().nfa_size_limit(Some(most)).which_captures(WhichCaptures::None);
        let nfa = NFA::compiler().configure(config).syntax(syntax).build(pattern)?;
        let mut before = vec![Vec::new(); nfa.states().len()];
        for (state, from) in nfa.states().iter().zip(0..) {
            let mut add = |next: StateID| before[next.as_usize()].push(from);
            match state {
                State::Look { next, .. } | State::Capture { next, .. } => add(*next),
                State::Union { alternates } => alternates.iter().for_each(|&next| add(next)),
                State::BinaryUnion { alt1, alt2 } => [*alt1, *alt2].into_iter().for_each(add),
                _ => {}
            }
        }
        let classes = nfa.byte_classes().alphabet_len();
        Ok(Every { nfa, before, classes })
    }

    /// Call `found` with every match in `text` that begins at `from` or later.
    pub(super) fn each(&self, text: &[u8], from: usize, found: &mut dyn FnMut(Range<usize>)) {
        Scan::new(self, text).each(from, found);
    }
}

/// One text on its way.
struct Scan<'e> {
    every: &'e Every,
    text: &'e [u8],
    /// The sets met, one bit a state, and their numbers.
    sets: Vec<Box<[u64]>>,
    numbers: HashMap<Box<[u64]>, SetId>,
    /// By set and class of the byte before it: the set before that byte, where nothing is looked at around it.
    rows: Vec<SetId>,
    /// The same where something is.
    looking: HashMap<(SetId, u8, u32), SetId>,
    /// Where a match goes on behind a byte: by the set there, the state after the byte, and what is seen around the place.
    onward: HashMap<(SetId, StateID, u32), Next>,
    /// Work space.
    stack: Vec<StateID>,
    /// Sets that are remembered from block to block.
    most: usize,
    /// Places looked at, for the tests.
    steps: usize,
}

impl<'e> Scan<'e> {
    fn new(every: &'e Every, text: &'e [u8]) -> Scan<'e> {
        Scan {
            every,
            text,
            sets: Vec::new(),
            numbers: HashMap::new(),
            rows: Vec::new(),
            looking: HashMap::new(),
            onward: HashMap::new(),
            stack: Vec::new(),
            most: SETS,
            steps: 0,
        }
    }

    fn each(&mut self, from: usize, found: &mut dyn FnMut(Range<usize>)) {
        let length = (self.text.len() - from).div_ceil(BLOCKS).max(BLOCK);
        let blocks: Vec<Range<usize>> = (from..self.text.len())
            .step_by(length)
            .map(|start| start..self.text.len().min(start + length))
            .collect();
        // The set at the end of each block, last block first.
        let mut ends: Vec<Box<[u64]>> = Vec::with_capacity(blocks.len());
        let mut set = self.last();
        for block in blocks.iter().rev() {
            ends.push(self.sets[set as usize].clone());
            set = self.forget(set);
            for at in block.clone().rev() {
                set = self.back(set, at);
            }
        }
        let mut open: Option<(usize, StateID)> = None;
        let start = self.every.nfa.start_anchored();
        let mut known = Vec::new();
        for (block, end) in blocks.iter().zip(ends.iter().rev()) {
            let set = self.number(end.clone());
            known.clear();
            known.push(self.forget(set));
            for at in block.clone().rev() {
                known.push(self.back(known[known.len() - 1], at));
            }
            known.reverse();
            for at in block.clone() {
                if open.is_none()
                    && has(&self.sets[known[at - block.start] as usize], start)
                    && let Next::State(state) = self.onward(known[at - block.start], start, at)
                {
                    open = Some((at, state));
                }
                let Some((begin, state)) = open else { continue };
                let behind = self.after(state, self.text[at]);
                let next = behind.map(|behind| self.onward(known[at + 1 - block.start], behind, at + 1));
                open = match next {
                    Some(Next::State(state)) => Some((begin, state)),
                    Some(Next::End) => {
                        found(begin..at + 1);
                        None
                    }
                    Some(Next::Nowhere) | None => None,
                };
            }
        }
    }

    /// What the expression may look at around a place, one bit each.
    fn looks(&self, at: usize) -> u32 {
        let nfa = &self.every.nfa;
        let wanted = nfa.look_set_any();
        if wanted.is_empty() {
            return 0;
        }
        let seen = |look| nfa.look_matcher().matches(look, self.text, at);
        wanted.iter().filter(|&look| seen(look)).map(|look| look.as_repr()).fold(0, |all, bit| all | bit)
    }

    /// The state behind a byte, if the state takes it.
    fn after(&self, state: StateID, byte: u8) -> Option<StateID> {
        match self.every.nfa.state(state) {
            State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
            State::Sparse(sparse) => sparse.matches_byte(byte),
            State::Dense(dense) => dense.matches_byte(byte),
            _ => None,
        }
    }

    /// The set at the end of the text.
    fn last(&mut self) -> SetId {
        let looks = self.looks(self.text.len());
        let set = self.closed(vec![0; self.every.before.len().div_ceil(64)], looks);
        self.number(set)
    }

    /// The set before the byte at `at`, of the set behind it.
    fn back(&mut self, behind: SetId, at: usize) -> SetId {
        self.steps += 1;
        let (byte, looks) = (self.text[at], self.looks(at));
        let class = self.every.nfa.byte_classes().get(byte);
        let row = behind as usize * self.every.classes + usize::from(class);
        let known = match looks {
            0 => self.rows[row],
            looks => self.looking.get(&(behind, class, looks)).copied().unwrap_or(UNKNOWN),
        };
        if known != UNKNOWN {
            return known;
        }
        let states = self.every.before.len();
        let mut set = vec![0; states.div_ceil(64)];
        for state in (0..states).filter_map(|state| StateID::new(state).ok()) {
            if self.after(state, byte).is_some_and(|next| has(&self.sets[behind as usize], next)) {
                put(&mut set, state);
            }
        }
        let set = self.closed(set, looks);
        let set = self.number(set);
        match looks {
            0 => self.rows[row] = set,
            looks => {
                self.looking.insert((behind, class, looks), set);
            }
        }
        set
    }

    /// A set with the states of a match's end, and all from which one of its states is reached without a byte.
    fn closed(&mut self, mut set: Vec<u64>, looks: u32) -> Box<[u64]> {
        let nfa = &self.every.nfa;
        let mut stack = std::mem::take(&mut self.stack);
        for (at, state) in nfa.states().iter().enumerate() {
            let Ok(id) = StateID::new(at) else { continue };
            if matches!(state, State::Match { .. }) {
                put(&mut set, id);
            }
            if has(&set, id) {
                stack.push(id);
            }
        }
        while let Some(state) = stack.pop() {
            for &from in &self.every.before[state.as_usize()] {
                let Ok(from) = StateID::new(from as usize) else { continue };
                let through = match nfa.state(from) {
                    State::Look { look, .. } => looks & look.as_repr() != 0,
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

    /// From a state, the first way to a state of the set that takes a byte, or to the end of the match.
    fn onward(&mut self, set: SetId, from: StateID, at: usize) -> Next {
        let looks = self.looks(at);
        if let Some(&known) = self.onward.get(&(set, from, looks)) {
            return known;
        }
        let mut met = vec![0; self.every.before.len().div_ceil(64)];
        self.stack.clear();
        self.stack.push(from);
        let mut next = Next::Nowhere;
        while let Some(state) = self.stack.pop() {
            if !has(&self.sets[set as usize], state) || has(&met, state) {
                continue;
            }
            put(&mut met, state);
            match self.every.nfa.state(state) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                    next = Next::State(state);
                    break;
                }
                State::Match { .. } => {
                    next = Next::End;
                    break;
                }
                State::Look { look, next } if looks & look.as_repr() != 0 => self.stack.push(*next),
                State::Capture { next, .. } => self.stack.push(*next),
                // The first alternative is looked at first.
                State::Union { alternates } => self.stack.extend(alternates.iter().rev()),
                State::BinaryUnion { alt1, alt2 } => self.stack.extend([*alt2, *alt1]),
                State::Look { .. } | State::Fail => {}
            }
        }
        self.stack.clear();
        self.onward.insert((set, from, looks), next);
        next
    }

    fn number(&mut self, set: Box<[u64]>) -> SetId {
        if let Some(&known) = self.numbers.get(&set) {
            return known;
        }
        let number = self.sets.len() as SetId;
        self.sets.push(set.clone());
        self.rows.resize(self.sets.len() * self.every.classes, UNKNOWN);
        self.numbers.insert(set, number);
        number
    }

    /// Where there are too many sets, all but this one are forgotten, which gets another number.
    fn forget(&mut self, set: SetId) -> SetId {
        if self.sets.len() <= self.most {
            return set;
        }
        let kept = std::mem::take(&mut self.sets[set as usize]);
        self.sets.clear();
        self.rows.clear();
        self.numbers.clear();
        self.looking.clear();
        self.onward.clear();
        self.number(kept)
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

    /// The matches from `from` on where `most` sets are remembered, and those of one search after the other.
    fn both(pattern: &str, text: &[u8], from: usize, most: usize) -> [Vec<Range<usize>>; 2] {
        let syntax = syntax::Config::new().multi_line(true);
        let mut ours = Vec::new();
        let every = Every::new(pattern, syntax, 32 << 20).unwrap();
        Scan { most, ..Scan::new(&every, text) }.each(from, &mut |place| ours.push(place));
        let regex = Regex::builder().syntax(syntax).build(pattern).unwrap();
        let input = regex_automata::Input::new(text).range(from..);
        [ours, regex.find_iter(input).map(|found| found.range()).collect()]
    }

    const PATTERNS: [&str; 24] = [
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
    ];

    proptest! {
        #[test]
        fn matches_are_those_of_one_search_after_the_other(
            text in r"[abc é\n]{0,40}", pattern in 0..PATTERNS.len(), from in 0usize..5,
        ) {
            let from = (0..=from.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            let [ours, right] = both(PATTERNS[pattern], text.as_bytes(), from, SETS);
            prop_assert_eq!(ours, right);
        }

        #[test]
        fn so_they_are_for_expressions_of_any_shape(
            pattern in r"(?:[abc.]|a[*+?]|b[*+?]\?|\(\?:[abc.]\*\|[abc]\)[*+]|\|[abc]|\^|\$|\\b){1,8}",
            text in r"[abc\n]{0,30}",
        ) {
            let hir = regex_syntax::parse(&pattern);
            prop_assume!(hir.is_ok_and(|hir| hir.properties().minimum_len().unwrap_or(0) > 0));
            let [ours, right] = both(&pattern, text.as_bytes(), 0, SETS);
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
        let text: Vec<u8> = (0..30_000).map(|_| b"ab"[usize::from(random() & 1)]).collect();
        for pattern in ["a.{12}b", "(?:a.{11}a|b)+?a", "b.*", "^.*a.{13}|b"] {
            for most in [0, 3, SETS] {
                let [ours, right] = both(pattern, &text, 3, most);
                assert!(!right.is_empty() && ours == right, "{pattern}");
            }
        }
        // A damaged text.
        let bytes: Vec<u8> = (0..30_000).map(|_| random()).collect();
        let [ours, right] = both(r"\w.|\s+\w", &bytes, 0, 3);
        assert!(!right.is_empty() && ours == right);
    }

    #[test]
    fn every_place_is_read_twice_at_most() {
        let text = "ab".repeat(100_000);
        let every = Every::new(".*x|.", syntax::Config::new(), 1 << 20).unwrap();
        let mut scan = Scan::new(&every, text.as_bytes());
        let mut count = 0;
        scan.each(0, &mut |_| count += 1);
        assert_eq!((count, scan.steps), (text.len(), 2 * text.len()));
    }
}
