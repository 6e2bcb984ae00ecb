//! Compiles the parameters of a bulk kick-off to the stored selection. It checks them and limits the selection to the coverage of the token.

use std::collections::BTreeSet;

use domain::access::Coverage;
use domain::dialect::Dialect;
use domain::error::{Error, Result};
use domain::ids::PatientId;
use domain::request::OutputOptions;
use domain::selection::{Element, Provenance, Selection};
use fhir::compartments::can_have_patient;
use fhir::date::{first_moment, instant};
use fhir::references::{self, OwnBases};
use fhir::search::compile::{self as search, split};
use fhir::types::is_type;
use jiff::Timestamp;

use crate::parameters::{KickoffParameters, short};

/// The maximum number of compiled searches in one export.
const MAX_FILTERS: usize = 100;

/// The level of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportLevel {
    System,
    Patient,
    Group,
}

/// The result of compiling the parameters.
#[derive(Debug)]
pub(crate) struct CompiledRequest {
    pub(crate) selection: Selection,
    pub(crate) output: OutputOptions,
    /// The values of `patient`; `None` means all patients.
    pub(crate) patients: Option<Vec<PatientId>>,
}

/// The context of the compilation: the operation, the token and the client's preferences.
pub(crate) struct Context<'c> {
    pub(crate) level: ExportLevel,
    pub(crate) dialect: &'static Dialect,
    pub(crate) coverage: &'c Coverage,
    pub(crate) lenient: bool,
    /// Whether deviations that the dialect tolerates are reported and not refused.
    pub(crate) tolerant: bool,
    /// Whether the client is registered for dates in `_since`.
    pub(crate) since_dates: bool,
    pub(crate) now: Timestamp,
    /// The base URLs of this server.
    pub(crate) own: OwnBases,
}

/// Reads and checks the parameters. A mistake is an error; for a lenient client, it is ignored and reported if possible.
pub(crate) fn compile(parameters: &KickoffParameters, context: &Context<'_>) -> Result<CompiledRequest> {
    ParameterReader { parameters, context, ignored: Vec::new() }.compile()
}

/// The state of the compilation. `ignored` has a text for each parameter that was ignored or changed.
pub(crate) struct ParameterReader<'c> {
    pub(crate) parameters: &'c KickoffParameters,
    pub(crate) context: &'c Context<'c>,
    pub(crate) ignored: Vec<String>,
}

