//! Ports with a hook around each of their calls. A test implements [`Hook`] to make calls fail, to count them, or to respond in place of
//! the store; the forwarding of the ports' methods is written here only.

mod records;
mod stores;

pub use self::stores::{files, inbox};

use std::sync::Arc;

use domain::error::{Result, Store};
use domain::ids::PatientId;
use domain::ports::audit::AuditLog;
use domain::ports::expiring::ExpiringStore;
use domain::ports::files::{Announced, ByteStream, FileWriter, Files, Joiner, UploadForm};
use domain::ports::jobs::Jobs;
use domain::ports::queue::Queue;
use domain::ports::records::{BlockReader, Part, Records};
use platform::{Context, Platform};
use security::keys::Keys;
use security::verify::{VerifiedTokens, Verifier};

/// A call to a port, as a hook sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    pub store: Store,
    /// Whether the call writes the bytes of a file.
    pub writes: bool,
}

impl Made {
    const fn to(store: Store) -> Self {
        Self { store, writes: false }
    }
}

/// Code that runs around calls. The default methods change nothing.
pub trait Hook: Send + Sync + 'static {
    /// Returns whether the calls to a store pass through [`Hook::call`].
    fn follows(&self, store: Store) -> bool;

    /// Makes a call, or fails instead.
    fn call<T: Send>(
        &self,
        made: Made,
        call: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send {
        let _ = made;
        call
    }

    /// Returns a reader that replaces a file of a patient's record; `None` keeps the store's own.
    fn record(
        &self,
        patient: &PatientId,
        part: &Part,
    ) -> impl Future<Output = Option<Box<dyn BlockReader>>> + Send {
        let _ = (patient, part);
        std::future::ready(None)
    }

    /// Sees the beginning of a file of the records that was read.
    fn head(&self, head: &[u8]) {
        let _ = head;
    }

    /// Returns the bytes that a read of a file produces.
    fn read(self: &Arc<Self>, bytes: ByteStream) -> ByteStream {
        bytes
    }

    /// Returns a form that uploads a file in place of the store's; `None` keeps that of the store.
    fn upload_form(&self, key: &str, upload: &Announced<'_>) -> Option<UploadForm> {
        let _ = (key, upload);
        None
    }

    /// Returns a URL by which a browser downloads a file, in place of the store's; `None` keeps that of the store.
    fn link(&self, key: &str) -> Option<String> {
        let _ = key;
        None
    }

    /// Returns the audit trail, by default the platform's own.
    fn audit(&self, inner: Arc<dyn AuditLog>) -> Arc<dyn AuditLog> {
        inner
    }

    /// Returns whether [`Hook::link`] returns URLs.
    fn has_links(&self) -> bool {
        false
    }

    /// Returns whether [`Hook::upload_form`] returns forms.
    fn takes_uploads(&self) -> bool {
        false
    }

    /// Returns the writer of a file, by default the store's own.
    fn writer(self: &Arc<Self>, key: &str, inner: Box<dyn FileWriter>) -> Box<dyn FileWriter> {
        let _ = key;
        inner
    }
}

/// A platform with hooks around its ports, except for the expiring store. The audit trail has a hook of its own.
pub struct Hooked<P, H> {
    pub inner: Arc<P>,
    pub hook: Arc<H>,
}

/// A port with a hook.
struct Port<P: ?Sized, H> {
    inner: Arc<P>,
    hook: Arc<H>,
}

/// A reader or writer with a hook.
struct Stream<S: ?Sized, H> {
    inner: Box<S>,
    hook: Arc<H>,
}

impl<P: ?Sized, H: Hook> Port<P, H> {
    async fn call<T: Send>(&self, store: Store, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match self.hook.follows(store) {
            true => self.hook.call(Made::to(store), call).await,
            false => call.await,
        }
    }
}

impl<P: Platform, H: Hook> Hooked<P, H> {
    fn port<T: ?Sized>(&self, inner: Arc<T>) -> Arc<Port<T, H>> {
        Arc::new(Port { inner, hook: self.hook.clone() })
    }
}

impl<P: Platform, H: Hook> Platform for Hooked<P, H> {
    fn context(&self) -> &Context {
        self.inner.context()
    }

    fn jobs(&self) -> Result<Arc<dyn Jobs>> {
        Ok(self.port(self.inner.jobs()?))
    }

    fn queue(&self) -> Result<Arc<dyn Queue>> {
        Ok(self.port(self.inner.queue()?))
    }

    fn files(&self) -> Result<Arc<dyn Files>> {
        Ok(self.port(self.inner.files()?))
    }

    fn joiner(&self) -> Result<Arc<dyn Joiner>> {
        Ok(self.port(self.inner.joiner()?))
    }

    fn records(&self) -> Result<Arc<dyn Records>> {
        Ok(self.port(self.inner.records()?))
    }

    fn expiring(&self) -> Result<Arc<dyn ExpiringStore>> {
        self.inner.expiring()
    }

    fn audit(&self) -> Result<Arc<dyn AuditLog>> {
        Ok(self.hook.audit(self.inner.audit()?))
    }

    fn keys(&self) -> Result<Arc<Keys>> {
        self.inner.keys()
    }

    fn verifier(&self) -> Result<Arc<Verifier>> {
        self.inner.verifier()
    }

    fn verified_tokens(&self) -> Arc<VerifiedTokens> {
        self.inner.verified_tokens()
    }
}
