//! The thread pool behind [`crate::par`]: short loops over numbered tasks, started in about a microsecond.
//!
//! The calling thread takes part. Thread `t` of `T` owns the `t`-th of `T` equal ranges of the task numbers and takes
//! them in order, so that loops over the same rows meet the same core and its caches; a thread that is done takes tasks
//! from the end of the others' ranges. Workers that find nothing to do spin for a while, since the next loop of a
//! training step is microseconds away, and then sleep.
//!
//! One loop runs at a time. A loop started inside a task, or while another thread's loop has the pool, runs on its own
//! thread alone: there are never more threads at work here than the pool has.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Most threads of the pool, the calling one included.
pub(crate) const MOST: usize = 1024;
/// Rounds of looking for a loop before a worker sleeps: some tens of microseconds.
const SPINS: u32 = 2_000;
/// Tasks that fit into one half of a range word.
const MOST_TASKS: usize = u32::MAX as usize;

/// The gate's low bits count the workers inside a loop; the bit above says that the loop lets workers in; the rest
/// numbers the loops.
const INSIDE: u64 = (1 << 15) - 1;
const OPEN: u64 = 1 << 15;
const LOOP: u64 = 1 << 16;

/// A range of task numbers `next..end` in one word, on a cache line of its own.
#[repr(align(128))]
struct Range(AtomicU64);

impl Range {
    fn set(&self, next: usize, end: usize) {
        self.0.store((next as u64) << 32 | end as u64, Ordering::Relaxed);
    }

    /// Takes the first task, or with `last` the last one.
    fn take(&self, last: bool) -> Option<usize> {
        let split = |word: u64| (word >> 32, word & 0xffff_ffff);
        let rest = |word| {
            let (next, end) = split(word);
            (next < end).then(|| if last { next << 32 | (end - 1) } else { (next + 1) << 32 | end })
        };
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).ok()?;
        let (next, end) = split(before);
        Some(if last { end - 1 } else { next } as usize)
    }
}

/// The loop that runs: what to call with each task number, and how many threads may take part.
#[derive(Clone, Copy)]
struct Loop {
    call: *const (dyn Fn(usize) + Sync),
    threads: usize,
}

struct Pool {
    gate: AtomicU64,
    job: UnsafeCell<Option<Loop>>,
    ranges: Vec<Range>,
    /// Held by whoever runs a loop.
    owner: Mutex<()>,
    /// Workers started so far.
    workers: AtomicUsize,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
    failed: AtomicBool,
    failure: Mutex<Option<Box<dyn Any + Send>>>,
}

static POOL: std::sync::LazyLock<Pool> = std::sync::LazyLock::new(|| Pool {
    gate: AtomicU64::new(0),
    job: UnsafeCell::new(None),
    ranges: (0..MOST).map(|_| Range(AtomicU64::new(0))).collect(),
    owner: Mutex::new(()),
    workers: AtomicUsize::new(0),
    sleepers: AtomicUsize::new(0),
    sleep: Mutex::new(()),
    wake: Condvar::new(),
    failed: AtomicBool::new(false),
    failure: Mutex::new(None),
});

/// Threads that loops use; 0 = as many as there are cores.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread is inside a task, or holds the pool for [`with_threads`].
    static ROLE: Cell<Role> = const { Cell::new(Role::Free) };
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// Has to ask for the pool.
    Free,
    /// Holds the pool, for loops of this many threads.
    Owner(usize),
    /// Runs a task.
    Inside,
}

/// Sets how many threads loops use from now on (1 to 1024; 0 = one for each core). Called once, by the program.
pub fn set_threads(threads: usize) {
    THREADS.store(threads.min(MOST), Ordering::Relaxed);
}

/// How many threads a loop started here would use.
pub fn threads() -> usize {
    match ROLE.get() {
        Role::Owner(threads) => threads,
        Role::Inside => 1,
        Role::Free => configured(),
    }
}

fn configured() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
            *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from).min(MOST))
        }
        n => n,
    }
}

/// Runs `f` with loops of exactly `threads` threads (1 to 1024), whatever [`set_threads`] says. Waits until no other
/// thread's loop has the pool. Inside a task this changes nothing.
pub fn with_threads<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    let before = ROLE.get();
    let _held = match before {
        Role::Free => Some(lock(&POOL.owner)),
        Role::Owner(_) => None,
        Role::Inside => return f(),
    };
    let _back = Restore(before);
    ROLE.set(Role::Owner(threads.clamp(1, MOST)));
    f()
}

