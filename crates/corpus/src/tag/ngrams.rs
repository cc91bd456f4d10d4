//! Which n-grams of words repeat within one text, for n from 2 up.
//!
//! An (n+1)-gram can only repeat where both n-grams in it repeat. So each order looks at the places that the order
//! before it left over, and a text without repetitions costs little more than its words. An n-gram is known by the pair
//! of the (n-1)-grams in it, each by its slot in the table of that order: equality is exact once words are told apart by
//! 64 bits.

use super::view::Word;
use crate::hash::fold;

/// What n-grams are told apart by.
trait Key: Copy + Default + Eq {
    /// A pair of slots.
    fn pair(left: u32, right: u32) -> Self;

    /// As many mixed bits, the upper ones of a word.
    fn mixed(self) -> u64;
}

const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

impl Key for u64 {
    #[inline(always)]
    fn pair(left: u32, right: u32) -> u64 {
        u64::from(left) << 32 | u64::from(right)
    }

    #[inline(always)]
    fn mixed(self) -> u64 {
        fold(self, MIX).wrapping_mul(MIX)
    }
}

/// Half as many bytes for the texts that most are.
impl Key for u32 {
    #[inline(always)]
    fn pair(left: u32, right: u32) -> u32 {
        left << 16 | right
    }

    #[inline(always)]
    fn mixed(self) -> u64 {
        u64::from(self).wrapping_mul(MIX)
    }
}

/// Slots that a pair of 32 bits tells apart.
const NARROW: usize = 1 << 16;

/// One class of equal n-grams.
#[derive(Clone, Copy, Debug, Default)]
struct Slot<K> {
    key: K,
    /// How often it occurs; 0 is free.
    count: u32,
}

/// An open-addressing table that is emptied for each order.
#[derive(Debug, Default)]
struct Table<K> {
    slots: Vec<Slot<K>>,
    shift: u32,
}

impl<K: Key> Table<K> {
    /// Empty, with room for `items`.
    fn reset(&mut self, items: usize) {
        let size = (2 * items).next_power_of_two().max(16);
        self.shift = 64 - size.trailing_zeros();
        self.slots.clear();
        self.slots.resize(size, Slot::default());
    }

    /// Count one more `key`; gives back its slot.
    #[inline(always)]
    fn count(&mut self, key: K) -> u32 {
        let mask = self.slots.len() - 1;
        let mut i = (key.mixed() >> self.shift) as usize;
        loop {
            let slot = &mut self.slots[i & mask];
            // Whether it is a new one is as good as random; so nothing depends on it but what is stored.
            if (slot.count == 0) | (slot.key == key) {
                *slot = Slot { key, count: slot.count + 1 };
                return (i & mask) as u32;
            }
            i += 1;
        }
    }
}

/// What repeats in one order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Order {
    /// n.
    pub n: usize,
    /// How often the most frequent n-gram occurs (of equally frequent ones the first); 0 if the text has no n-gram or
    /// the order is walked over.
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
    /// The classes of words, and those of the n-grams of long texts.
    wide: Table<u64>,
    narrow: Table<u32>,
    places: Places,
    /// Characters of the words before each place.
    sums: Vec<u64>,
    /// For each slot, whether the walk came by it.
    passed: Vec<bool>,
    orders: Vec<Order>,
}

/// Places in the order of the text.
#[derive(Debug, Default)]
struct Places {
    /// Those whose n-gram repeats.
    active: Vec<Place>,
    next: Vec<Place>,
    /// Slots of the table that they are in.
    slots: usize,
}

