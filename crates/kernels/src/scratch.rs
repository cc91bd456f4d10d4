//! Buffers that tasks borrow and give back, one stack of them for each thread, so that hot calls do not allocate.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::buffer::Floats;

thread_local! {
    static FREE: RefCell<Stack> = const { RefCell::new(Stack(Vec::new())) };
}

/// Floats of the buffers of all threads.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Buffers of a thread that are not in use. They end with the thread.
struct Stack(Vec<Floats>);

impl Drop for Stack {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0.iter().map(|buffer| buffer.len()).sum(), Ordering::Relaxed);
    }
}

/// Runs `f` with a buffer of `len` floats whose contents are arbitrary; it begins on a cache line.
///
/// Where there is no memory for it, this unwinds with a [`NoMemory`](crate::NoMemory), past the threads of the loop:
/// loops have no other way to say so, and whoever starts work that may be too large catches it.
pub(crate) fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = FREE.with_borrow_mut(|Stack(free)| {
        // The smallest buffer that fits, or else the largest there is, which makes room for a new one.
        let fit = (0..free.len()).filter(|&i| free[i].len() >= len).min_by_key(|&i| free[i].len());
        match fit {
            Some(i) => free.swap_remove(i),
            None => {
                if let Some(i) = (0..free.len()).max_by_key(|&i| free[i].len()) {
                    HELD.fetch_sub(free.swap_remove(i).len(), Ordering::Relaxed);
                }
                new(len)
            }
        }
    });
    let result = f(&mut buffer[..len]);
    FREE.with_borrow_mut(|Stack(free)| free.push(buffer));
    result
}

fn new(len: usize) -> Floats {
    // Unlike a panic it prints nothing.
    let buffer = Floats::try_zeros(len).unwrap_or_else(|error| std::panic::resume_unwind(Box::new(error)));
    HELD.fetch_add(len, Ordering::Relaxed);
    buffer
}

/// Floats of the scratch buffers that all threads hold.
pub fn scratch_floats() -> usize {
    HELD.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_buffers_are_distinct() {
        with(10, |a| {
            a.fill(1.0);
            with(20, |b| b.fill(2.0));
            assert_eq!(a, [1.0; 10]);
            assert!(a.as_ptr().addr().is_multiple_of(64));
        });
        with(5, |a| assert_eq!(a.len(), 5));
    }

    #[test]
    fn memory_that_is_not_there_unwinds_without_a_word() {
        let caught = std::panic::catch_unwind(|| with(1 << 60, |_| ())).unwrap_err();
        assert_eq!(caught.downcast_ref(), Some(&crate::NoMemory { bytes: 1 << 62 }));
        with(5, |a| assert_eq!(a.len(), 5));
    }

    #[test]
    fn buffers_are_counted_until_their_thread_ends() {
        let (len, before) = (1 << 24, scratch_floats());
        std::thread::spawn(move || {
            with(len, |_| ());
            assert!(scratch_floats() >= len);
        })
        .join()
        .unwrap();
        // Other tests hold far less.
        assert!(scratch_floats() < before + len);
    }
}
