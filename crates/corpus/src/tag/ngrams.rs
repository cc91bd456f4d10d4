//! Which n-grams of words repeat within one text, for n from 2 up.
//!
//! An (n+1)-gram can only repeat where both n-grams in it repeat. So each order looks at the places that the order
//! before it left over, and a text without repetitions costs little more than its words. An n-gram is known by the pair
//! of the (n-1)-grams in it, each by its slot in the table of that order: equality is exact once words are told apart by
//! 64 bits.
//!
//! Whether a place stays is as good as random. So each order goes over its places twice without a branch on that: once to
//! count all n-grams, and once to join those of neighbouring places that repeat.

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

/// The count of a class that the walk came by: above one, as before.
const PASSED: u32 = u32::MAX;

/// An open-addressing table that is emptied for each order.
#[derive(Debug, Default)]
struct Table<K> {
    slots: Vec<Slot<K>>,
    shift: u32,
}

/// How many slots `items` want.
fn size(items: usize) -> usize {
    (2 * items).next_power_of_two().max(16)
}

impl<K: Key> Table<K> {
    /// Empty, with room for `items`.
    fn reset(&mut self, items: usize) {
        let size = size(items);
        self.shift = 64 - size.trailing_zeros();
        self.slots.clear();
        self.slots.resize(size, Slot::default());
    }

    /// Count the n-grams of all pairs of n-grams; gives `out` their places and slots.
    fn count(&mut self, pairs: &[(u32, K)], out: &mut Vec<Place>) {
        self.reset(pairs.len());
        let (slots, shift) = (self.slots.as_mut_slice(), self.shift);
        let mask = slots.len() - 1;
        out.clear();
        out.extend(pairs.iter().map(|&(at, key)| {
            let mut i = (key.mixed() >> shift) as usize;
            loop {
                let slot = &mut slots[i & mask];
                // Whether it is a new one is as good as random; so nothing depends on it but what is stored.
                if (slot.count == 0) | (slot.key == key) {
                    *slot = Slot { key, count: slot.count + 1 };
                    return Place { at, slot: (i & mask) as u32 };
                }
                i += 1;
            }
        }));
    }
}

/// A word that differs from all others of its text.
#[derive(Clone, Copy, Debug, Default)]
struct Class {
    hash: u64,
    count: u32,
    /// The number of the first word that is equal.
    first: u32,
}

/// The different words of a text, in the order in which they come first.
#[derive(Debug, Default)]
struct Classes {
    /// One more than the number of a class, at a place that its hash says; 0 is free.
    slots: Vec<u32>,
    /// Those of the text, and others behind them.
    classes: Vec<Class>,
    used: usize,
}

impl Classes {
    /// Count all words; gives `out` the class of each.
    fn count(&mut self, words: &[Word], out: &mut Vec<u32>) {
        self.slots.clear();
        self.slots.resize(size(words.len()), 0);
        if self.classes.len() < words.len() {
            self.classes.resize(words.len(), Class::default());
        }
        let (slots, classes) = (self.slots.as_mut_slice(), self.classes.as_mut_slice());
        let mask = slots.len() - 1;
        let mut used = 0;
        out.clear();
        out.extend((0u32..).zip(words).map(|(at, word)| {
            let mut i = word.hash as usize;
            loop {
                let slot = &mut slots[i & mask];
                let new = *slot == 0;
                let id = if new { used } else { *slot - 1 };
                let class = &mut classes[id as usize];
                // As in the other tables nothing but what is stored depends on whether it is new.
                if new | (class.hash == word.hash) {
                    *slot = id + 1;
                    let (count, first) = if new { (0, at) } else { (class.count, class.first) };
                    *class = Class { hash: word.hash, count: count + 1, first };
                    used += u32::from(new);
                    return id;
                }
                i += 1;
            }
        }));
        self.used = used as usize;
    }

    fn all(&self) -> &[Class] {
        &self.classes[..self.used]
    }
}

/// What is to be told of an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Look {
    /// [`Order::top_count`] and [`Order::top_characters`].
    Top,
    /// [`Order::characters`] and [`Order::repeated_characters`].
    Repeated,
    /// [`Order::walked_characters`].
    Walked,
}

