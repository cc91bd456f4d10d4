//! Who is still there: a connection from every process to process 0, over which each says a byte a second.
//!
//! A process that dies closes its connection, which the other end hears at once; a machine that vanishes falls silent.
//! MPI has no word for either before its version 5 (and then only with fault tolerance built in).

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regimen_base::group::Error;
use serde::{Deserialize, Serialize};

/// How long each process may take to connect, and how long one address is tried.
const CONNECT: Duration = Duration::from_secs(30);
const TRY: Duration = Duration::from_secs(5);
/// Time between two bytes.
const BEAT: Duration = Duration::from_secs(1);
/// Silence after which a process counts as lost.
const SILENCE: Duration = Duration::from_secs(30);
/// What is said: that one is there, that all is done, that process 0 ends the work after a loss.
const HERE: u8 = b'.';
const CLOSED: u8 = b'c';
const ENDED: u8 = b'e';
/// Nobody is lost; process 0 ended the work.
const NOBODY: usize = usize::MAX;
const END: usize = usize::MAX - 1;

/// Where process 0 listens.
#[derive(Deserialize, Serialize)]
pub(super) struct Door {
    host: String,
    addresses: Vec<IpAddr>,
    port: u16,
    /// What a process of this group says first.
    word: u64,
}

/// The connections of this process.
pub(super) struct Watch {
    lost: Arc<AtomicUsize>,
    /// Whether everybody is free to go.
    closed: Arc<AtomicBool>,
    streams: Vec<TcpStream>,
}

/// Open a port on all interfaces. `host` is the name under which MPI knows this machine.
pub(super) fn listen(host: &str) -> std::io::Result<(Door, TcpListener)> {
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"))?;
    let port = listener.local_addr()?.port();
    let addresses = (host, port).to_socket_addrs().into_iter().flatten().map(|address| address.ip());
    let addresses = addresses.filter(|ip| !ip.is_loopback()).collect();
    // Keys of hash maps are random.
    let word = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), port);
    Ok((Door { host: host.into(), addresses, port, word }, listener))
}

impl Watch {
    /// Process 0 waits for all others to come in.
    pub(super) fn lead(listener: &TcpListener, door: &Door, size: usize) -> Result<Watch, String> {
        let failed = |e: std::io::Error| format!("cannot listen on port {}: {e}", door.port);
        listener.set_nonblocking(true).map_err(failed)?;
        let mut found: Vec<Option<TcpStream>> = (1..size).map(|_| None).collect();
        let began = Instant::now();
        while found.iter().any(Option::is_none) {
            match listener.accept() {
                Ok((stream, _)) => {
                    // Whoever does not know the word is a stranger, and let go.
                    if let Some(rank) = greeted(&stream, door.word).filter(|rank| (1..size).contains(rank)) {
                        found[rank - 1] = Some(stream);
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    if began.elapsed() > CONNECT {
                        let missing = found.iter().position(Option::is_none).unwrap_or(0) + 1;
                        return Err(format!("on `{}` was not reached by process {missing}", door.host));
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(e) => return Err(failed(e)),
            }
        }
        Watch::over(found.into_iter().flatten().zip(1..).collect())
    }

    /// Another process connects to process 0. `near` says that it runs on the same machine.
    pub(super) fn follow(door: &Door, rank: usize, near: bool) -> Result<Watch, String> {
        let local = near.then_some([IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]);
        let named = (door.host.as_str(), door.port).to_socket_addrs().into_iter().flatten();
        let addresses: Vec<SocketAddr> = local
            .into_iter()
            .flatten()
            .chain(door.addresses.iter().copied())
            .map(|ip| SocketAddr::new(ip, door.port))
            .chain(named)
            .collect();
        for address in &addresses {
            let Ok(mut stream) = TcpStream::connect_timeout(address, TRY) else { continue };
            let greeting = [door.word.to_le_bytes(), (rank as u64).to_le_bytes()].concat();
            if stream.write_all(&greeting).is_ok() {
                return Watch::over(vec![(stream, 0)]);
            }
        }
        Err(format!("cannot reach process 0 at `{}`, port {}", door.host, door.port))
    }

    fn over(streams: Vec<(TcpStream, usize)>) -> Result<Watch, String> {
        let watch = Watch {
            lost: Arc::new(AtomicUsize::new(NOBODY)),
            closed: Arc::new(AtomicBool::new(false)),
            streams: streams.iter().filter_map(|(stream, _)| stream.try_clone().ok()).collect(),
        };
        for (stream, rank) in streams {
            let (lost, closed) = (watch.lost.clone(), watch.closed.clone());
            stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_nodelay(true))
                .and_then(|()| stream.set_read_timeout(Some(BEAT)))
                .and_then(|()| stream.set_write_timeout(Some(SILENCE)))
                .and_then(|()| {
                    let name = format!("watch-{rank}");
                    std::thread::Builder::new().name(name).spawn(move || look(stream, rank, &lost, &closed))
                })
                .map_err(|e| format!("cannot watch process {rank}: {e}"))?;
        }
        Ok(watch)
    }

    /// The first loss, if there was one.
    pub(super) fn lost(&self) -> Option<Error> {
        match self.lost.load(Ordering::Acquire) {
            NOBODY => None,
            END => Some(Error::Ended),
            rank => Some(Error::Lost { rank }),
        }
    }

    /// Everybody is free to go.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.say(CLOSED);
    }

    /// Tell those who are left that this process ends the work.
    pub(super) fn end(&self) {
        self.closed.store(true, Ordering::Release);
        self.say(ENDED);
        // This process is about to end: its word should arrive before the news that it is gone.
        std::thread::sleep(Duration::from_millis(50));
    }

    fn say(&self, word: u8) {
        for mut stream in &self.streams {
            let _ = stream.write_all(&[word]);
        }
    }
}

/// The rank of a process that knows the word.
fn greeted(mut stream: &TcpStream, word: u64) -> Option<usize> {
    stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(TRY))).ok()?;
    let mut greeting = [0; 16];
    stream.read_exact(&mut greeting).ok()?;
    let (said, rank) = greeting.split_at(8);
    (said == word.to_le_bytes()).then(|| u64::from_le_bytes(rank.try_into().unwrap_or_default()) as usize)
}

