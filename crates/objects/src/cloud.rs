//! Stores behind a network, through the crate `object_store`. Its futures run on a small runtime of their own; whoever calls
//! waits, so that the rest of the program stays as it is.

use std::future::Future;
use std::io::Write;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutPayload, RetryConfig, WriteMultipart,
};
use regimen_base::fs;
use tokio::runtime::Runtime;

use crate::error::{Error, Result};
use crate::folder::beside;
use crate::{Entry, PIECE, Retries};

/// Requests under way at once.
const AT_ONCE: usize = 4;

/// Two threads: they wait for the network, and work on what comes.
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("objects").enable_all().build()
});

/// A place in a cloud's store.
#[derive(Debug)]
pub(crate) struct Cloud {
    url: String,
    store: Box<dyn ObjectStore>,
    /// Before every name.
    prefix: String,
    /// Whether the store has told that it knows no conditional writes.
    unconditional: RwLock<bool>,
}

impl Cloud {
    pub fn open(url: &str, retries: Retries) -> Result<Cloud> {
        let fault = |reason: String| Error::Store { url: url.into(), reason };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| Error::Scheme { url: url.into() })?;
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(Error::Scheme { url: url.into() });
        }
        // A web server is asked for its folder as it is written, which may be percent-encoded.
        let web = scheme.starts_with("http");
        let (base, prefix) = if web { (url.into(), "") } else { (format!("{scheme}://{host}"), prefix) };
        let first = Duration::from_millis(retries.wait.max(1));
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: first,
                max_backoff: Duration::from_secs(15).max(first),
                base: 2.0,
            },
            max_retries: retries.times,
            retry_timeout: Duration::from_secs(240),
        };
        let built: object_store::Result<Box<dyn ObjectStore>> = match scheme {
            "s3" | "s3a" => AmazonS3Builder::from_env().with_url(&base).with_retry(retry).build().map(boxed),
            "gs" => {
                GoogleCloudStorageBuilder::from_env().with_url(&base).with_retry(retry).build().map(boxed)
            }
            "http" | "https" => {
                let options = ClientOptions::new().with_allow_http(scheme == "http");
                let builder =
                    HttpBuilder::new().with_url(&base).with_client_options(options).with_retry(retry);
                builder.build().map(boxed)
            }
            _ => MicrosoftAzureBuilder::from_env().with_url(&base).with_retry(retry).build().map(boxed),
        };
        let store = built.map_err(|e| fault(e.to_string()))?;
        Ok(Cloud { url: url.into(), store, prefix: prefix.into(), unconditional: RwLock::new(false) })
    }

    fn url_of(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    fn path(&self, name: &str) -> Result<Path> {
        let full = if self.prefix.is_empty() { name.into() } else { format!("{}/{name}", self.prefix) };
        Path::parse(&full).map_err(|e| Error::Store { url: self.url_of(name), reason: e.to_string() })
    }

    fn fault(&self, name: &str, error: object_store::Error) -> Error {
        use object_store::Error as E;
        let url = self.url_of(name);
        match error {
            E::NotFound { .. } => Error::Missing { url },
            E::Precondition { .. } => Error::Changed { url },
            E::PermissionDenied { source, .. } | E::Unauthenticated { source, .. } => {
                Error::Denied { url, reason: chain(&*source) }
            }
            E::Generic { source, .. } => Error::Store { url, reason: chain(&*source) },
            other => Error::Store { url, reason: chain(&other) },
        }
    }

    /// Wait for a future on the runtime.
    fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        match &*RUNTIME {
            Ok(runtime) => Ok(runtime.block_on(future)),
            Err(error) => Err(Error::Store { url: self.url.clone(), reason: error.to_string() }),
        }
    }

    /// The entry of an object, its name without what is before all names.
    fn entry(&self, meta: ObjectMeta) -> Entry {
        let full = meta.location.to_string();
        let name = match self.prefix.is_empty() {
            true => full,
            false => full.strip_prefix(&self.prefix).unwrap_or(&full).trim_start_matches('/').into(),
        };
        let tag = meta.e_tag.or(meta.version).unwrap_or_else(|| meta.last_modified.to_rfc3339());
        Entry { name, bytes: meta.size, tag }
    }

    pub fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let path = self.path(prefix.trim_end_matches('/'))?;
        let listed = self.store.list(Some(&path)).try_collect::<Vec<_>>();
        let found = self.wait(listed)?.map_err(|error| self.fault(prefix, error))?;
        Ok(found.into_iter().map(|meta| self.entry(meta)).collect())
    }

    /// The first pages of a list tell. Marks of folders are no objects, nor are hidden names, which no source takes.
    pub fn holds(&self, prefix: &str) -> Result<bool> {
        let prefix = prefix.trim_end_matches('/');
        let path = self.path(prefix)?;
        let is_object = |meta: ObjectMeta| {
            let entry = self.entry(meta);
            let below = entry.name.strip_prefix(prefix).unwrap_or(&entry.name).trim_start_matches('/');
            let hidden = below.split('/').any(|part| part.starts_with('.'));
            !(hidden || below.is_empty() || entry.name.ends_with('/'))
        };
        let found = self.wait(async {
            let mut listed = self.store.list(Some(&path));
            while let Some(meta) = listed.next().await {
                if is_object(meta?) {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        found.map_err(|error| self.fault(prefix, error))
    }

    pub fn look(&self, name: &str) -> Result<Option<Entry>> {
        let path = self.path(name)?;
        match self.wait(self.store.head(&path))? {
            Ok(meta) => Ok(Some(self.entry(meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.fault(name, error)),
        }
    }

    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name)?;
        let got = self.wait(async { self.store.get(&path).await?.bytes().await })?;
        match got {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.fault(name, error)),
        }
    }

    pub fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let path = self.path(name)?;
        let got = self.wait(self.store.get_range(&path, range))?;
        Ok(got.map_err(|error| self.fault(name, error))?.into())
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name)?;
        let put = self.wait(self.store.put(&path, PutPayload::from(bytes.to_vec())))?;
        put.map(drop).map_err(|error| self.fault(name, error))
    }

    pub fn write_new(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        if !*self.unconditional.read().unwrap_or_else(PoisonError::into_inner) {
            let path = self.path(name)?;
            let payload = PutPayload::from(bytes.to_vec());
            match self.wait(self.store.put_opts(&path, payload, PutMode::Create.into()))? {
                Ok(_) => return Ok(true),
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    return Ok(false);
                }
                Err(
                    object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. },
                ) => {
                    *self.unconditional.write().unwrap_or_else(PoisonError::into_inner) = true;
                }
                Err(error) => return Err(self.fault(name, error)),
            }
        }
        if self.look(name)?.is_some() {
            return Ok(false);
        }
        self.write(name, bytes)?;
        Ok(true)
    }

    pub fn fetch(&self, entry: &Entry, path: &FilePath, came: &mut dyn FnMut(u64)) -> Result<()> {
        let name = self.path(&entry.name)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = beside(path);
        let mut file =
            std::fs::File::create(&temporary).map_err(|e| fs::Error::new("create", &temporary, e))?;
        let starts = (0..entry.bytes).step_by(PIECE as usize);
        // Tags in quotation marks are ETags; others are times, which no server compares.
        let tag = entry.tag.starts_with('"').then(|| entry.tag.clone());
        let piece = |start: u64| {
            // One piece is the whole object: not every web server gives ranges.
            let range =
                (entry.bytes > PIECE).then(|| GetRange::Bounded(start..(start + PIECE).min(entry.bytes)));
            let options = GetOptions { if_match: tag.clone(), range, ..GetOptions::default() };
            async { self.store.get_opts(&name, options).await?.bytes().await }
        };
        let mut pieces = futures_util::stream::iter(starts.map(piece)).buffered(AT_ONCE);
        let mut written = 0;
        let result = loop {
            match self.wait(pieces.next())? {
                None if written == entry.bytes => break Ok(()),
                None => break Err(Error::Short { url: self.url_of(&entry.name), end: entry.bytes }),
                Some(Err(error)) => break Err(self.fault(&entry.name, error)),
                Some(Ok(bytes)) => {
                    written += bytes.len() as u64;
                    if let Err(error) = file.write_all(&bytes) {
                        break Err(fs::Error::new("write", &temporary, error).into());
                    }
                    came(bytes.len() as u64);
                }
            }
        };
        if result.is_err() {
            fs::remove_file(&temporary)?;
            return result;
        }
        Ok(fs::rename(&temporary, path)?)
    }

    pub fn send(&self, path: &FilePath, name: &str) -> Result<()> {
        use std::io::Read;
        let bytes = fs::size(path)?;
        if bytes <= PIECE {
            return self.write(name, &fs::read(path)?);
        }
        let to = self.path(name)?;
        let upload = self.wait(self.store.put_multipart(&to))?.map_err(|error| self.fault(name, error))?;
        let mut file = fs::open(path)?;
        let mut sent = 0;
        let mut parts = self.wait(async { WriteMultipart::new_with_chunk_size(upload, PIECE as usize) })?;
        while sent < bytes {
            let mut piece = Vec::new();
            let read = (&mut file).take(PIECE).read_to_end(&mut piece);
            let read = read.map_err(|e| fs::Error::new("read", path, e))?;
            if read == 0 {
                break;
            }
            sent += read as u64;
            let put = self.wait(async {
                parts.wait_for_capacity(AT_ONCE).await?;
                parts.put(piece.into());
                object_store::Result::Ok(())
            })?;
            put.map_err(|error| self.fault(name, error))?;
        }
        self.wait(parts.finish())?.map(drop).map_err(|error| self.fault(name, error))
    }
}

fn boxed(store: impl ObjectStore) -> Box<dyn ObjectStore> {
    Box::new(store)
}

/// An error with its causes, in one line, without what the outer ones repeat.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    let line: Vec<&str> = text.split_whitespace().collect();
    line.join(" ")
}
