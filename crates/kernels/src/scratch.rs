//! Buffers that tasks borrow and give back, one stack of them for each thread, so that hot calls do not allocate.

use std::cell::RefCell;

use crate::buffer::Floats;

thread_local! {
    static FREE: RefCell<Vec<Floats>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with a buffer of `len` floats whose contents are arbitrary; it begins on a cache line.
pub(crate) fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = FREE.with_borrow_mut(|free| {
        // The smallest buffer that fits, or else the largest there is, which is then replaced by a longer one.
        let fit = (0..free.len()).filter(|&i| free[i].len() >= len).min_by_key(|&i| free[i].len());
        match fit.or_else(|| (0..free.len()).max_by_key(|&i| free[i].len())) {
            Some(i) => free.swap_remove(i),
            None => Floats::default(),
        }
    });
    if buffer.len() < len {
        drop(std::mem::take(&mut buffer));
        buffer = Floats::zeros(len);
    }
    let result = f(&mut buffer[..len]);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    #[test]
    fn nested_buffers_are_distinct() {
        super::with(10, |a| {
            a.fill(1.0);
            super::with(20, |b| b.fill(2.0));
            assert_eq!(a, [1.0; 10]);
            assert!(a.as_ptr().addr().is_multiple_of(64));
        });
        super::with(5, |a| assert_eq!(a.len(), 5));
    }
}