/// Speak and listen until the other end has gone.
fn look(mut stream: TcpStream, rank: usize, lost: &AtomicUsize, closed: &AtomicBool) {
    let mut heard = Instant::now();
    let mut said: Option<Instant> = None;
    let found = loop {
        if closed.load(Ordering::Acquire) {
            return;
        }
        if said.is_none_or(|then| then.elapsed() >= BEAT) {
            if stream.write_all(&[HERE]).is_err() {
                break rank;
            }
            said = Some(Instant::now());
        }
        let mut bytes = [0; 64];
        match stream.read(&mut bytes) {
            Ok(0) => break rank,
            Ok(n) if bytes[..n].contains(&CLOSED) => return,
            Ok(n) if bytes[..n].contains(&ENDED) => break END,
            Ok(_) => heard = Instant::now(),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                if heard.elapsed() > SILENCE {
                    break rank;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break rank,
        }
    };
    // The first loss is the one that is told.
    if !closed.load(Ordering::Acquire) {
        let _ = lost.compare_exchange(NOBODY, found, Ordering::AcqRel, Ordering::Acquire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Process 0 and `size - 1` others, all in this one.
    fn group(size: usize) -> (Watch, Vec<Watch>) {
        let (mut door, listener) = listen("localhost").unwrap();
        door.host = "localhost".into();
        std::thread::scope(|scope| {
            let door = &door;
            let lead = scope.spawn(move || Watch::lead(&listener, door, size).unwrap());
            // A stranger is let in by nobody.
            let mut stranger = TcpStream::connect(("127.0.0.1", door.port)).unwrap();
            stranger.write_all(&[1; 16]).unwrap();
            let others = (1..size).map(|rank| Watch::follow(door, rank, rank % 2 == 1).unwrap()).collect();
            (lead.join().unwrap(), others)
        })
    }

    fn soon(watch: &Watch) -> Option<Error> {
        let began = Instant::now();
        while watch.lost().is_none() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        watch.lost()
    }

    /// What the end of a process does to its connections.
    fn die(watch: &Watch) {
        watch.closed.store(true, Ordering::Release);
        watch.streams.iter().for_each(|stream| stream.shutdown(std::net::Shutdown::Both).unwrap());
    }

    #[test]
    fn a_process_that_is_gone_is_missed_and_the_others_are_told() {
        let (lead, mut others) = group(4);
        std::thread::sleep(2 * BEAT);
        assert!(lead.lost().is_none() && others.iter().all(|other| other.lost().is_none()));
        die(&others.remove(1));
        assert_eq!(soon(&lead), Some(Error::Lost { rank: 2 }));
        lead.end();
        assert!(others.iter().all(|other| soon(other) == Some(Error::Ended)));
    }

    #[test]
    fn process_0_is_missed_by_all() {
        let (lead, others) = group(3);
        die(&lead);
        assert!(others.iter().all(|other| soon(other) == Some(Error::Lost { rank: 0 })));
    }

    #[test]
    fn nobody_is_lost_once_all_may_go() {
        let (lead, others) = group(3);
        others.iter().for_each(Watch::close);
        lead.close();
        others.iter().for_each(die);
        std::thread::sleep(BEAT / 2);
        assert_eq!(lead.lost(), None);
    }

    #[test]
    fn an_address_that_nobody_listens_at_is_named() {
        let (mut door, listener) = listen("localhost").unwrap();
        drop(listener);
        door.addresses.clear();
        let message = Watch::follow(&door, 1, true).err().unwrap();
        assert!(message.contains("cannot reach process 0 at `localhost`, port"), "{message}");
    }
}
