//! The declared parameters and responses of a route, in the terms of OpenAPI. A function declares them with its routes
//! (see [`crate::routes`]).
//!
//! The declarations are checked in two ways. With debug assertions, a handler panics if it reads a query parameter or a form field that
//! its route does not declare. The end-to-end tests compare every response with the declared responses.

/// A parameter of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub place: ParameterIn,
    pub kind: Kind,
    /// Whether the parameter may be given more than once.
    pub is_repeated: bool,
    /// A sentence without a full stop that says what the parameter does.
    pub description: &'static str,
}

/// The part of the request that has a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterIn {
    Query,
    Header,
    /// A field of the body: a field of a form or a member of the JSON.
    Body,
}

/// The type of a parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Boolean,
    Instant,
    /// A list of texts: a member of a JSON body.
    Texts,
    /// The bytes of files: a field of a multipart body.
    Files,
}

impl Parameter {
    const fn new(place: ParameterIn, name: &'static str, description: &'static str) -> Self {
        Self { name, place, kind: Kind::Text, is_repeated: false, description }
    }

    /// Declares a text in the query.
    pub const fn query(name: &'static str, description: &'static str) -> Self {
        Self::new(ParameterIn::Query, name, description)
    }

    /// Declares a text in a header.
    pub const fn header(name: &'static str, description: &'static str) -> Self {
        Self::new(ParameterIn::Header, name, description)
    }

    /// Declares a text in the body.
    pub const fn field(name: &'static str, description: &'static str) -> Self {
        Self::new(ParameterIn::Body, name, description)
    }

    /// Returns the same parameter with another type of value.
    pub const fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Returns the same parameter, which may be given more than once.
    pub const fn repeated(self) -> Self {
        Self { is_repeated: true, ..self }
    }
}

/// `_format`, which is accepted and changes nothing: resources are always JSON.
pub const FORMAT: Parameter = Parameter::query("_format", "The format of the response, which is always JSON");

/// A successful response: its status and its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returned {
    pub status: u16,
    pub media_type: &'static str,
    /// The name of the document's schema; `None` if the body is not JSON.
    pub schema: Option<&'static str>,
}

/// Declares a JSON document.
pub const fn json(status: u16, schema: &'static str) -> Returned {
    Returned { status, media_type: "application/json", schema: Some(schema) }
}

/// Declares a FHIR resource.
pub const fn fhir(status: u16, schema: &'static str) -> Returned {
    Returned { status, media_type: fhir::FHIR_JSON, schema: Some(schema) }
}

/// Declares an HTML page.
pub const fn page(status: u16) -> Returned {
    Returned { status, media_type: "text/html", schema: None }
}

/// Declares a file.
pub const fn file(status: u16, media_type: &'static str) -> Returned {
    Returned { status, media_type, schema: None }
}
