//! The context of the request that is being handled: its id, its route, its address, the client of its token, the language of the response,
//! and whether the response may depend on a cookie.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use domain::ids::{ClientId, JobId};
use domain::roles::Roles;
use tokio::task_local;
use words::{Language, Words};

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
    /// The roles of the staff member who sent the request.
    roles: OnceLock<Roles>,
    person: OnceLock<Person>,
    address: Option<IpAddr>,
    reader: Reader,
    took_cookie: AtomicBool,
    route: OnceLock<Arc<str>>,
    job: OnceLock<JobId>,
    /// The parameters that the route declares.
    #[cfg(debug_assertions)]
    parameters: OnceLock<Arc<[crate::describe::Parameter]>>,
}

/// The person who is signed in in the browser that sent the request, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Person {
    Patient(String),
    Staff(String),
}

/// The values that were recorded during a request.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) client: Option<ClientId>,
    pub(super) took_cookie: bool,
    /// The declared path of the route; `None` if no route matched.
    pub(super) route: Option<Arc<str>>,
    /// The job that the request started.
    pub(super) job: Option<JobId>,
    /// The roles of the staff member who sent the request.
    pub(super) roles: Option<Roles>,
    pub(super) person: Option<Person>,
}

impl RequestContext {
    pub(super) fn new(request: String, address: Option<IpAddr>, reader: Reader) -> Self {
        Self {
            request,
            client: OnceLock::new(),
            issuer: OnceLock::new(),
            roles: OnceLock::new(),
            person: OnceLock::new(),
            address,
            reader,
            took_cookie: AtomicBool::new(false),
            route: OnceLock::new(),
            job: OnceLock::new(),
            #[cfg(debug_assertions)]
            parameters: OnceLock::new(),
        }
    }

    /// Returns the same context for a response to the person who was recorded during the request.
    pub(super) fn with_person_of(self, observed: &Observed) -> Self {
        let roles = observed.roles.clone().map(OnceLock::from).unwrap_or_default();
        let person = observed.person.clone().map(OnceLock::from).unwrap_or_default();
        Self { roles, person, ..self }
    }

    /// Runs the handling of a request in this context. Returns its result and the recorded values.
    pub(super) async fn during<T>(self, handling: impl Future<Output = T>) -> (T, Observed) {
        CONTEXT
            .scope(self, async {
                let result = handling.await;
                let observed = CONTEXT.with(|context| Observed {
                    client: context.client.get().cloned(),
                    took_cookie: context.took_cookie.load(Ordering::Relaxed),
                    route: context.route.get().cloned(),
                    job: context.job.get().cloned(),
                    roles: context.roles.get().cloned(),
                    person: context.person.get().cloned(),
                });
                (result, observed)
            })
            .await
    }
}

/// Records the client of the request's token.
pub(super) fn client(client: &ClientId) {
    let _ = CONTEXT.try_with(|context| context.client.set(client.clone()));
}

/// Records the server that issued the request's token, if it is not this one, for the audit trail.
pub fn issued_by(issuer: Option<&str>) {
    let _ = CONTEXT.try_with(|context| issuer.map(|issuer| context.issuer.set(issuer.to_owned())));
}

/// Returns the issuer of the request's token; `None` if it is this server.
pub(super) fn issuer() -> Option<String> {
    CONTEXT.try_with(|context| context.issuer.get().cloned()).ok().flatten()
}

/// Records the roles of the staff member who sent the request, for the navigation of pages.
pub fn staff_roles(roles: &Roles) {
    let _ = CONTEXT.try_with(|context| context.roles.set(roles.clone()));
}

/// Returns the roles of the staff member who sent the request; empty for other callers.
pub fn current_roles() -> Roles {
    CONTEXT.try_with(|context| context.roles.get().cloned()).ok().flatten().unwrap_or_default()
}

/// Records the person who is signed in, for the header of pages.
pub(super) fn person(person: Person) {
    let _ = CONTEXT.try_with(|context| context.person.set(person));
}

/// Returns the person who is signed in; `None` if the request was handled without reading a session.
pub(super) fn current_person() -> Option<Person> {
    CONTEXT.try_with(|context| context.person.get().cloned()).ok().flatten()
}

/// Records the job that the request started, for the log.
pub fn started(job: &JobId) {
    let _ = CONTEXT.try_with(|context| context.job.set(job.clone()));
}

/// Records the route that the request reached.
pub(super) fn route(route: &Arc<str>) {
    let _ = CONTEXT.try_with(|context| context.route.set(route.clone()));
}

/// Returns the declared path of the route that the request reached.
pub(super) fn current_route() -> Option<Arc<str>> {
    CONTEXT.try_with(|context| context.route.get().cloned()).ok().flatten()
}

/// Records the parameters that the route declares.
#[cfg(debug_assertions)]
pub(super) fn declared(parameters: &Arc<[crate::describe::Parameter]>) {
    let _ = CONTEXT.try_with(|context| context.parameters.set(parameters.clone()));
}

/// Panics, with debug assertions, if a handler reads a parameter that its route does not declare.
pub(super) fn reads(place: crate::describe::ParameterIn, name: &str) {
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

/// Returns the id of the current request, which a job keeps so that work on the job can be traced to its request.
pub fn request_id() -> Option<String> {
    CONTEXT.try_with(|context| context.request.clone()).ok()
}

/// Returns the client's address, for limits on attempts; `None` if the host does not know it.
pub fn address() -> Option<IpAddr> {
    CONTEXT.try_with(|context| context.address).ok().flatten()
}

/// Returns the reader of the response; outside a request, a reader of English.
pub(super) fn reader() -> Reader {
    CONTEXT.try_with(|context| context.reader.clone()).unwrap_or_default()
}

/// Returns the texts in the language of the reader.
pub fn words() -> Words {
    reader().words()
}

/// Returns the texts in English, which clients get in every language of the reader.
pub fn english_words() -> Words {
    reader().site.words(Language::ENGLISH)
}
