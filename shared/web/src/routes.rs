//! The declarations of routes. A function declares each of its routes once, with method, path, permitted callers and responses. Its router,
//! the CORS rules, the route in the log, the OpenAPI document, the tables in the documentation and the tests use these declarations.

mod method_not_allowed;
mod undeclared;

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use domain::request::{Base, SandboxShortcut};
use http::Method;
use tower::{Layer, Service};

use self::method_not_allowed::MethodNotAllowed;
pub use self::undeclared::undeclared;
use crate::describe::{Parameter, Returned};
use crate::request_context;

/// The callers that a route permits, and the response to all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// Everyone who signs in or out, with or without a cookie.
    SignIn,
    /// The bearer of the owner's token: 401 without a token, 404 with the token of another owner.
    Owner,
    /// Like [`Self::Owner`], and everyone with a URL of an export with signed URLs.
    OwnerOrSigned,
    /// The owner's token, or staff by cookie.
    OwnerOrStaff,
    /// A caller who may fill in the form: the owner's token, the code of the link, or a cookie of the patient or of staff.
    FormFiller,
    /// A client with access to many patients: 401 without a token, 403 with a patient's token.
    Client,
    /// Staff, by cookie or by a token with the role: 401 without either, 403 with a patient's token.
    Staff,
    /// Staff in a browser. Other callers are redirected to the sign-in page, or get 401 as a page.
    StaffPage,
    /// A patient in a browser. Other callers are redirected to the sign-in page, or get an error page.
    PatientPage,
    /// A browser that an app has redirected to this server; errors are pages.
    AppRedirect,
    /// An OAuth client; errors are 400 or 401 in the JSON of OAuth.
    OAuth,
    /// The bearer of an access token; errors are 401 in the JSON of OAuth.
    OAuthBearer,
}

impl Access {
    /// Returns whether a cookie can authorize the caller. If so, only registered origins may read the response.
    pub fn takes_cookie(self) -> bool {
        match self {
            Self::SignIn
            | Self::OwnerOrStaff
            | Self::FormFiller
            | Self::Staff
            | Self::StaffPage
            | Self::PatientPage => true,
            Self::Public
            | Self::Owner
            | Self::OwnerOrSigned
            | Self::Client
            | Self::AppRedirect
            | Self::OAuth
            | Self::OAuthBearer => false,
        }
    }
}

/// The base of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// The base URL of the server.
    Root,
    /// A base URL of the FHIR API.
    Base(Base),
    /// A base URL of the FHIR API below one of the sandbox's shortcuts.
    Shortcut(SandboxShortcut, Base),
}

impl Below {
    /// Returns a base URL of the FHIR API, below a shortcut unless it is [`SandboxShortcut::NONE`].
    pub fn of(shortcut: SandboxShortcut, base: Base) -> Self {
        if shortcut == SandboxShortcut::NONE { Self::Base(base) } else { Self::Shortcut(shortcut, base) }
    }

    fn path(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Base(base) => base.path().to_owned(),
            Self::Shortcut(shortcut, base) => format!("{}{}", shortcut.path, base.path()),
        }
    }
}

/// The declaration of a route.
#[derive(Debug, Clone)]
pub struct Route {
    pub method: Method,
    /// The path from the root of the server, with parameters in braces.
    pub path: String,
    pub below: Below,
    pub access: Access,
    /// A sentence without its subject, such as `Starts an export`.
    pub summary: &'static str,
    /// The statuses of successful responses.
    pub statuses: &'static [u16],
    /// The media types of the request body; empty if the route reads no body.
    pub takes: &'static [&'static str],
    /// The parameters that are not part of the path.
    pub parameters: Vec<Parameter>,
    /// The bodies of successful responses; a status that is not listed has no body.
    pub returns: Vec<Returned>,
}

pub const JSON: &[&str] = &["application/json"];
pub const FORM: &[&str] = &["application/x-www-form-urlencoded"];
pub const JSON_OR_FORM: &[&str] = &["application/json", "application/x-www-form-urlencoded"];
pub const MULTIPART: &[&str] = &["multipart/form-data"];
pub const PARAMETERS: &[&str] = &["application/fhir+json", "application/json"];

/// Routes and their handlers, without their state.
pub struct Routes<S> {
    declared: Vec<Route>,
    handlers: Vec<MethodRouter<S>>,
    /// The paths of the GET routes that change state.
    acting: Vec<String>,
}

/// Adds routes with a common base: see [`Routes::below`].
pub struct At<S> {
    all: Routes<S>,
    below: Below,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    #[expect(clippy::new_without_default, reason = "a list without routes is only the beginning of one")]
    pub fn new() -> Self {
        Self { declared: Vec::new(), handlers: Vec::new(), acting: Vec::new() }
    }

