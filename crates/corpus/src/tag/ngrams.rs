//! Which n-grams of words repeat within one text, for n from 2 up.
//!
//! An (n+1)-gram can only repeat where both n-grams in it repeat. So each order looks at the places that the order
//! before it left over, and a text without repetitions costs little more than its words. An n-gram is known by the pair
//! of the (n-1)-grams in it, each by its slot in the table of that order: equality is exact once words are told apart by
//! 64 bits.

use super::view::Word;
use crate::hash::fold;

/// One class of equal n-grams.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    /// How often it occurs; 0 is free.
    count: u32,
    /// Where it occurs first.
    first: u32,
}

/// An open-addressing table that is emptied for each order.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<Slot>,
    mask: usize,
}

impl Table {
    /// Empty, with room for `items`.
    fn reset(&mut self, items: usize) {
        let size = (2 * items).next_power_of_two().max(16);
        self.mask = size - 1;
        self.slots.clear();
        self.slots.resize(size, Slot::default());
    }

    /// Count one more `key`, at place `at`; gives back its slot.
    #[inline(always)]
    fn count(&mut self, key: u64, at: u32) -> u32 {
        let mut i = fold(key, 0x9E37_79B9_7F4A_7C15) as usize & self.mask;
        loop {
            let slot = &mut self.slots[i];
            // Whether it is a new one is as good as random; so nothing depends on it but what is stored.
            let free = slot.count == 0;
            if free | (slot.key == key) {
                *slot = Slot { key, count: slot.count + 1, first: if free { at } else { slot.first } };
                return i as u32;
            }
            i = (i + 1) & self.mask;
        }
    }
}

/// What repeats in one order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Order {
    /// n.
    pub n: usize,
    /// How often the most frequent n-gram occurs (of equally frequent ones the first); 0 if the text has no n-gram.
    pub top_count: u32,
    /// Its characters, without what lies between its words.
    pub top_characters: u64,
    /// Characters of all n-grams, each occurrence counted.
    pub characters: u64,
    /// Characters of all occurrences of n-grams that occur more than once.
    pub repeated_characters: u64,
    /// Characters in n-grams that occurred before, walking over the text: a repeated n-gram counts once and is skipped as
    /// a whole, so that each character counts at most once. As datatrove counts.
    pub walked_characters: u64,
}

/// A place whose n-gram repeats, and the slot of that.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    at: u32,
    slot: u32,
}

/// Buffers for [`Ngrams::orders`], kept from text to text.
#[derive(Debug, Default)]
pub(crate) struct Ngrams {
    table: Table,
    /// Places whose n-gram repeats.
    active: Vec<Place>,
    next: Vec<Place>,
    /// Characters of the words before each place.
    sums: Vec<u64>,
    /// For each slot, whether the walk came by it.
    passed: Vec<bool>,
    orders: Vec<Order>,
}

impl Ngrams {
    /// The orders 2 to `most` of a text's words; those from `walked` on walked over, too.
    pub fn orders(&mut self, words: &[Word], most: usize, walked: usize) -> &[Order] {
        self.sums.clear();
        self.sums.push(0);
        let mut sum = 0;
        self.sums.extend(words.iter().map(|word| {
            sum += u64::from(word.characters);
            sum
        }));
        self.orders.clear();
        self.table.reset(words.len());
        self.next.clear();
        self.next.extend(
            (0u32..).zip(words).map(|(at, word)| Place { at, slot: self.table.count(word.hash, at) }),
        );
        self.repeating(|_, _| ());
        // Characters behind the first n - 1 words of all places, and before all places that have n words.
        let all: u64 = self.sums.iter().sum();
        let (mut behind, mut before) = (all, all);
        for n in 2..=most {
            let mut order = Order { n, ..Order::default() };
            if words.len() >= n {
                if n == 2 {
                    behind -= self.sums[0] + self.sums[1];
                    before -= self.sums[words.len()] + self.sums[words.len() - 1];
                } else {
                    behind -= self.sums[n - 1];
                    before -= self.sums[words.len() + 1 - n];
                }
                order.characters = behind - before;
                self.count(n, words.len(), &mut order);
                if n >= walked {
                    order.walked_characters = self.walk(n);
                }
            }
            self.orders.push(order);
        }
        &self.orders
    }

