//! The engine: files are cut into chunks, chunks are worked on by all threads, and each file's results come out in the
//! order of its chunks.
//!
//! Every thread of the pool does the same: it takes the next chunk of an open file (or opens the next file), works on it,
//! and hands the result to that file's sink, where results wait for those before them. So many files and one big file
//! keep all threads busy alike, there is no thread that only reads, and what a sink sees does not depend on threads. No
//! more than [`AHEAD`] chunks a thread are between reader and sink, and no more bytes of them than the job allows, which bounds
//! the memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use regimen_base::Cancel;

use crate::error::{Error, Result};
use crate::read::chunk::{CHUNK, Chunk, Chunks};
use crate::read::lines::RowFile;

/// Chunks that one thread may be ahead of the sink of a file.
const AHEAD: usize = 2;

/// Bytes that a chunk counts for until it is read.
const RESERVED: u64 = CHUNK as u64;

/// Where the chunks of a file come from.
pub(crate) trait Source: Send {
    /// The next chunk; none at the end.
    fn next(&mut self) -> Result<Option<Chunk>>;
}

impl Source for Chunks {
    fn next(&mut self) -> Result<Option<Chunk>> {
        Chunks::next(self)
    }
}

impl Source for RowFile {
    fn next(&mut self) -> Result<Option<Chunk>> {
        RowFile::next(self)
    }
}

/// What is done to every chunk, and where its results go. A file is whatever gives chunks, such as several small files.
pub(crate) trait Job: Sync {
    /// Reads a file.
    type Source: Source;
    /// What a thread keeps from chunk to chunk.
    type Scratch: Default;
    /// What a chunk becomes.
    type Part: Send;
    /// Takes the parts of one file in order.
    type Sink: Send;

    /// Bytes of chunks that may be between readers and sinks; one chunk is, whatever its length.
    fn in_flight(&self) -> u64 {
        u64::MAX
    }

    /// Bytes that a part holds until it is taken; those of its chunk are counted at least.
    fn held(&self, _: &Self::Part) -> u64 {
        0
    }

    /// Begin the file with this number. None: it needs no work.
    fn open(&self, file: usize) -> Result<Option<(Self::Source, Self::Sink)>>;
    /// Work on a chunk; chunks are independent of each other.
    fn work(&self, chunk: Chunk, scratch: &mut Self::Scratch) -> Result<Self::Part>;
    /// Take the next part of a file.
    fn take(&self, sink: &mut Self::Sink, part: Self::Part) -> Result<()>;
    /// The file is read and all its parts were taken.
    fn close(&self, file: usize, sink: Self::Sink) -> Result<()>;
}

/// Run a job over `files` files on all threads of the pool.
///
/// # Errors
/// That of the earliest chunk of the earliest file that failed, whatever thread met which first.
pub(crate) fn run<J: Job>(files: usize, job: &J, cancel: &Cancel) -> Result<()> {
    run_told(files, job, cancel).map_err(|(_, error)| error)
}

/// The same, with the number of the file of the fault; none for a user who asked to stop. What lies before it in all files was
/// taken, and nothing of its own file behind it.
pub(crate) fn run_told<J: Job>(
    files: usize,
    job: &J,
    cancel: &Cancel,
) -> std::result::Result<(), (Option<usize>, Error)> {
    let flow = Flow {
        job,
        cancel,
        files,
        threads: rayon::current_num_threads(),
        state: Mutex::new(State { next: 0, open: VecDeque::new(), busy: 0, fault: None }),
        moved: Condvar::new(),
    };
    rayon::broadcast(|_| flow.work());
    let state = flow.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.fault {
        Some(((file, _), error)) => Err((Some(file), error)),
        None => cancel.check().map_err(|_| (None, Error::Interrupted)),
    }
}

/// A chunk's place: file, then chunk.
type At = (usize, u64);

struct Flow<'j, J: Job> {
    job: &'j J,
    cancel: &'j Cancel,
    files: usize,
    threads: usize,
    state: Mutex<State<J>>,
    moved: Condvar,
}

struct State<J: Job> {
    /// The next file that nobody has opened.
    next: usize,
    open: VecDeque<File<J>>,
    /// Threads at work: they may bring more to do.
    busy: usize,
    /// The earliest fault so far. What lies before it is still worked on: it may hold an earlier one.
    fault: Option<(At, Error)>,
}

