//! Object stores over a network, against an S3 server in this process (s3s-fs), and plain HTTP.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use regimen_base::Hint;
use regimen_objects::server::Server;
use regimen_objects::{Entry, Error, Objects, Retries, holds, sources};

/// One server for all tests of this process: the environment names it.
fn server() -> &'static (tempfile::TempDir, Server) {
    static SERVER: std::sync::LazyLock<(tempfile::TempDir, Server)> = std::sync::LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        for bucket in ["one", "busy", "large", "listed", "writers"] {
            std::fs::create_dir(dir.path().join(bucket)).unwrap();
        }
        let server = Server::start(dir.path()).unwrap();
        for (name, value) in [
            ("AWS_ENDPOINT_URL", server.url.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_SKIP_SIGNATURE", "true"),
            ("AWS_REGION", "us-east-1"),
        ] {
            // SAFETY: the first thing that every test does, and no other thread of a test reads the environment before it.
            #[allow(unsafe_code)]
            unsafe {
                std::env::set_var(name, value);
            }
        }
        (dir, server)
    });
    &SERVER
}

fn open(url: &str) -> Objects {
    server();
    Objects::open_with(url, Retries { times: 3, wait: 1 }).unwrap()
}

#[test]
fn objects_are_written_and_read_whole_and_in_ranges() {
    let store = open("s3://one/below/here");
    assert!(store.read("a").unwrap().is_none() && store.look("a").unwrap().is_none());
    assert!(store.write_new("a", b"first").unwrap());
    assert!(!store.write_new("a", b"second").unwrap());
    assert_eq!(store.read("a").unwrap().unwrap(), b"first");
    store.write("a", b"third one").unwrap();
    assert_eq!(store.read_range("a", 6..9).unwrap(), b"one");
    assert!(matches!(store.read_range("a", 6..20), Err(Error::Short { .. })));
    assert!(matches!(store.read_range("b", 0..2), Err(Error::Missing { .. })));
    let entry = store.look("a").unwrap().unwrap();
    assert_eq!((entry.name.as_str(), entry.bytes), ("a", 9));
    assert_eq!(store.list("").unwrap().iter().map(|e| &e.name[..]).collect::<Vec<_>>(), ["a"]);
    assert_eq!(store.url_of("a"), "s3://one/below/here/a");
}

#[test]
fn large_objects_go_in_parts_and_come_in_ranges() {
    let store = open("s3://large");
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("deep/to"));
    let bytes: Vec<u8> = (0..20_000_003u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(&from, &bytes).unwrap();
    store.send(&from, "big").unwrap();
    let entry = store.look("big").unwrap().unwrap();
    assert_eq!(entry.bytes, bytes.len() as u64);
    let mut seen = Vec::new();
    store.fetch(&entry, &to, &mut |more| seen.push((more, to.exists()))).unwrap();
    assert!(std::fs::read(&to).unwrap() == bytes);
    // It is told on the way how much has come.
    assert!(seen.len() > 2 && seen.iter().all(|(_, whole)| !whole), "{seen:?}");
    assert_eq!(seen.iter().map(|(more, _)| more).sum::<u64>(), entry.bytes);
    // Somebody writes another one: what was listed is not what is there.
    store.write("big", b"small").unwrap();
    let error = store.fetch(&entry, &to, &mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::Changed { .. } | Error::Short { .. } | Error::Store { .. }), "{error}");
    assert!(std::fs::read(&to).unwrap() == bytes, "what was whole stays");
    assert_eq!(std::fs::read_dir(dir.path().join("deep")).unwrap().count(), 1, "nothing half is left");
}