/// What repeats in one order; 0 where it was not asked for, or the text has no n-gram.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Order {
    /// n.
    pub n: usize,
    /// How often the most frequent n-gram occurs (of equally frequent ones the first).
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

/// A place in the text, and the slot of the n-gram there.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    at: u32,
    slot: u32,
}

/// Buffers for [`Ngrams::orders`], kept from text to text.
#[derive(Debug, Default)]
pub(crate) struct Ngrams {
    classes: Classes,
    /// The class of each word.
    ids: Vec<u32>,
    /// For the n-grams of texts of many different words, and for those of others.
    wide: Counter<u64>,
    narrow: Counter<u32>,
    sums: Sums,
    orders: Vec<Order>,
}

/// Characters of the words before each word, and of all.
#[derive(Debug, Default)]
struct Sums(Vec<u32>);

impl Sums {
    /// Characters of the `n` words from a place on.
    #[inline(always)]
    fn of(&self, at: u32, n: usize) -> u64 {
        u64::from(self.0[at as usize + n] - self.0[at as usize])
    }
}

impl Ngrams {
    /// The orders 2 to `most` of a text's words, of each what `look` wants.
    pub fn orders(&mut self, words: &[Word], most: usize, look: impl Fn(usize) -> Look) -> &[Order] {
        let mut sum = 0;
        self.sums.0.clear();
        self.sums.0.push(0);
        self.sums.0.extend(words.iter().map(|word| {
            sum += word.characters;
            sum
        }));
        self.classes.count(words, &mut self.ids);
        self.orders.clear();
        // No table of an order is larger than this.
        let (sums, out) = (&self.sums, &mut self.orders);
        match size(words.len()) <= NARROW {
            true => self.narrow.orders(self.classes.all(), &self.ids, sums, most, look, out),
            false => self.wide.orders(self.classes.all(), &self.ids, sums, most, look, out),
        }
        &self.orders
    }

    /// Of the words that [`Self::orders`] saw last: the number of the first of each class of equal ones, and how many they are.
    pub fn classes(&self) -> impl Iterator<Item = (usize, u32)> {
        self.classes.all().iter().map(|class| (class.first as usize, class.count))
    }
}

/// Counts n-grams order by order.
#[derive(Debug, Default)]
struct Counter<K> {
    table: Table<K>,
    /// Places in the order of the text at which both (n-1)-grams repeat, by the keys of their n-grams.
    pairs: Pairs<K>,
    /// The same, by the slots.
    places: Vec<Place>,
}

/// Places and keys.
#[derive(Debug, Default)]
struct Pairs<K> {
    /// Those that count, and others behind them.
    list: Vec<(u32, K)>,
    used: usize,
}

impl<K: Key> Pairs<K> {
    /// Those of `all` that count, of which there are at most `most`. Whether one does is as random as above: so it is stored,
    /// and stays if the next one does not take its room.
    #[inline(always)]
    fn set(&mut self, most: usize, all: impl Iterator<Item = (u32, K, bool)>) {
        if self.list.len() <= most {
            self.list.resize(most + 1, Default::default());
        }
        let list = self.list.as_mut_slice();
        let mut used = 0;
        for (at, key, counts) in all {
            list[used] = (at, key);
            used += usize::from(counts);
        }
        self.used = used;
    }

    fn all(&self) -> &[(u32, K)] {
        &self.list[..self.used]
    }
}