    /// Declares routes with a common base.
    pub fn below(self, below: Below, declare: impl FnOnce(At<S>) -> At<S>) -> Self {
        declare(At { all: self, below }).all
    }

    /// Returns the declarations.
    pub fn list(self) -> Vec<Route> {
        self.declared
    }

    /// Builds the router.
    pub fn with_state(self, state: S) -> Router {
        let Self { declared: routes, handlers, acting } = self;
        let declared = routes.clone();
        let add = |router: Router<S>, (route, handler): (Route, MethodRouter<S>)| {
            let acts = route.method == Method::GET && acting.contains(&route.path);
            let path = route.path;
            let mark = Mark {
                route: path.as_str().into(),
                takes_cookie: route.access.takes_cookie(),
                #[cfg(debug_assertions)]
                parameters: route.parameters.into(),
            };
            if !acts {
                return router.route(&path, handler.layer(mark));
            }
            let refused = MethodNotAllowed::at(&path, &declared);
            router.route(&path, handler.on(MethodFilter::HEAD, refused.clone()).layer(mark).fallback(refused))
        };
        routes.into_iter().zip(handlers).fold(Router::new(), add).with_state(state)
    }
}

/// The summary of a route, and the status codes of its successful responses.
pub type Summary = (&'static str, &'static [u16]);

impl<S: Clone + Send + Sync + 'static> At<S> {
    /// Declares a route.
    pub fn route<H, T>(
        mut self,
        (method, path): (Method, &str),
        access: Access,
        (summary, statuses): Summary,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a standard method");
        let path = match self.below.path() + path {
            path if path.is_empty() => "/".to_owned(),
            path => path,
        };
        self.all.declared.push(Route {
            method,
            path,
            below: self.below,
            access,
            summary,
            statuses,
            takes: &[],
            parameters: Vec::new(),
            returns: Vec::new(),
        });
        self.all.handlers.push(on(filter, handler));
        self
    }

    /// Marks the GET route declared last as one that changes state. Its HEAD is refused, because HEAD must be safe (RFC 9110, 9.2.1).
    pub fn that_acts(mut self) -> Self {
        self.all.acting.extend(self.all.declared.last().map(|route| route.path.clone()));
        self
    }

    /// Sets the media types that the route declared last accepts.
    pub fn taking(mut self, takes: &'static [&'static str]) -> Self {
        if let Some(route) = self.all.declared.last_mut() {
            route.takes = takes;
        }
        self
    }

    /// Adds parameters to the route declared last.
    pub fn reading(mut self, parameters: &[Parameter]) -> Self {
        if let Some(route) = self.all.declared.last_mut() {
            route.parameters.extend(parameters);
        }
        self
    }

    /// Adds response bodies to the route declared last.
    pub fn returning(mut self, returns: &[Returned]) -> Self {
        if let Some(route) = self.all.declared.last_mut() {
            route.returns.extend(returns);
        }
        self
    }

    pub fn get<H, T: 'static>(self, path: &str, access: Access, summary: Summary, handler: H) -> Self
    where
        H: Handler<T, S>,
    {
        self.route((Method::GET, path), access, summary, handler)
    }

    pub fn post<H, T: 'static>(self, path: &str, access: Access, summary: Summary, handler: H) -> Self
    where
        H: Handler<T, S>,
    {
        self.route((Method::POST, path), access, summary, handler)
    }

    pub fn delete<H, T: 'static>(self, path: &str, access: Access, summary: Summary, handler: H) -> Self
    where
        H: Handler<T, S>,
    {
        self.route((Method::DELETE, path), access, summary, handler)
    }
}

/// A layer that records the route in the context of the request.
#[derive(Clone)]
struct Mark {
    route: Arc<str>,
    takes_cookie: bool,
    #[cfg(debug_assertions)]
    parameters: Arc<[Parameter]>,
}

impl<S> Layer<S> for Mark {
    type Service = Marked<S>;

    fn layer(&self, inner: S) -> Marked<S> {
        Marked { mark: self.clone(), inner }
    }
}

#[derive(Clone)]
struct Marked<S> {
    mark: Mark,
    inner: S,
}

impl<S: Service<Request>> Service<Request> for Marked<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> S::Future {
        request_context::route(&self.mark.route);
        #[cfg(debug_assertions)]
        request_context::declared(&self.mark.parameters);
        if self.mark.takes_cookie {
            request_context::cookie();
        }
        self.inner.call(request)
    }
}