#[test]
fn patterns_folders_and_single_objects() {
    let store = open("s3://listed");
    for name in
        ["crawl/a.jsonl", "crawl/b.jsonl.gz", "crawl/deep/c.jsonl", "crawl/.hidden/x.jsonl", "other/d.jsonl"]
    {
        store.write(name, name.as_bytes()).unwrap();
    }
    let names = |url: &str| -> Vec<String> {
        sources(url).unwrap().1.into_iter().map(|entry: Entry| entry.name).collect()
    };
    assert_eq!(names("s3://listed/crawl/*.jsonl"), ["crawl/a.jsonl"]);
    assert_eq!(names("s3://listed/crawl/*.jsonl*"), ["crawl/a.jsonl", "crawl/b.jsonl.gz"]);
    assert_eq!(names("s3://listed/**/*.jsonl"), ["crawl/a.jsonl", "crawl/deep/c.jsonl", "other/d.jsonl"]);
    assert_eq!(names("s3://listed/crawl"), ["crawl/a.jsonl", "crawl/b.jsonl.gz", "crawl/deep/c.jsonl"]);
    assert_eq!(names("s3://listed/other/d.jsonl"), ["other/d.jsonl"]);
    // An object that is called like a pattern is meant by its name alone.
    store.write("odd/a[1].jsonl", b"1").unwrap();
    store.write("odd/a1.jsonl", b"2").unwrap();
    assert_eq!(names("s3://listed/odd/a[1].jsonl"), ["odd/a[1].jsonl"]);
    assert_eq!(names("s3://listed/odd/a[1]*.jsonl"), ["odd/a1.jsonl"]);
    // A folder that a pattern means stands for what lies in it, as on a disk.
    assert_eq!(names("s3://listed/cr*"), ["crawl/a.jsonl", "crawl/b.jsonl.gz", "crawl/deep/c.jsonl"]);
    assert_eq!(names("s3://listed/crawl/*/"), ["crawl/deep/c.jsonl"]);
    assert!(holds("s3://listed/crawl/", "deep").unwrap() && holds("s3://listed", "crawl").unwrap());
    for (url, inner) in
        [("s3://listed/crawl", "dee"), ("s3://listed/other/d.jsonl", "deep"), ("s3://listed/*", "deep")]
    {
        assert!(!holds(url, inner).unwrap(), "{url} {inner}");
    }
    let error = sources("s3://listed/nothing/*.gz").unwrap_err();
    assert!(error.to_string().contains("s3://listed/nothing/*.gz") && error.hint().is_some());
}

#[test]
fn a_busy_server_is_asked_again_and_at_last_named() {
    let (_, server) = server();
    let store = open("s3://busy");
    // Other tests ask the same server: they may take some of the refusals, and are then asked again as well.
    store.write("x", b"there").unwrap();
    server.failing.store(2, Ordering::Relaxed);
    assert_eq!(store.read("x").unwrap().unwrap(), b"there");
    let alone = tempfile::tempdir().unwrap();
    let down = Down::start(alone.path());
    let store = Objects::open_with(&down.url, Retries { times: 2, wait: 1 }).unwrap();
    let error = store.read("x").unwrap_err();
    assert!(matches!(error, Error::Store { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("{}/x", down.url)) && text.contains("503"), "{text}");
    assert!(error.hint().unwrap().contains("again"));
    assert_eq!(down.asked.load(Ordering::Relaxed), 3);
}

#[test]
fn of_many_writers_one_is_first() {
    let store = open("s3://writers");
    let wrote = std::thread::scope(|scope| {
        let store = &store;
        let threads: Vec<_> =
            (0..4u8).map(|i| scope.spawn(move || store.write_new("x", &[i; 100]).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|wrote| *wrote).count()
    });
    // The server looks before it writes, so that two may be first; the real ones let one.
    assert!(wrote >= 1);
    let bytes = store.read("x").unwrap().unwrap();
    assert!(bytes.len() == 100 && bytes.iter().all(|&b| b == bytes[0]));
    assert!(!store.write_new("x", b"late").unwrap());
}

#[test]
fn a_web_server_gives_single_files() {
    let web = Web::start(b"over http\n");
    let dir = tempfile::tempdir().unwrap();
    for (path, name) in [("data/a.txt", "a.txt"), ("refs%2Fx/a%20b.txt", "a b.txt"), ("a.txt", "a.txt")] {
        let (store, found) = sources(&format!("{}/{path}", web.url)).unwrap();
        assert_eq!((found[0].name.as_str(), found[0].bytes), (name, 10));
        store.fetch(&found[0], &dir.path().join("a"), &mut |_| ()).unwrap();
        assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"over http\n");
        // It is asked for as it is written.
        let asked = web.asked.lock().unwrap();
        assert!(asked.iter().rev().take(2).all(|asked| asked == &format!("/{path}")), "{asked:?}");
    }
}

/// A server that is always busy, and counts.
struct Down {
    url: String,
    asked: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Down {
    fn start(_: &std::path::Path) -> Down {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&asked);
        let url = serve(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        });
        Down { url, asked }
    }
}

/// A web server with one file, which gives no ranges, and what it was asked for.
struct Web {
    url: String,
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Web {
    fn start(body: &'static [u8]) -> Web {
        let asked = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let all = std::sync::Arc::clone(&asked);
        let url = serve(move |request| {
            all.lock().unwrap().push(request.split(' ').nth(1).unwrap_or_default().into());
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nLast-Modified: Thu, 26 Nov 2026 10:00:00 GMT\r\nETag: \"abc\"\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let mut answer = head.into_bytes();
            if !request.starts_with("HEAD") {
                answer.extend_from_slice(body);
            }
            answer
        });
        Web { url, asked }
    }
}

/// Answer each request by what `answer` makes of its head, one connection each.
fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let _ = socket.write_all(&answer(&String::from_utf8_lossy(&head)));
        }
    });
    url
}