impl ParameterReader<'_> {
    fn compile(mut self) -> Result<CompiledRequest> {
        for name in self.parameters.unknown() {
            match name {
                "type" if self.is_type_without_underscore() => {
                    self.ignored.push(
                        "'type' is not a parameter of this operation; it was read as '_type'".to_owned(),
                    );
                }
                _ => {
                    let text = format!("'{}' is not a parameter of this operation", short(name));
                    self.refuse_unless_reported(text)?;
                }
            }
        }
        self.output_format()?;
        let (since, until) = (self.time("_since")?, self.time("_until")?);
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(Error::invalid("'_since' must be before '_until'"));
        }
        let provenance = self.provenance()?;
        let types = self.types(provenance)?;
        let mut selection = Selection {
            since,
            until,
            types,
            granted: self.granted(),
            constraints: self.context.coverage.constraints(),
            tags: self.context.coverage.tags().cloned(),
            provenance: provenance.unwrap_or_default(),
            all_shared: self.context.level == ExportLevel::System,
            ..Selection::default()
        };
        self.constrain(&mut selection)?;
        selection.filters = self.filters(&selection)?;
        selection.elements = self.elements()?;
        let output = self.output()?;
        let patients = self.patients()?;
        selection.ignored = self.ignored;
        Ok(CompiledRequest { selection, output, patients })
    }

    /// Returns whether `type` is read as `_type`: the documentation of Helix writes `type=Patient`.
    fn is_type_without_underscore(&self) -> bool {
        self.context.tolerant && !self.parameters.has("_type")
    }

    /// Refuses a mistake. If the client or the dialect accepts that, the manifest reports it instead.
    pub(crate) fn refuse_unless_reported(&mut self, text: String) -> Result<()> {
        if self.context.tolerant {
            self.ignored.push(format!("{text}; it was ignored"));
            return Ok(());
        }
        self.refuse_unless(true, text)
    }

    /// Refuses a mistake. For a lenient client and if `can_ignore`, the manifest reports it instead.
    pub(crate) fn refuse_unless(&mut self, can_ignore: bool, text: String) -> Result<()> {
        if !(self.context.lenient && can_ignore) {
            return Err(Error::invalid(text));
        }
        self.ignored.push(format!("{text}; it was ignored"));
        Ok(())
    }

    fn output_format(&mut self) -> Result<()> {
        let Some(format) = self.parameters.one("_outputFormat")? else { return Ok(()) };
        // A plus that was not percent-encoded arrives as a space.
        let format = format.replace(' ', "+");
        if matches!(format.as_str(), "application/fhir+ndjson" | "application/ndjson" | "ndjson") {
            return Ok(());
        }
        self.refuse_unless(
            true,
            format!(
                "'_outputFormat' must be application/fhir+ndjson, application/ndjson or ndjson, and not '{}'",
                short(&format)
            ),
        )
    }

    fn time(&mut self, name: &'static str) -> Result<Option<Timestamp>> {
        let Some(text) = self.parameters.one(name)? else { return Ok(None) };
        // A plus that was not percent-encoded arrives as a space.
        let text = text.replace(' ', "+");
        // The first moment of a date can only export more.
        let accepts_date = self.context.tolerant || (name == "_since" && self.context.since_dates);
        let read = if accepts_date { first_moment(&text) } else { instant(&text) };
        match read {
            Some(at) => Ok(Some(at)),
            None => Err(Error::invalid(format!(
                "'{name}' must be an instant such as 2026-01-31T00:00:00Z, and not '{}'",
                short(&text)
            ))),
        }
    }

    /// Reads `includeAssociatedData`; `None` if it has no known value.
    fn provenance(&mut self) -> Result<Option<Provenance>> {
        let mut kind = None;
        for value in self.parameters.listed("includeAssociatedData") {
            let requested = match value {
                "RelevantProvenanceResources" => Provenance::Relevant,
                "LatestProvenanceResources" => Provenance::Latest,
                _ => {
                    let text = format!("'includeAssociatedData' has the unknown value '{}'", short(value));
                    self.refuse_unless(true, text)?;
                    continue;
                }
            };
            // If both values are given, the less restrictive one applies.
            kind = if kind == Some(Provenance::Relevant) { kind } else { Some(requested) };
        }
        Ok(kind)
    }

    fn types(&mut self, provenance: Option<Provenance>) -> Result<Option<BTreeSet<String>>> {
        let mut requested = BTreeSet::new();
        let mut is_given = false;
        let parameter = if self.is_type_without_underscore() { "type" } else { "_type" };
        for name in self.parameters.listed(parameter) {
            is_given = true;
            if !is_type(name) {
                self.refuse_unless(
                    true,
                    format!("'_type' has '{}', which is not a type of FHIR R4", short(name)),
                )?;
            } else if !self.context.coverage.covers(name) {
                if !self.context.lenient {
                    return Err(Error::Forbidden(format!(
                        "the token does not cover {name}, which '_type' requests"
                    )));
                }
                self.ignored.push(format!(
                    "the token does not cover {name}, which '_type' requests; it was left out"
                ));
            } else {
                requested.insert(name.to_owned());
            }
        }
        if is_given && requested.is_empty() {
            return Err(Error::invalid("'_type' has no type that can be exported"));
        }
        if !is_given {
            requested.extend(self.context.dialect.default_types.iter().map(|name| (*name).to_owned()));
        }
        let in_compartments = |types: &BTreeSet<String>| types.iter().any(|name| can_have_patient(name));
        if self.context.level != ExportLevel::System && !requested.is_empty() && !in_compartments(&requested)
        {
            return Err(Error::invalid(
                "'_type' has only types outside the patient compartments; this operation exports them only if other exported resources refer to them",
            ));
        }
        if is_given && provenance.is_some() {
            if self.context.coverage.covers("Provenance") {
                requested.insert("Provenance".to_owned());
            } else {
                self.refuse_unless(
                    true,
                    "'includeAssociatedData': the token does not cover Provenance".to_owned(),
                )?;
            }
        }
        let types = match (self.granted(), requested.is_empty()) {
            (None, true) => None,
            (None, false) => Some(requested),
            (Some(covered), true) => Some(covered),
            (Some(covered), false) => Some(requested.intersection(&covered).cloned().collect()),
        };
        if types.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(Error::Forbidden(
                "the token covers none of the types that would be exported".to_owned(),
            ));
        }
        Ok(types)
    }

    /// Returns the types that the token covers; `None` if it covers all types.
    fn granted(&self) -> Option<BTreeSet<String>> {
        self.context.coverage.types().map(|types| types.into_iter().collect())
    }

    /// Compiles the constraints of the token's scopes. A constraint that cannot be compiled refuses the export.
    fn constrain(&mut self, selection: &mut Selection) -> Result<()> {
        for (resource_type, constraints) in &selection.constraints {
            for constraint in constraints {
                let filter = search::compile(&format!("{resource_type}?{constraint}"), self.context.now)
                    .map_err(|problem| {
                        Error::Forbidden(format!("a scope of the token cannot be checked: {problem}"))
                    })?;
                selection.constraint_filters.push(filter.with_own_references(&self.context.own));
            }
        }
        selection
            .constraints
            .retain(|name, _| selection.types.as_ref().is_none_or(|types| types.contains(name)));
        Ok(())
    }

    fn filters(&mut self, selection: &Selection) -> Result<Vec<fhir::type_filter::TypeFilter>> {
        let mut filters = Vec::new();
        let searches: Vec<_> =
            self.parameters.all("_typeFilter").flat_map(split).filter(|text| !text.is_empty()).collect();
        for text in searches {
            let compiled = search::compile(text, self.context.now).and_then(|filter| {
                if !is_type(&filter.resource_type) {
                    return Err(format!(
                        "'_typeFilter' has '{}', which is not a type of FHIR R4",
                        short(&filter.resource_type)
                    ));
                }
                match selection.wants(&filter.resource_type) {
                    true => Ok(filter.with_own_references(&self.context.own)),
                    false => {
                        Err(format!("'_typeFilter' is for {}, which is not exported", filter.resource_type))
                    }
                }
            });
            match compiled {
                Ok(filter) => filters.push(filter),
                Err(problem) => self.refuse_unless(true, problem)?,
            }
        }
        if filters.len() > MAX_FILTERS {
            return Err(Error::invalid(format!("'_typeFilter' has more than {MAX_FILTERS} searches")));
        }
        Ok(filters)
    }

    fn elements(&mut self) -> Result<Vec<Element>> {
        let mut elements = Vec::new();
        for text in self.parameters.listed("_elements") {
            let (resource_type, name) = match text.split_once('.') {
                Some((resource_type, name)) => (Some(resource_type), name),
                None => (None, text),
            };
            let plain = name.strip_suffix("[x]").unwrap_or(name);
            let valid = !plain.is_empty()
                && plain.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && plain.starts_with(|first: char| first.is_ascii_lowercase())
                && resource_type.is_none_or(is_type);
            if valid {
                elements
                    .push(Element { resource_type: resource_type.map(str::to_owned), name: name.to_owned() });
            } else {
                let text = format!(
                    "'_elements' has '{}', which is not an element at the root of a type",
                    short(text)
                );
                self.refuse_unless(true, text)?;
            }
        }
        Ok(elements)
    }

    fn patients(&mut self) -> Result<Option<Vec<PatientId>>> {
        let mut patients = Vec::new();
        for text in self.parameters.listed("patient") {
            if self.context.level == ExportLevel::System {
                return Err(Error::invalid(
                    "'patient' is not permitted for a system-level export; use Patient/$export or Group/…/$export",
                ));
            }
            // Helix writes `patient/` in lower case.
            let text = match text.strip_prefix("patient/").filter(|_| self.context.tolerant) {
                Some(id) => id,
                None => text,
            };
            if references::parse(text).is_some() && self.context.own.parse(text).is_none() {
                return Err(Error::invalid(format!(
                    "'patient' has '{}', which is not a patient of this server",
                    short(text)
                )));
            }
            let id = match self.context.own.parse(text) {
                Some(reference) if reference.resource_type == "Patient" => reference.id,
                Some(_) => {
                    return Err(Error::invalid(format!(
                        "'patient' has '{}', which is not a Patient",
                        short(text)
                    )));
                }
                None => text,
            };
            let id = PatientId::parse(id);
            patients.push(id.map_err(|_| {
                Error::invalid(format!(
                    "'patient' must be a reference such as Patient/123, and not '{}'",
                    short(text)
                ))
            })?);
        }
        if patients.is_empty() && self.parameters.all("patient").next().is_some() {
            return Err(Error::invalid("'patient' names no patient"));
        }
        Ok((!patients.is_empty()).then_some(patients))
    }
}