/// Puts a thread's role back, also when a panic passes.
struct Restore(Role);

impl Drop for Restore {
    fn drop(&mut self) {
        ROLE.set(self.0);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `f(0)`, ..., `f(n - 1)`, each once. Panics with the first panic of a task, after all threads have left.
pub(crate) fn run(n: usize, f: &(dyn Fn(usize) + Sync)) {
    let serial = || (0..n).for_each(f);
    if n <= 1 {
        return serial();
    }
    match ROLE.get() {
        Role::Inside => serial(),
        Role::Owner(threads) => POOL.run(n, f, threads),
        Role::Free => {
            let threads = configured();
            // A pool that is busy belongs to another loop: this one stays on its own thread.
            match POOL.owner.try_lock() {
                _ if threads <= 1 => serial(),
                Ok(_held) => POOL.run(n, f, threads),
                Err(std::sync::TryLockError::Poisoned(_held)) => POOL.run(n, f, threads),
                Err(std::sync::TryLockError::WouldBlock) => serial(),
            }
        }
    }
}

#[allow(unsafe_code)]
mod shared {
    use super::{Loop, Pool};

    // SAFETY: `job` is written by the thread that holds `owner` while the gate is closed and no worker is inside; workers
    // read it after they entered through the open gate. Everything else is made for sharing.
    unsafe impl Sync for Pool {}
    // SAFETY: as above; a `Loop` points at a closure that may be called from any thread.
    unsafe impl Send for Pool {}

    impl Pool {
        /// Publishes what is to run; the gate must be closed and nobody inside.
        pub(super) fn publish(&self, job: Loop) {
            // SAFETY: only the owner writes, and no worker reads before the gate opens.
            unsafe { *self.job.get() = Some(job) };
        }

        /// What is to run, for a thread inside.
        pub(super) fn published(&self) -> Option<Loop> {
            // SAFETY: the owner does not write while a thread is inside.
            unsafe { *self.job.get() }
        }
    }

    impl Loop {
        /// Calls the loop's closure.
        ///
        /// # Safety
        /// The loop must be running: its caller has not returned yet.
        pub(super) unsafe fn call(&self, task: usize) {
            // SAFETY: the closure outlives the loop by this function's contract.
            unsafe { (*self.call)(task) }
        }

        /// A loop that forgets how long its closure lives; [`Pool::run`] waits for all threads before it returns.
        pub(super) fn new<'a>(f: &'a (dyn Fn(usize) + Sync), threads: usize) -> Loop {
            let call: *const (dyn Fn(usize) + Sync + 'a) = f;
            // SAFETY: the two types differ in a lifetime alone; `call` says when the pointer may be followed.
            let call = unsafe {
                std::mem::transmute::<
                    *const (dyn Fn(usize) + Sync + 'a),
                    *const (dyn Fn(usize) + Sync + 'static),
                >(call)
            };
            Loop { call, threads }
        }
    }
}

impl Pool {
    /// The caller holds `owner`.
    fn run(&self, n: usize, f: &(dyn Fn(usize) + Sync), threads: usize) {
        let threads = threads.min(n);
        if threads <= 1 {
            return (0..n).for_each(f);
        }
        assert!(n <= MOST_TASKS, "a loop of {n} tasks");
        self.start_workers(threads - 1);
        for (t, range) in self.ranges[..threads].iter().enumerate() {
            range.set(t * n / threads, (t + 1) * n / threads);
        }
        let job = Loop::new(f, threads);
        self.publish(job);
        let next = (self.gate.load(Ordering::Relaxed) / LOOP).wrapping_add(1).wrapping_mul(LOOP);
        self.gate.store(next | OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            let _sleep = lock(&self.sleep);
            self.wake.notify_all();
        }
        let before = ROLE.replace(Role::Inside);
        let own = catch_unwind(AssertUnwindSafe(|| self.work(&job, 0)));
        ROLE.set(before);
        self.gate.fetch_and(!OPEN, Ordering::AcqRel);
        let mut rounds = 0u32;
        while self.gate.load(Ordering::Acquire) & INSIDE != 0 {
            rounds += 1;
            if rounds.is_multiple_of(1024) { thread::yield_now() } else { std::hint::spin_loop() }
        }
        let failure =
            if self.failed.swap(false, Ordering::Relaxed) { lock(&self.failure).take() } else { None };
        match (own, failure) {
            (Err(panic), _) | (_, Some(panic)) => resume_unwind(panic),
            (Ok(()), None) => {}
        }
    }

    /// Takes tasks until none is left: first those of `thread`'s own range, then the others'.
    #[allow(unsafe_code)]
    fn work(&self, job: &Loop, thread: usize) {
        for i in 0..job.threads {
            let range = &self.ranges[(thread + i) % job.threads];
            while let Some(task) = range.take(i > 0) {
                // SAFETY: this thread is inside the loop, so its caller waits.
                unsafe { job.call(task) };
            }
        }
    }

    /// Starts workers until there are as many as wanted. Fewer can be had when the system refuses more threads; then
    /// the tasks are shared among those there are.
    fn start_workers(&self, wanted: usize) {
        let mut have = self.workers.load(Ordering::Relaxed);
        while have < wanted {
            let number = have + 1;
            let started =
                thread::Builder::new().name(format!("regimen-{number}")).spawn(move || POOL.worker(number));
            if started.is_err() {
                return;
            }
            have = number;
            self.workers.store(have, Ordering::Relaxed);
        }
    }

    /// What a worker does for good.
    fn worker(&self, number: usize) {
        ROLE.set(Role::Inside);
        let mut done = 0;
        loop {
            let entered = self.enter(done);
            done = entered & !(INSIDE | OPEN);
            let job = self.published();
            if let Some(job) = job.filter(|job| number < job.threads)
                && let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work(&job, number)))
            {
                lock(&self.failure).get_or_insert(panic);
                self.failed.store(true, Ordering::Relaxed);
            }
            self.gate.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Waits for a loop other than `done` that lets workers in, and enters it; returns the gate's word.
    fn enter(&self, done: u64) -> u64 {
        let fresh = |word: u64| word & OPEN != 0 && word & !(INSIDE | OPEN) != done;
        let mut spins = 0;
        loop {
            let word = self.gate.load(Ordering::Acquire);
            if fresh(word) {
                let entered =
                    self.gate.compare_exchange_weak(word, word + 1, Ordering::AcqRel, Ordering::Relaxed);
                if entered.is_ok() {
                    return word;
                }
                continue;
            }
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            spins = 0;
            let guard = lock(&self.sleep);
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            // A loop opened before this worker counted as asleep did not wake it: look once more.
            if !fresh(self.gate.load(Ordering::SeqCst)) {
                drop(self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner));
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a loop of `n` tasks and says how often each ran.
    fn counts(n: usize) -> Vec<usize> {
        let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
        run(n, &|i| {
            counts[i].fetch_add(1, Ordering::Relaxed);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_task_runs_once_with_any_number_of_threads() {
        for wanted in [1, 2, 3, 8, 33] {
            with_threads(wanted, || {
                assert_eq!(threads(), wanted);
                for n in [0, 1, 2, 7, 100, 1000] {
                    assert_eq!(counts(n), vec![1; n], "{n} tasks, {wanted} threads");
                }
            });
        }
    }

    #[test]
    fn many_short_loops_lose_nothing() {
        with_threads(4, || {
            let total = AtomicUsize::new(0);
            for round in 0..20_000 {
                if round % 1000 == 0 {
                    // Long enough for workers to fall asleep.
                    thread::sleep(std::time::Duration::from_millis(2));
                }
                run(5, &|i| {
                    total.fetch_add(i, Ordering::Relaxed);
                });
            }
            assert_eq!(total.into_inner(), 200_000);
        });
    }

    #[test]
    fn loops_inside_tasks_and_beside_other_loops_stay_on_their_thread() {
        with_threads(3, || {
            let inner = AtomicUsize::new(0);
            run(6, &|_| {
                assert_eq!(threads(), 1);
                let here = thread::current().id();
                run(4, &|_| {
                    assert_eq!(thread::current().id(), here);
                    inner.fetch_add(1, Ordering::Relaxed);
                });
            });
            assert_eq!(inner.into_inner(), 24);
            thread::scope(|s| {
                s.spawn(|| {
                    let here = thread::current().id();
                    run(9, &|_| assert_eq!(thread::current().id(), here));
                });
            });
        });
    }

    #[test]
    fn a_panic_of_a_task_reaches_the_caller_and_the_pool_goes_on() {
        with_threads(4, || {
            for bad in [0, 57, 99] {
                let caught = catch_unwind(|| run(100, &|i| assert_ne!(i, bad, "task {bad} fails")));
                let text = *caught.unwrap_err().downcast::<String>().unwrap();
                assert!(text.contains("fails"), "{text}");
                assert_eq!(counts(50), vec![1; 50]);
            }
        });
    }
}