/// A file between its first chunk and its end. What a thread is busy with is taken out.
struct File<J: Job> {
    number: usize,
    chunks: Option<J::Source>,
    ended: bool,
    /// Chunks read so far, and taken by the sink so far.
    read: u64,
    taken: u64,
    sink: Option<J::Sink>,
    /// With the bytes that are counted for them.
    waiting: BTreeMap<u64, (J::Part, u64)>,
    /// Bytes of chunks that were read and not taken, and of what they became.
    flying: u64,
}

/// What a thread can do next.
enum Next<J: Job> {
    /// Open this file.
    Open(usize),
    /// Read the next chunk of a file.
    Read(usize, J::Source, u64),
    /// Hand waiting parts to the sink of a file.
    Take(usize, J::Sink, Vec<(J::Part, u64)>),
    /// Close a file.
    Close(usize, J::Sink),
}

impl<J: Job> Flow<'_, J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut scratch = J::Scratch::default();
        while let Some(next) = self.next() {
            let _busy = Busy(self);
            self.act(next, &mut scratch);
        }
    }

    fn act(&self, next: Next<J>, scratch: &mut J::Scratch) {
        match next {
            Next::Open(number) => {
                let opened = self.job.open(number);
                self.settle(|state| match opened {
                    Ok(Some((chunks, sink))) => {
                        state.file(number, |file| (file.chunks, file.sink) = (Some(chunks), Some(sink)));
                        Ok(())
                    }
                    Ok(None) => {
                        state.open.retain(|file| file.number != number);
                        Ok(())
                    }
                    Err(error) => Err(((number, 0), error)),
                });
            }
            Next::Read(number, chunks, at) => self.read(number, chunks, at, scratch),
            Next::Take(number, mut sink, parts) => {
                let bytes: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
                let mut count = 0;
                let taken = parts.into_iter().try_for_each(|(part, _)| {
                    self.job.take(&mut sink, part)?;
                    count += 1;
                    Ok(())
                });
                self.settle(|state| {
                    let mut at = 0;
                    state.file(number, |file| {
                        file.taken += count;
                        at = file.taken;
                        file.flying -= bytes;
                        // What lies behind a part that could not be taken would leave a hole.
                        file.sink = taken.is_ok().then_some(sink);
                    });
                    taken.map_err(|error| ((number, at), error))
                });
            }
            Next::Close(number, sink) => {
                let closed = self.job.close(number, sink);
                self.settle(|state| {
                    state.open.retain(|file| file.number != number);
                    closed.map_err(|error| ((number, u64::MAX), error))
                });
            }
        }
    }

    /// Read a chunk, let others read on, and work on it.
    fn read(&self, number: usize, mut chunks: J::Source, at: u64, scratch: &mut J::Scratch) {
        let chunk = match chunks.next() {
            Ok(chunk) => chunk,
            // Noted in one step: a file whose end is known before its fault would be taken for whole.
            Err(error) => {
                return self.settle(|state| {
                    state.file(number, |file| file.flying -= RESERVED);
                    Err(((number, at), error))
                });
            }
        };
        let ended = chunk.is_none();
        let bytes = chunk.as_ref().map_or(0, Chunk::bytes);
        self.settle(|state| {
            state.file(number, |file| {
                file.ended = ended;
                file.read += u64::from(!ended);
                file.flying = file.flying - RESERVED + bytes;
                file.chunks = (!ended).then_some(chunks);
            });
            Ok(())
        });
        let Some(chunk) = chunk else { return };
        let part = self.job.work(chunk, scratch);
        self.settle(|state| {
            let held = part.as_ref().map_or(0, |part| self.job.held(part).max(bytes));
            state.file(number, |file| file.flying = file.flying - bytes + held);
            let part = part.map_err(|error| ((number, at), error))?;
            state.file(number, |file| drop(file.waiting.insert(at, (part, held))));
            Ok(())
        });
    }

    /// Change the state, note a fault, and wake those who wait.
    fn settle(&self, change: impl FnOnce(&mut State<J>) -> std::result::Result<(), (At, Error)>) {
        let mut state = self.lock();
        if let Err((at, error)) = change(&mut state)
            && state.fault.as_ref().is_none_or(|(earlier, _)| at < *earlier)
        {
            state.fault = Some((at, error));
        }
        if let Some(((file, _), _)) = state.fault {
            // Later files are given up; this one still has chunks before the fault to come.
            state.open.retain(|open| open.number <= file);
            state.next = self.files;
        }
        drop(state);
        self.moved.notify_all();
    }

    /// Wait for something to do; none once nothing will come.
    fn next(&self) -> Option<Next<J>> {
        let mut state = self.lock();
        loop {
            let next = if self.cancel.asked() {
                None
            } else {
                state.next(self.files, self.threads, self.job.in_flight())
            };
            if next.is_some() {
                state.busy += 1;
                return next;
            }
            if state.busy == 0 || self.cancel.asked() {
                self.moved.notify_all();
                return None;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A thread at work. Should it panic, the others stop.
struct Busy<'f, 'j, J: Job>(&'f Flow<'j, J>);

impl<J: Job> Drop for Busy<'_, '_, J> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy -= 1;
        if std::thread::panicking() {
            state.next = self.0.files;
            state.open.clear();
        }
        drop(state);
        self.0.moved.notify_all();
    }
}

impl<J: Job> State<J> {
    /// Change a file that is open; one that was given up is gone.
    fn file(&mut self, number: usize, change: impl FnOnce(&mut File<J>)) {
        if let Some(file) = self.open.iter_mut().find(|file| file.number == number) {
            change(file);
        }
    }

    /// Something to do now. Taking comes first, for it frees memory; then chunks of files that are open, the earliest
    /// first; then the next file.
    fn next(&mut self, files: usize, threads: usize, in_flight: u64) -> Option<Next<J>> {
        let fault = self.fault.as_ref().map(|(at, _)| *at);
        for file in &mut self.open {
            if file.sink.is_some() {
                let mut parts = Vec::new();
                while let Some(part) = file.waiting.remove(&(file.taken + parts.len() as u64)) {
                    parts.push(part);
                }
                let whole = file.ended && file.taken == file.read && parts.is_empty() && fault.is_none();
                if !parts.is_empty() {
                    return file.sink.take().map(|sink| Next::Take(file.number, sink, parts));
                }
                if whole {
                    return file.sink.take().map(|sink| Next::Close(file.number, sink));
                }
            }
        }
        // With as many files open as there are threads, each thread has one to itself.
        if self.next < files && self.open.len() < threads {
            let number = self.next;
            self.next += 1;
            self.open.push_back(File {
                number,
                chunks: None,
                ended: false,
                read: 0,
                taken: 0,
                sink: None,
                waiting: BTreeMap::new(),
                flying: 0,
            });
            return Some(Next::Open(number));
        }
        let flying: u64 = self.open.iter().map(|file| file.flying).sum();
        if flying > 0 && flying + RESERVED > in_flight {
            // What flies is being worked on, and comes down.
            return None;
        }
        let most = (AHEAD * threads) as u64;
        let file = self.open.iter_mut().filter(|file| file.chunks.is_some() && file.read - file.taken < most);
        let file = file.min_by_key(|file| (file.read - file.taken, file.number))?;
        if fault.is_some_and(|at| (file.number, file.read) >= at) {
            file.chunks = None;
            file.ended = true;
            return self.next(files, threads, in_flight);
        }
        let at = file.read;
        file.flying += RESERVED;
        file.chunks.take().map(|chunks| Next::Read(file.number, chunks, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::chunk::How;
    use crate::read::stream::Stream;
    use crate::read::tests::input;
    use regimen_recipe::InputFile;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Lines {
        files: Vec<InputFile>,
        out: Mutex<BTreeMap<usize, Vec<u8>>>,
        fail: fn(&[u8]) -> bool,
        /// Bytes after which a sink is full.
        most: usize,
        works: AtomicUsize,
        refused: AtomicUsize,
    }

    impl Job for Lines {
        type Source = Chunks;
        type Scratch = ();
        type Part = Vec<u8>;
        type Sink = Vec<u8>;

        fn open(&self, file: usize) -> Result<Option<(Chunks, Vec<u8>)>> {
            if self.files[file].bytes == 0 {
                return Ok(None);
            }
            let stream = Stream::open(&self.files[file], std::sync::Arc::default())?;
            Ok(Some((Chunks::new(stream, How::Lines, 0, file as u32), Vec::new())))
        }

        fn work(&self, chunk: Chunk, _: &mut ()) -> Result<Vec<u8>> {
            self.works.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_micros(chunk.data.len() as u64 % 700));
            match (self.fail)(&chunk.data) {
                true => Err(Error::NoDocuments {
                    source_name: format!("{}", chunk.file),
                    pattern: format!("{}", chunk.first),
                }),
                false => Ok(chunk.data),
            }
        }

        fn take(&self, sink: &mut Vec<u8>, part: Vec<u8>) -> Result<()> {
            if sink.len() >= self.most {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Error::Record { what: "a full sink" });
            }
            sink.extend_from_slice(&part);
            Ok(())
        }

        fn close(&self, file: usize, sink: Vec<u8>) -> Result<()> {
            self.out.lock().unwrap().insert(file, sink);
            Ok(())
        }
    }

    fn files(dir: &std::path::Path, sizes: &[usize]) -> (Vec<InputFile>, Vec<Vec<u8>>) {
        let contents: Vec<Vec<u8>> = sizes
            .iter()
            .enumerate()
            .map(|(i, &lines)| {
                (0..lines).flat_map(|l| format!("{i}:{l}:{}\n", "x".repeat(997)).into_bytes()).collect()
            })
            .collect();
        let inputs = contents.iter().enumerate().map(|(i, c)| input(dir, &format!("{i}.jsonl"), c)).collect();
        (inputs, contents)
    }

    fn run_on(threads: usize, job: &Lines) -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(job.files.len(), job, &Cancel::new()))
    }

    fn job(files: Vec<InputFile>, fail: fn(&[u8]) -> bool) -> Lines {
        Lines {
            files,
            out: Mutex::default(),
            fail,
            most: usize::MAX,
            works: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    #[test]
    fn every_file_comes_out_in_order_with_any_number_of_threads() {
        let dir = tempfile::tempdir().unwrap();
        let (inputs, contents) = files(dir.path(), &[10, 9000, 0, 3000, 1, 2500, 40]);
        for threads in [1, 2, 3, 16] {
            let job = job(inputs.clone(), |_| false);
            run_on(threads, &job).unwrap();
            let out = job.out.into_inner().unwrap();
            assert_eq!(out.len(), 6);
            assert!(out.iter().all(|(i, text)| *text == contents[*i]), "{threads} threads");
        }
        run_on(3, &job(Vec::new(), |_| false)).unwrap();
    }

    #[test]
    fn the_earliest_fault_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (inputs, _) = files(dir.path(), &[3000, 9000, 3000, 2000]);
        for threads in [1, 2, 5] {
            for _ in 0..5 {
                // Chunks of the files 1 (not its first), 2 and 3 fail.
                let fails = |data: &[u8]| match &data[..2] {
                    b"1:" => !data.starts_with(b"1:0:"),
                    b"2:" | b"3:" => true,
                    _ => false,
                };
                let job = job(inputs.clone(), fails);
                let error = run_on(threads, &job).unwrap_err().to_string();
                assert!(error.contains("source `1`"), "{error}");
                let first: u64 = error.split('`').nth(3).unwrap().parse().unwrap();
                assert!(first > 900 && first < 1200, "{error}");
            }
        }
    }

    #[test]
    fn nothing_behind_a_part_that_could_not_be_taken_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (inputs, _) = files(dir.path(), &[9000]);
        for threads in [1, 2, 5] {
            let job = Lines { most: 1 << 20, ..job(inputs.clone(), |_| false) };
            assert!(matches!(run_on(threads, &job), Err(Error::Record { .. })));
            assert_eq!(job.refused.load(Ordering::Relaxed), 1, "{threads} threads");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_to_its_end_is_never_closed() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        (0..1500).for_each(|line| writeln!(encoder, "{line}:{}", "x".repeat(997)).unwrap());
        let mut packed = encoder.finish().unwrap();
        packed.truncate(packed.len() - 20);
        let cut = input(dir.path(), "cut.jsonl.gz", &packed);
        for _ in 0..400 {
            let job = job(vec![cut.clone()], |_| false);
            run_on(4, &job).unwrap_err();
            assert!(job.out.into_inner().unwrap().is_empty());
        }
    }

    #[test]
    fn who_asks_to_stop_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let (inputs, _) = files(dir.path(), &[9000, 9000]);
        let cancel = Cancel::new();
        cancel.ask();
        let job = job(inputs, |_| false);
        assert!(matches!(run(2, &job, &cancel), Err(Error::Interrupted)));
        assert_eq!(job.works.load(Ordering::Relaxed), 0);
    }
}
