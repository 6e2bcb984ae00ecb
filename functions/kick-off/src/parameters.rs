//! The raw parameters of a bulk kick-off, from the query or a Parameters resource (Bulk Data 3.0, kick-off request; contract, section 2).
//! This module checks the type of each value; [`crate::selection`] reports unknown names.
#![expect(clippy::disallowed_types, reason = "an extractor")]

use axum::extract::{FromRequest, FromRequestParts, Request};
use domain::error::{Error, Result};
use serde_json::Value;
use web::ApiError;
use web::describe::{FORMAT, Kind, Parameter};
use web::extract::{Content, Fields, Query};

/// The maximum number of parameters other than `patient`.
const MAX_PARAMETERS: usize = 100;
const MAX_PATIENTS: usize = 1_000;
/// The maximum length of one value in bytes.
const MAX_VALUE: usize = 8 * 1024;

/// The names of `value[x]` that a parameter may have in a body.
const TEXT: &[&str] = &["valueString", "valueCode", "valueUri"];
const INSTANT: &[&str] = &["valueInstant", "valueDateTime", "valueDate"];
const NUMBER: &[&str] = &["valueInteger", "valuePositiveInt", "valueUnsignedInt"];
const MEMORY: &[&str] = &["valueString", "valueCode", "valueInteger", "valuePositiveInt", "valueUnsignedInt"];

/// A known parameter, and the types that its value may have in a body.
pub(crate) struct Known {
    name: &'static str,
    values: &'static [&'static str],
    kind: Kind,
    description: &'static str,
}

const fn known(
    name: &'static str,
    values: &'static [&'static str],
    kind: Kind,
    description: &'static str,
) -> Known {
    Known { name, values, kind, description }
}

/// All known parameters, sorted by name.
#[rustfmt::skip]
const KNOWN: [Known; 20] = [
    known("_elements", TEXT, Kind::Text, "The elements that are exported, such as id or Patient.birthDate"),
    known("_maximumFileSize", NUMBER, Kind::Integer, "The maximum size of a file, in bytes"),
    known("_minimumFileSize", NUMBER, Kind::Integer, "Smaller files are joined until they have this size, in bytes"),
    known("_outputFormat", TEXT, Kind::Text, "The format of the files, which is always NDJSON"),
    known("_since", INSTANT, Kind::Instant, "Only resources that changed after this instant"),
    known("_type", TEXT, Kind::Text, "The types that are exported, separated by commas"),
    known("_typeFilter", TEXT, Kind::Text, "Searches that the resources of a type must pass"),
    known("_until", INSTANT, Kind::Instant, "Only resources that changed before this instant"),
    known("allowPartialManifests", &["valueBoolean"], Kind::Boolean, "Whether files are listed while the export runs"),
    known("fetchResourceBatchSize", NUMBER, Kind::Integer, "The number of shared resources that are read together"),
    known("includeAssociatedData", TEXT, Kind::Text, "RelevantProvenanceResources or LatestProvenanceResources"),
    known("limitsMemory", MEMORY, Kind::Text, "The maximum memory for a worker, such as 2Gi"),
    known("loglevel", TEXT, Kind::Text, "trace, debug, info, warn or error"),
    known("organizeOutputBy", TEXT, Kind::Text, "Patient: the resources of each patient are together"),
    known("patient", &["valueReference"], Kind::Text, "Patients who are exported, such as Patient/123"),
    known("patientReferenceBatchSize", NUMBER, Kind::Integer, "The number of patients in one chunk"),
    known("ram", MEMORY, Kind::Text, "Memory for a worker"),
    known("requestsMemory", MEMORY, Kind::Text, "The minimum memory for a worker"),
    known("ttlSecondsAfterFinished", NUMBER, Kind::Integer, "The time until the files are deleted, in seconds"),
    known("uploadPartSize", NUMBER, Kind::Integer, "The size of one part of an upload to the store, in bytes"),
];

fn find(name: &str) -> Option<&'static Known> {
    KNOWN.binary_search_by_key(&name, |known| known.name).ok().map(|index| &KNOWN[index])
}

/// Returns the parameters as the routes declare them.
pub(crate) fn declared() -> Vec<Parameter> {
    let of = |known: &Known| {
        let parameter = Parameter::query(known.name, known.description).of(known.kind);
        match known.kind {
            Kind::Text if known.values != MEMORY => parameter.repeated(),
            _ => parameter,
        }
    };
    KNOWN.iter().map(of).chain([FORMAT]).collect()
}

/// The parameters of the request, in order.
#[derive(Debug)]
pub(crate) struct KickoffParameters(Fields);

