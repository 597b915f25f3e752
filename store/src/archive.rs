//! Ended runs, kept outside the store: in a folder, or in a bucket of S3.
//!
//! [`Archived`] is a store before another one. What leaves that one because its time has come is packed into one object
//! first, and what is asked about a run that is not there is answered from its object: state, events, outputs, logs,
//! patches and every revision stay at the same names. Lists of runs and prefixes of ids know only what is in the store.
//! A run that keeps nothing (`retention: 0s`) goes with its last step and is not archived. Documents of workflows stay
//! where they are: they are versions, and belong to no run.

mod forward;
mod pack;
mod past;

use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _};
use url::Url;

use crate::{Error, Expired, Result, Store};
use past::{Cache, Past};

/// Objects that are written at the same time.
const AT_ONCE: usize = 8;
/// Longest object that is read.
const LONGEST: u64 = 256 << 20;

/// A store whose ended runs go to an archive.
pub struct Archived {
    inner: Arc<dyn Store>,
    objects: Arc<dyn ObjectStore>,
    /// The archive's address, for people.
    about: String,
    read: Mutex<Cache>,
}

impl Archived {
    /// A store before `inner`, with the archive at `url`: `file:///var/lib/aob/archive` or `s3://bucket/folder`. What
    /// S3 needs besides, it takes from the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
    /// `AWS_ENDPOINT`, `AWS_ALLOW_HTTP`, or a pod's own identity.
    ///
    /// # Errors
    /// [`Error::Archive`] if there can be no archive there.
    pub fn open(inner: Arc<dyn Store>, url: &str) -> Result<Self> {
        let objects = objects(url).map_err(Error::Archive)?;
        // Whatever stands before a host could be a password.
        let about = Url::parse(url).map_or_else(
            |_| "the archive".to_owned(),
            |url| {
                format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            },
        );
        Ok(Self { inner, objects, about, read: Mutex::default() })
    }

    /// The store itself, or this one before it if there is an archive.
    ///
    /// # Errors
    /// As [`Archived::open`].
    pub fn before(inner: Arc<dyn Store>, url: Option<&str>) -> Result<Arc<dyn Store>> {
        match url {
            Some(url) => Ok(Arc::new(Self::open(inner, url)?)),
            None => Ok(inner),
        }
    }

    /// Packs one run and keeps it. One that has gone meanwhile was kept by whoever removed it.
    async fn archive(&self, one: &Expired) -> Result<()> {
        let Some(packed) = pack::pack(&*self.inner, &one.run).await? else { return Ok(()) };
        let kept = self.objects.put(&place(&one.run), packed.into()).await;
        kept.map(drop).map_err(|error| self.unreachable(&error))
    }

    /// A run of the archive.
    async fn past(&self, run: &str) -> Result<Option<Arc<Past>>> {
        if let Some(past) = self.cache().get(run) {
            return Ok(Some(past));
        }
        let found = match self.objects.get(&place(run)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.unreachable(&error)),
        };
        if found.meta.size > LONGEST {
            let bytes = found.meta.size;
            return Err(Error::Limit(format!("{run:.80} has {bytes} bytes in the archive")));
        }
        let packed = found.bytes().await.map_err(|error| self.unreachable(&error))?;
        let past = Arc::new(pack::unpack(run, &packed)?);
        self.cache().put(run, past.clone());
        Ok(Some(past))
    }

    /// A run of the archive, if the store does not have it.
    async fn gone(&self, run: &str) -> Result<Option<Arc<Past>>> {
        match self.inner.watch(run, 0, Duration::ZERO).await? {
            0 => self.past(run).await,
            _ => Ok(None),
        }
    }

    /// Archives runs and answers those that may go now.
    async fn keep(&self, runs: Vec<Expired>) -> Vec<Expired> {
        let each = runs.into_iter().map(|one| async move {
            match self.archive(&one).await {
                Ok(()) => Some(one),
                Err(error) => {
                    tracing::warn!(%error, run = %one.run, "a run cannot be archived, and stays in the store");
                    None
                }
            }
        });
        stream::iter(each).buffer_unordered(AT_ONCE).filter_map(async |kept| kept).collect().await
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreachable(&self, error: &object_store::Error) -> Error {
        Error::Unreachable(format!("{}: {error}", self.about))
    }
}

/// Where a run is kept.
fn place(run: &str) -> Path {
    Path::from_iter(["runs", run])
}

fn objects(url: &str) -> std::result::Result<Arc<dyn ObjectStore>, String> {
    let parsed = Url::parse(url).map_err(|error| format!("its address: {error}"))?;
    match parsed.scheme() {
        "file" => {
            let folder =
                parsed.to_file_path().map_err(|()| "file:// takes a whole path".to_owned())?;
            folder_of(&folder)
        }
        "s3" => {
            let built = AmazonS3Builder::from_env().with_url(url).build();
            let bucket = built.map_err(|error| error.to_string())?;
            Ok(Arc::new(PrefixStore::new(bucket, parsed.path().trim_matches('/'))))
        }
        _ => Err("its address begins with file:// or s3://".to_owned()),
    }
}

fn folder_of(folder: &FilePath) -> std::result::Result<Arc<dyn ObjectStore>, String> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| format!("{}: {error}", folder.display()))?;
    // A run is removed as soon as its object is written: it must be on the disk by then.
    let opened = LocalFileSystem::new_with_prefix(folder).map(|files| files.with_fsync(true));
    Ok(Arc::new(opened.map_err(|error| error.to_string())?))
}
