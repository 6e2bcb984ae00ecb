//! What is known of a request while it is answered: its id, its route, whose token it carries, where it comes from, and
//! whether the response may depend on a cookie; and how whoever reads the response is spoken to.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use domain::ids::{ClientId, JobId};
use domain::roles::Roles;
use tokio::task_local;
use words::Words;

use crate::site::Reader;

task_local! {
    static CONTEXT: RequestContext;
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct RequestContext {
    request: String,
    client: OnceLock<ClientId>,
    /// The issuer of the token, if it is not this server.
    issuer: OnceLock<String>,
    /// What the member of staff may do who sent the request.
    roles: OnceLock<Roles>,
    address: Option<IpAddr>,
    reader: Reader,
    took_cookie: AtomicBool,
    route: OnceLock<Arc<str>>,
    job: OnceLock<JobId>,
    /// What the route declares that it reads.
    #[cfg(debug_assertions)]
    parameters: OnceLock<Arc<[crate::describe::Parameter]>>,
}

/// What was observed of a request.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) client: Option<ClientId>,
    pub(super) took_cookie: bool,
    /// The path as the route was declared; `None` where there is no such route.
    pub(super) route: Option<Arc<str>>,
    /// The job that the request has started.
    pub(super) job: Option<JobId>,
}

impl RequestContext {
    pub(super) fn new(request: String, address: Option<IpAddr>, reader: Reader) -> Self {
        Self {
            request,
            client: OnceLock::new(),
            issuer: OnceLock::new(),
            roles: OnceLock::new(),
            address,
            reader,
            took_cookie: AtomicBool::new(false),
            route: OnceLock::new(),
            job: OnceLock::new(),
            #[cfg(debug_assertions)]
            parameters: OnceLock::new(),
        }
    }

    /// Runs what responds to the request; afterwards what was observed meanwhile.
    pub(super) async fn during<T>(self, answer: impl Future<Output = T>) -> (T, Observed) {
        CONTEXT
            .scope(self, async {
                let answer = answer.await;
                let observed = CONTEXT.with(|context| Observed {
                    client: context.client.get().cloned(),
                    took_cookie: context.took_cookie.load(Ordering::Relaxed),
                    route: context.route.get().cloned(),
                    job: context.job.get().cloned(),
                });
                (answer, observed)
            })
            .await
    }
}

/// Records whose token the request carries.
pub(super) fn client(client: &ClientId) {
    let _ = CONTEXT.try_with(|context| context.client.set(client.clone()));
}

/// Records which other server issued the token that the request carries, for the audit trail.
pub fn issued_by(issuer: Option<&str>) {
    let _ = CONTEXT.try_with(|context| issuer.map(|issuer| context.issuer.set(issuer.to_owned())));
}

/// The issuer of the token that the request carries, if it is not this server.
pub(super) fn issuer() -> Option<String> {
    CONTEXT.try_with(|context| context.issuer.get().cloned()).ok().flatten()
}

/// Records what the member of staff may do who sent the request, for the navigation of pages.
pub fn staff_roles(roles: &Roles) {
    let _ = CONTEXT.try_with(|context| context.roles.set(roles.clone()));
}

/// What the member of staff may do who sent the request; nothing for anybody else.
pub fn current_roles() -> Roles {
    CONTEXT.try_with(|context| context.roles.get().cloned()).ok().flatten().unwrap_or_default()
}

/// Records which job the request has started, for the log.
pub fn started(job: &JobId) {
    let _ = CONTEXT.try_with(|context| context.job.set(job.clone()));
}

/// Records which route the request has reached.
pub(super) fn route(route: &Arc<str>) {
    let _ = CONTEXT.try_with(|context| context.route.set(route.clone()));
}

/// Records what the route of the request declares that it reads.
#[cfg(debug_assertions)]
pub(super) fn declared(parameters: &Arc<[crate::describe::Parameter]>) {
    let _ = CONTEXT.try_with(|context| context.parameters.set(parameters.clone()));
}

/// Panics with debug assertions when a handler reads what its route does not declare.
pub(super) fn reads(place: crate::describe::Place, name: &str) {
    #[cfg(debug_assertions)]
    let _ = CONTEXT.try_with(|context| {
        let Some(declared) = context.parameters.get() else { return };
        let is_declared = declared.iter().any(|known| known.place == place && known.name == name);
        assert!(is_declared, "{:?} reads '{name}', which it does not declare", context.route.get());
    });
    #[cfg(not(debug_assertions))]
    let _ = (place, name);
}

/// Records that the response may depend on a cookie.
pub(super) fn cookie() {
    let _ = CONTEXT.try_with(|context| context.took_cookie.store(true, Ordering::Relaxed));
}

/// The id of the request that is being answered, which a job keeps so that its last chunk can be traced to it.
pub fn request_id() -> Option<String> {
    CONTEXT.try_with(|context| context.request.clone()).ok()
}

/// The address that the request comes from, for limits on attempts; `None` where the host does not know it.
pub fn address() -> Option<IpAddr> {
    CONTEXT.try_with(|context| context.address).ok().flatten()
}

/// Whoever reads the response; outside of a request, a reader of English.
pub(super) fn reader() -> Reader {
    CONTEXT.try_with(|context| context.reader.clone()).unwrap_or_default()
}

/// How whoever reads the response is spoken to.
pub fn words() -> Words {
    reader().words()
}