/// Reads the query of a GET, or the query and the body of a POST.
impl<S: Send + Sync> FromRequest<S> for KickoffParameters {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let mut fields = Query::from_request_parts(&mut parts, &()).await?.fields().clone();
        if !parts.method.is_safe() {
            match Content::of(Request::from_parts(parts, body)).await? {
                Content::Empty => {}
                Content::Json(parameters) => fields.extend(of_parameters(&parameters)?),
                Content::Form(_) => {
                    let text = "the body must be a FHIR Parameters resource".to_owned();
                    return Err(Error::UnsupportedMediaType(text).into());
                }
            }
        }
        Ok(Self::checked(fields)?)
    }
}

impl KickoffParameters {
    /// Refuses too many parameters and values that are too long.
    fn checked(fields: Fields) -> Result<Self> {
        let pairs = fields.pairs();
        let (patients, others): (Vec<_>, Vec<_>) = pairs.iter().partition(|(name, _)| name == "patient");
        if others.len() > MAX_PARAMETERS || patients.len() > MAX_PATIENTS {
            return Err(Error::invalid(format!(
                "the request has more than {MAX_PARAMETERS} parameters, or 'patient' more than {MAX_PATIENTS} times"
            )));
        }
        match pairs.iter().find(|(_, value)| value.len() > MAX_VALUE) {
            Some((name, _)) => {
                Err(Error::invalid(format!("'{}' has more than {MAX_VALUE} bytes", short(name))))
            }
            None => Ok(Self(fields)),
        }
    }

    /// Returns all values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.all(name)
    }

    /// Returns the values of a parameter that may be repeated or separated by commas.
    pub(crate) fn listed<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Returns the value of a parameter that may be given at most once.
    pub(crate) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            _ => Err(Error::invalid(format!("'{name}' may be given only once"))),
        }
    }

    /// Returns all names and values as a text, by which a repeated request is recognized.
    pub(crate) fn content(&self) -> String {
        format!("{:?}", self.0.pairs())
    }

    /// Returns whether a parameter is present.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.find(name).is_some()
    }

    pub(crate) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.0.names().filter(|name| {
            // `_format` is a parameter of FHIR for the format of the response, which is always JSON.
            *name != "_format" && find(name).is_none()
        })
    }
}

/// Shortens a name or value for an error text.
pub(crate) fn short(name: &str) -> String {
    name.chars().take(60).collect()
}

fn of_parameters(body: &Value) -> Result<Vec<(String, String)>> {
    let members = body.as_object().filter(|_| body["resourceType"] == "Parameters");
    let members = members.ok_or_else(|| Error::invalid("the body must be a FHIR Parameters resource"))?;
    if let Some(name) = members.keys().find(|name| !OF_RESOURCE.contains(&name.as_str())) {
        return Err(Error::invalid(format!("the Parameters resource has an unknown '{}'", short(name))));
    }
    let list = match members.get("parameter") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Error::invalid("'parameter' must be a list")),
    };
    list.iter().map(of_parameter).collect()
}

/// The permitted members of the resource. Only `parameter` has an effect.
const OF_RESOURCE: [&str; 5] = ["resourceType", "id", "meta", "language", "parameter"];

fn of_parameter(parameter: &Value) -> Result<(String, String)> {
    let name =
        parameter["name"].as_str().ok_or_else(|| Error::invalid("each of 'parameter' must have a 'name'"))?;
    let members = parameter.as_object().into_iter().flatten();
    let mut others = members.filter(|(key, _)| !matches!(key.as_str(), "name" | "id"));
    let value = others.next();
    let Some(known) = find(name) else {
        // The parameter is unknown: its value is dropped, and its name is reported later.
        return Ok((name.to_owned(), String::new()));
    };
    let wrong = || {
        let types = known.values.join(" or ");
        Error::invalid(format!("'{name}' must have a {types} and no other member"))
    };
    if others.next().is_some() {
        return Err(wrong());
    }
    let (key, value) = value.filter(|(key, _)| known.values.contains(&key.as_str())).ok_or_else(wrong)?;
    let text = match (key.as_str(), value) {
        ("valueReference", value) => value["reference"].as_str().map(str::to_owned),
        ("valueBoolean", Value::Bool(value)) => Some(value.to_string()),
        ("valueInteger" | "valuePositiveInt" | "valueUnsignedInt", Value::Number(number))
            if number.is_i64() =>
        {
            Some(number.to_string())
        }
        (
            "valueString" | "valueCode" | "valueUri" | "valueInstant" | "valueDateTime" | "valueDate",
            Value::String(text),
        ) => Some(text.clone()),
        _ => None,
    };
    Ok((name.to_owned(), text.ok_or_else(wrong)?))
}

#[cfg(test)]
mod tests;
