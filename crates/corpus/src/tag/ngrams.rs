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
    #[inline]
    fn count(&mut self, key: u64, at: u32) -> u32 {
        let mut i = fold(key, 0x9E37_79B9_7F4A_7C15) as usize & self.mask;
        loop {
            let slot = &mut self.slots[i];
            if slot.count == 0 {
                *slot = Slot { key, count: 1, first: at };
                return i as u32;
            }
            if slot.key == key {
                slot.count += 1;
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
}

/// Buffers for [`Ngrams::orders`], kept from text to text.
#[derive(Debug, Default)]
pub(crate) struct Ngrams {
    table: Table,
    /// Places whose n-gram repeats, and the slot of each.
    active: Vec<(u32, u32)>,
    next: Vec<(u32, u32)>,
    /// Characters of the words before each place.
    sums: Vec<u64>,
    orders: Vec<Order>,
}

impl Ngrams {
    /// The orders 2 to `most` of a text's words.
    pub fn orders(&mut self, words: &[Word], most: usize) -> &[Order] {
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
        self.next.extend((0u32..).zip(words).map(|(at, word)| (at, self.table.count(word.hash, at))));
        self.repeating();
        for n in 2..=most {
            let mut order = Order { n, ..Order::default() };
            if words.len() >= n {
                order.characters = self.all(n, words.len());
                self.count(n, words.len(), &mut order);
            }
            self.orders.push(order);
        }
        &self.orders
    }

    /// Leave in `active` what occurs more than once.
    fn repeating(&mut self) {
        self.active.clear();
        let slots = &self.table.slots;
        self.active.extend(self.next.iter().filter(|(_, slot)| slots[*slot as usize].count > 1));
    }

    /// Characters of all n-grams: those of the words behind each place less those before it.
    fn all(&self, n: usize, words: usize) -> u64 {
        let places = words + 1 - n;
        let behind: u64 = self.sums[n..].iter().sum();
        let before: u64 = self.sums[..places].iter().sum();
        behind - before
    }

    fn characters(&self, at: u32, n: usize) -> u64 {
        self.sums[at as usize + n] - self.sums[at as usize]
    }

    fn count(&mut self, n: usize, words: usize, order: &mut Order) {
        self.table.reset(self.active.len());
        self.next.clear();
        // Two neighbouring places whose (n-1)-grams repeat.
        for pair in self.active.windows(2) {
            let ((at, left), (behind, right)) = (pair[0], pair[1]);
            if behind == at + 1 && at as usize + n <= words {
                let key = u64::from(left) << 32 | u64::from(right);
                self.next.push((at, self.table.count(key, at)));
            }
        }
        // Without any that repeats, all are equally frequent, and the first of the text is the first.
        let (mut top, mut first) = (1, 0);
        let mut repeated = 0;
        for &(at, slot) in &self.next {
            let slot = self.table.slots[slot as usize];
            if slot.count > 1 {
                repeated += self.characters(at, n);
                if slot.count > top || (slot.count == top && slot.first < first) {
                    (top, first) = (slot.count, slot.first);
                }
            }
        }
        order.top_count = top;
        order.top_characters = self.characters(first, n);
        order.repeated_characters = repeated;
        self.repeating();
    }

    /// Characters in n-grams that occurred before, walking over the text: a repeated n-gram counts once and is skipped
    /// as a whole, so that each character counts at most once. As datatrove counts.
    pub fn walked(&mut self, words: &[Word], n: usize) -> u64 {
        if n == 0 || words.len() < n {
            return 0;
        }
        self.table.reset(words.len());
        let (mut at, mut characters) = (0, 0);
        while at + n <= words.len() {
            let window = &words[at..at + n];
            let key = window.iter().fold(n as u64, |key, word| fold(key ^ word.hash, 0xD6E8_FEB8_6659_FD93));
            let slot = self.table.count(key, at as u32);
            if self.table.slots[slot as usize].count > 1 {
                characters += window.iter().map(|word| u64::from(word.characters)).sum::<u64>();
                at += n;
            } else {
                at += 1;
            }
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
            for order in ngrams.orders(view.words, 10) {
                prop_assert_eq!(*order, naive(&words, order.n));
            }
            for n in 1..6 {
                prop_assert_eq!(ngrams.walked(view.words, n), naive_walk(&words, n));
            }
        }
    }
}