impl<K: Key> Counter<K> {
    fn orders(
        &mut self,
        classes: &[Class],
        ids: &[u32],
        sums: &Sums,
        most: usize,
        look: impl Fn(usize) -> Look,
        out: &mut Vec<Order>,
    ) {
        let repeats = |id: u32| classes[id as usize].count > 1;
        let mut before = ids.first().is_some_and(|&id| repeats(id));
        let pairs = (0u32..).zip(ids.windows(2)).map(|(at, pair)| {
            let (left, right) = (before, repeats(pair[1]));
            before = right;
            (at, K::pair(pair[0], pair[1]), left & right)
        });
        self.pairs.set(ids.len(), pairs);
        for n in 2..=most {
            let mut order = Order { n, ..Order::default() };
            if ids.len() >= n {
                self.table.count(self.pairs.all(), &mut self.places);
                match look(n) {
                    Look::Top => {
                        // Without any that repeats, all are equally frequent, and the first of the text is the first.
                        let (mut top, mut first) = (1, 0);
                        self.join(|at, count| {
                            // An n-gram is first met where it is first in the text.
                            if count > top {
                                (top, first) = (count, at);
                            }
                        });
                        (order.top_count, order.top_characters) = (top, sums.of(first, n));
                    }
                    Look::Repeated => {
                        order.characters = (0..=ids.len() - n).map(|at| sums.of(at as u32, n)).sum();
                        self.join(|at, count| {
                            order.repeated_characters += sums.of(at, n) * u64::from(count > 1);
                        });
                    }
                    Look::Walked => {
                        self.join(|_, _| ());
                        order.walked_characters = self.walk(sums, n);
                    }
                }
            }
            out.push(order);
        }
    }

    /// The pairs of n-grams at neighbouring places that both repeat. Tells how often the n-gram of each place occurs.
    #[inline(always)]
    fn join(&mut self, mut found: impl FnMut(u32, u32)) {
        let slots = self.table.slots.as_slice();
        // The place before, and whether its n-gram repeats.
        let (mut left, mut before) = (Place::default(), false);
        let pairs = self.places.iter().map(|&place| {
            let count = slots[place.slot as usize].count;
            found(place.at, count);
            let joins = before & (count > 1) & (left.at + 1 == place.at);
            let pair = (left.at, K::pair(left.slot, place.slot), joins);
            (left, before) = (place, count > 1);
            pair
        });
        self.pairs.set(self.places.len(), pairs);
    }

    /// Walk over the n-grams that repeat; the others are passed by word for word.
    fn walk(&mut self, sums: &Sums, n: usize) -> u64 {
        let (mut free, mut characters) = (0, 0);
        for place in &self.places {
            let count = &mut self.table.slots[place.slot as usize].count;
            if place.at < free || *count == 1 {
                continue;
            }
            if *count == PASSED {
                characters += sums.of(place.at, n);
                free = place.at + n as u32;
            }
            *count = PASSED;
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

    /// What all looks together tell of each order.
    fn all(ngrams: &mut Ngrams, words: &[Word], most: usize) -> Vec<Order> {
        let mut all = vec![Order::default(); most - 1];
        for look in [Look::Top, Look::Repeated, Look::Walked] {
            for (all, order) in all.iter_mut().zip(ngrams.orders(words, most, |_| look)) {
                *all = Order {
                    n: order.n,
                    top_count: all.top_count + order.top_count,
                    top_characters: all.top_characters + order.top_characters,
                    characters: all.characters + order.characters,
                    repeated_characters: all.repeated_characters + order.repeated_characters,
                    walked_characters: all.walked_characters + order.walked_characters,
                };
            }
        }
        all
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
            for order in all(&mut ngrams, view.words, 6) {
                assert_eq!(order, naive(&words, order.n));
            }
            assert_eq!(ngrams.narrow.places.is_empty(), count > NARROW / 2);
        }
    }

    proptest! {
        #[test]
        fn every_order_is_counted_as_by_the_book(texts in prop::collection::vec("((a|bb|c|é) ){0,60}", 1..3)) {
            // The second text finds the buffers as the first one left them.
            let mut ngrams = Ngrams::default();
            for text in texts {
                let mut buffers = Buffers::default();
                let view = buffers.view(&text);
                let words: Vec<&str> = text.split_whitespace().collect();
                for order in all(&mut ngrams, view.words, 10) {
                    prop_assert_eq!(order, naive(&words, order.n));
                }
                let mut firsts: Vec<(&str, usize, u32)> = Vec::new();
                for (at, word) in words.iter().enumerate() {
                    match firsts.iter_mut().find(|(known, ..)| known == word) {
                        Some((.., times)) => *times += 1,
                        None => firsts.push((word, at, 1)),
                    }
                }
                let classes: Vec<(usize, u32)> = firsts.into_iter().map(|(_, at, times)| (at, times)).collect();
                prop_assert_eq!(ngrams.classes().collect::<Vec<_>>(), classes);
            }
        }
    }
}