impl Ngrams {
    /// The orders 2 to `most` of a text's words. Those from `walked` on are walked over; which n-gram is the most frequent and what
    /// repeats is not told of them.
    pub fn orders(&mut self, words: &[Word], most: usize, walked: usize) -> &[Order] {
        self.sums.clear();
        self.sums.push(0);
        let mut sum = 0;
        self.sums.extend(words.iter().map(|word| {
            sum += u64::from(word.characters);
            sum
        }));
        self.orders.clear();
        self.wide.reset(words.len());
        // No table of an order is larger than that of the words.
        let narrow = self.wide.slots.len() <= NARROW;
        self.places.next.clear();
        let counted = words.iter().map(|word| self.wide.count(word.hash));
        self.places.next.extend((0u32..).zip(counted).map(|(at, slot)| Place { at, slot }));
        self.places.repeating(&self.wide, |_, _| ());
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
                let (places, sums) = (&mut self.places, &self.sums);
                let look = (n < walked).then_some(&mut order);
                match narrow {
                    true => places.count(&mut self.narrow, sums, n, look),
                    false => places.count(&mut self.wide, sums, n, look),
                }
                if n >= walked {
                    order.walked_characters = self.walk(n);
                }
            }
            self.orders.push(order);
        }
        &self.orders
    }

    /// Walk over the n-grams that repeat; the others are passed by word for word.
    fn walk(&mut self, n: usize) -> u64 {
        self.passed.clear();
        self.passed.resize(self.places.slots, false);
        let (mut free, mut characters) = (0, 0);
        for place in &self.places.active {
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

impl Places {
    /// Leave in `active` those whose n-gram occurs more than once, and tell how often that of each place occurs.
    #[inline(always)]
    fn repeating<K>(&mut self, table: &Table<K>, mut found: impl FnMut(usize, u32)) {
        self.active.resize(self.next.len(), Place::default());
        let mut left = 0;
        for &place in &self.next {
            let count = table.slots[place.slot as usize].count;
            // As random as above: the place is stored, and stays if the next one does not take its room.
            self.active[left] = place;
            left += usize::from(count > 1);
            found(place.at as usize, count);
        }
        self.active.truncate(left);
        self.slots = table.slots.len();
    }

    /// Count the n-grams whose parts repeat, leave those that do, and look at all of them.
    fn count<K: Key>(&mut self, table: &mut Table<K>, sums: &[u64], n: usize, order: Option<&mut Order>) {
        table.reset(self.active.len());
        self.next.clear();
        // Two neighbouring places whose (n-1)-grams repeat.
        for pair in self.active.windows(2) {
            let (left, right) = (pair[0], pair[1]);
            if right.at == left.at + 1 {
                let slot = table.count(K::pair(left.slot, right.slot));
                self.next.push(Place { at: left.at, slot });
            }
        }
        let Some(order) = order else { return self.repeating(table, |_, _| ()) };
        // Without any that repeats, all are equally frequent, and the first of the text is the first.
        let (mut top, mut first, mut repeated) = (1, 0, 0);
        self.repeating(table, |at, count| {
            repeated += (sums[at + n] - sums[at]) * u64::from(count > 1);
            // An n-gram is first met where it is first in the text.
            if count > top {
                (top, first) = (count, at);
            }
        });
        order.top_count = top;
        order.top_characters = sums[first + n] - sums[first];
        order.repeated_characters = repeated;
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

    #[test]
    fn long_texts_are_counted_in_wide_tables_alike() {
        // One word more, and the slots of the words no longer fit into half of a key.
        for count in [NARROW / 2, NARROW / 2 + 1] {
            let text: String =
                (0..count).map(|i| ["a ", "bb ", "c ", "dd "][(i * i / 7 + i / 5) % 4]).collect();
            let mut buffers = Buffers::default();
            let view = buffers.view(&text);
            let words: Vec<&str> = text.split_whitespace().collect();
            let mut ngrams = Ngrams::default();
            for order in ngrams.orders(view.words, 6, usize::MAX) {
                assert_eq!(
                    Order { walked_characters: naive_walk(&words, order.n), ..*order },
                    naive(&words, order.n)
                );
            }
            assert_eq!(ngrams.narrow.slots.is_empty(), count > NARROW / 2);
            let walked: Vec<u64> =
                ngrams.orders(view.words, 6, 2).iter().map(|order| order.walked_characters).collect();
            assert_eq!(walked, (2..=6).map(|n| naive_walk(&words, n)).collect::<Vec<u64>>());
        }
    }

    proptest! {
        #[test]
        fn every_order_is_counted_as_by_the_book(text in "((a|bb|c|é) ){0,60}") {
            let mut buffers = Buffers::default();
            let view = buffers.view(&text);
            let words: Vec<&str> = text.split_whitespace().collect();
            let mut ngrams = Ngrams::default();
            let looked: Vec<Order> = ngrams.orders(view.words, 10, usize::MAX).to_vec();
            for (order, walked) in looked.iter().zip(ngrams.orders(view.words, 10, 2)) {
                let whole = Order { walked_characters: walked.walked_characters, ..*order };
                prop_assert_eq!(whole, naive(&words, order.n));
            }
        }
    }
}
