//! An S3 server on a folder, in this process, which can be made to fail: for tests.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::service::S3ServiceBuilder;
use s3s::{Body, HttpError};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Its address: `http://127.0.0.1:PORT`.
    pub url: String,
    /// How many of the next requests it answers with status 503.
    pub failing: Arc<AtomicUsize>,
    /// Requests so far.
    pub requests: Arc<AtomicUsize>,
    /// Their methods and paths: `GET /bucket/name`.
    pub asked: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Server {
    /// Serve the folder `root`: a folder in it is a bucket.
    ///
    /// # Errors
    /// No port can be had, or the folder cannot be read.
    pub fn start(root: &Path) -> std::io::Result<Server> {
        let other = |error: String| std::io::Error::other(error);
        let service =
            S3ServiceBuilder::new(FileSystem::new(root).map_err(|e| other(format!("{e:?}")))?).build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let url = format!("http://{}", listener.local_addr()?);
        let (failing, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (fails, seen, paths) = (Arc::clone(&failing), Arc::clone(&requests), Arc::clone(&asked));
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, fails, seen) = (service.clone(), Arc::clone(&fails), Arc::clone(&seen));
                let paths = Arc::clone(&paths);
                let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    seen.fetch_add(1, Ordering::Relaxed);
                    let path = format!("{} {}", request.method(), request.uri().path());
                    paths.lock().unwrap_or_else(PoisonError::into_inner).push(path);
                    let fail =
                        fails.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                    let service = service.clone();
                    async move {
                        if fail.is_ok() {
                            let mut busy = hyper::Response::new(Body::empty());
                            *busy.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
                            return Ok::<_, HttpError>(busy);
                        }
                        service.call(request.map(Body::from)).await
                    }
                });
                tokio::spawn(async move {
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        Ok(Server { url, failing, requests, asked, _runtime: runtime })
    }
}
