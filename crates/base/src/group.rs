//! Several processes that work on one thing: what a stage may ask of the others.
//!
//! Process 0 leads: it alone owns the store, the event log and the screen, and tells the others what to do
//! ([`Group::order`]). Everything else is collective: all processes make the same calls in the same order.

use crate::hint::Hint;

/// Why the processes of a group cannot go on together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A process ended without a word, or fell silent.
    #[error("process {rank} was lost")]
    Lost {
        /// Which one.
        rank: usize,
    },
    /// Process 0 gave up what this process was waiting for; [`Group::follow`] says what comes instead.
    #[error("process 0 went on to something else")]
    Left,
    /// Process 0 ended the group after it lost another process; it has said so itself.
    #[error("process 0 ended the work")]
    Ended,
    /// Another process could not do its part.
    #[error("process {rank}: {message}")]
    Peer {
        /// Which one.
        rank: usize,
        /// What it said.
        message: String,
    },
    /// The library between the processes refused, or said something that makes no sense.
    #[error("the processes cannot talk to each other: {message}")]
    Broken {
        /// What it said.
        message: String,
    },
}

impl Hint for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::Lost { .. } | Error::Left | Error::Ended => {
                "run the same command again: it goes on from the last checkpoint".into()
            }
            Error::Peer { .. } => {
                "every machine needs the same program and the same files under the same paths, `.regimen` included".into()
            }
            Error::Broken { .. } => {
                "every machine must reach the first one by its name; check name resolution and firewalls".into()
            }
        })
    }
}

/// What the functions of a group give back.
pub type Result<T> = std::result::Result<T, Error>;

/// The processes that work together, seen from one of them.
pub trait Group {
    /// Number of this process, from 0.
    fn rank(&self) -> usize;

    /// How many processes there are.
    fn size(&self) -> usize;

    /// How many of them share the processors of this one, itself included.
    fn sharing(&self) -> usize;

    /// Every process gives a few bytes and gets those of all, by rank. Nobody goes on before all have come.
    fn exchange(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Sum `data`, of one length everywhere, over all processes, in the order of their ranks: every process gets the
    /// same bits, and the same ones whenever as many processes sum the same numbers.
    fn all_reduce_sum(&self, data: &mut [f32]) -> Result<()>;

    /// Copy the `data` of process 0, of one length everywhere, to all.
    fn broadcast(&self, data: &mut [f32]) -> Result<()>;

    /// Process 0 tells the others what comes next, whatever they are waiting for.
    fn order(&self, bytes: &[u8]) -> Result<()>;

    /// The others wait for what process 0 has to say.
    fn follow(&self) -> Result<Vec<u8>>;

    /// The last call of every process: part without an error. After a loss nobody is waited for.
    fn part(&self);
}

/// A group of one.
pub struct Alone;

impl Group for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sharing(&self) -> usize {
        1
    }

    fn exchange(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(vec![mine.to_vec()])
    }

    fn all_reduce_sum(&self, _: &mut [f32]) -> Result<()> {
        Ok(())
    }

    fn broadcast(&self, _: &mut [f32]) -> Result<()> {
        Ok(())
    }

    fn order(&self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn follow(&self) -> Result<Vec<u8>> {
        Err(Error::Ended)
    }

    fn part(&self) {}
}

/// Tell each other whether all could do their part so far. What went wrong here is the caller's to report.
///
/// # Errors
/// [`Error::Peer`] with the word of the first process that could not.
pub fn agree(group: &dyn Group, fault: Option<String>) -> Result<()> {
    if group.size() == 1 {
        return Ok(());
    }
    let words = group.exchange(fault.unwrap_or_default().as_bytes())?;
    faultless(words.iter().map(Vec::as_slice))
}

/// [`Error::Peer`] if one of the words, by rank, is not empty.
pub fn faultless<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<()> {
    match words.enumerate().find(|(_, word)| !word.is_empty()) {
        Some((rank, word)) => Err(Error::Peer { rank, message: String::from_utf8_lossy(word).into_owned() }),
        None => Ok(()),
    }
}

/// The part of `n` things that belongs to a rank: neighbours, as even as can be, the longer parts first.
pub fn part(n: usize, rank: usize, size: usize) -> std::ops::Range<usize> {
    let (each, more) = (n / size, n % size);
    let start = rank * each + rank.min(more);
    start..start + each + usize::from(rank < more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_once() {
        for (n, size) in [(0, 3), (1, 1), (7, 2), (5, 3), (12, 4), (3, 5)] {
            let all: Vec<usize> = (0..size).flat_map(|rank| part(n, rank, size)).collect();
            assert_eq!(all, (0..n).collect::<Vec<_>>(), "{n} {size}");
            assert!((0..size).all(|rank| part(n, rank, size).len().abs_diff(n / size) <= 1));
        }
    }

    #[test]
    fn the_first_fault_is_named() {
        let words: [&[u8]; 3] = [b"", b"no file", b"no space"];
        assert_eq!(faultless(words.into_iter()), Err(Error::Peer { rank: 1, message: "no file".into() }));
        assert_eq!(agree(&Alone, Some("not ours to report".into())), Ok(()));
    }
}