    /// Leave in `active` what occurs more than once, and tell of all.
    #[inline(always)]
    fn repeating(&mut self, mut found: impl FnMut(Place, Slot)) {
        self.active.resize(self.next.len(), Place::default());
        let mut left = 0;
        for &place in &self.next {
            let slot = self.table.slots[place.slot as usize];
            // As random as above: the place is stored, and stays if the next one does not take its room.
            self.active[left] = place;
            left += usize::from(slot.count > 1);
            found(place, slot);
        }
        self.active.truncate(left);
    }

    fn characters(&self, at: u32, n: usize) -> u64 {
        self.sums[at as usize + n] - self.sums[at as usize]
    }

    fn count(&mut self, n: usize, words: usize, order: &mut Order) {
        self.table.reset(self.active.len());
        self.next.clear();
        // Two neighbouring places whose (n-1)-grams repeat.
        for pair in self.active.windows(2) {
            let (left, right) = (pair[0], pair[1]);
            if right.at == left.at + 1 && left.at as usize + n <= words {
                let key = u64::from(left.slot) << 32 | u64::from(right.slot);
                self.next.push(Place { at: left.at, slot: self.table.count(key, left.at) });
            }
        }
        // Without any that repeats, all are equally frequent, and the first of the text is the first.
        let (mut top, mut first) = (1, 0);
        let mut repeated = 0;
        let sums = std::mem::take(&mut self.sums);
        self.repeating(|place, slot| {
            let at = place.at as usize;
            repeated += (sums[at + n] - sums[at]) * u64::from(slot.count > 1);
            if slot.count > top || (slot.count == top && slot.first < first) {
                (top, first) = (slot.count, slot.first);
            }
        });
        self.sums = sums;
        order.top_count = top;
        order.top_characters = self.characters(first, n);
        order.repeated_characters = repeated;
    }

    /// Walk over the n-grams that repeat; the others are passed by word for word.
    fn walk(&mut self, n: usize) -> u64 {
        self.passed.clear();
        self.passed.resize(self.table.slots.len(), false);
        let (mut free, mut characters) = (0, 0);
        for place in &self.active {
            if place.at < free {
                continue;
            }
            let passed = &mut self.passed[place.slot as usize];
            if *passed {
                characters += self.sums[place.at as usize + n] - self.sums[place.at as usize];
                free = place.at + n as u32;
            }
            *passed = true;
        }
        characters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::view::Buffers;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    fn naive(words: &[&str], n: usize) -> Order {
        let mut order = Order { n, ..Order::default() };
        let length = |gram: &[&str]| gram.iter().map(|w| w.chars().count() as u64).sum::<u64>();
        let mut counts: HashMap<&[&str], (u32, usize)> = HashMap::new();
        for (at, gram) in words.windows(n).enumerate() {
            counts.entry(gram).or_insert((0, at)).0 += 1;
        }
        order.characters = words.windows(n).map(length).sum();
        order.repeated_characters = words.windows(n).filter(|g| counts[g].0 > 1).map(length).sum();
        let top = counts.iter().max_by_key(|(_, (count, at))| (*count, std::cmp::Reverse(*at)));
        order.walked_characters = naive_walk(words, n);
        if let Some((gram, (count, _))) = top {
            (order.top_count, order.top_characters) = (*count, length(gram));
        }
        order
    }

    fn naive_walk(words: &[&str], n: usize) -> u64 {
        let (mut seen, mut at, mut characters) = (HashSet::new(), 0, 0);
        while at + n <= words.len() {
            let gram = &words[at..at + n];
            if seen.insert(gram) {
                at += 1;
            } else {
                characters += gram.iter().map(|w| w.chars().count() as u64).sum::<u64>();
                at += n;
            }
        }
        characters
    }

    proptest! {
        #[test]
        fn every_order_is_counted_as_by_the_book(text in "((a|bb|c|é) ){0,60}") {
            let mut buffers = Buffers::default();
            let view = buffers.view(&text);
            let words: Vec<&str> = text.split_whitespace().collect();
            let mut ngrams = Ngrams::default();
            for order in ngrams.orders(view.words, 10, 2) {
                prop_assert_eq!(*order, naive(&words, order.n));
            }
        }
    }
}
