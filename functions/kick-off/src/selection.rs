//! Turns the parameters of a bulk kick-off into what is stored: checked, compiled, narrowed to what the token covers.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::domain::access::Coverage;
use shared::domain::dialect::Dialect;
use shared::domain::ids::PatientId;
use shared::domain::request::{OutputOptions, SizeClass};
use shared::domain::selection::{Element, Provenance, Selection};
use shared::error::{Error, Result};
use shared::fhir::compartments::has_compartment;
use shared::fhir::date::instant;
use shared::fhir::references;
use shared::fhir::search::compile::{compile, split};
use shared::fhir::types::is_type;

use crate::parameters::{Asked, short};

/// Compiled searches of one export.
const MAX_FILTERS: usize = 100;
/// Bounds of numbers, so that no request can make a worker or a store suffer.
const FILE_BYTES: (u64, u64) = (1_000_000, 100_000_000_000);
const LEAST_FILE_BYTES: (u64, u64) = (0, 100_000_000);
const PATIENTS_A_CHUNK: (u64, u64) = (1, 2_000);
const RESOURCES_A_READ: (u64, u64) = (1, 10_000);
const PART_BYTES: (u64, u64) = (5 * 1024 * 1024, 16 * 1024 * 1024);
const RETENTION_SECONDS: (u64, u64) = (60, 30 * 24 * 3600);
/// Beyond this a worker is a large one.
const SMALL_BYTES: u64 = 512 * 1024 * 1024;

/// Whose resources are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    System,
    Patient,
    Group,
}

/// What the parameters come to.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) selection: Selection,
    pub(crate) output: OutputOptions,
    /// `patient`; none is everybody.
    pub(crate) patients: Option<Vec<PatientId>>,
}

/// Reads and checks. What is wrong is refused, or, when the client is lenient, left out and noted.
pub(crate) struct Compiler<'c> {
    pub(crate) asked: &'c Asked,
    pub(crate) level: Level,
    pub(crate) dialect: &'static Dialect,
    pub(crate) coverage: &'c Coverage,
    pub(crate) lenient: bool,
    pub(crate) now: Timestamp,
    pub(crate) ignored: Vec<String>,
}

impl Compiler<'_> {
    pub(crate) fn compile(mut self) -> Result<Compiled> {
        for name in self.asked.unknown() {
            let text = format!("'{}' is not a parameter of this operation", short(name));
            self.refuse_unless(true, text)?;
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
            constraints: self.coverage.constraints(),
            tags: self.coverage.tags().cloned(),
            provenance: provenance.unwrap_or_default(),
            all_shared: self.level == Level::System,
            ..Selection::default()
        };
        self.constrain(&mut selection)?;
        selection.filters = self.filters(&selection)?;
        selection.elements = self.elements()?;
        let output = self.output()?;
        let patients = self.patients()?;
        selection.ignored = self.ignored;
        Ok(Compiled { selection, output, patients })
    }

    /// Refuses what is wrong; a lenient client is told in the manifest instead, if that is enough.
    fn refuse_unless(&mut self, can_ignore: bool, text: String) -> Result<()> {
        if !(self.lenient && can_ignore) {
            return Err(Error::invalid(text));
        }
        self.ignored.push(format!("{text}; it was ignored"));
        Ok(())
    }

    fn output_format(&mut self) -> Result<()> {
        let Some(format) = self.asked.one("_outputFormat")? else { return Ok(()) };
        // A plus that was not encoded arrives as a space.
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
        let Some(text) = self.asked.one(name)? else { return Ok(None) };
        // A plus that was not encoded arrives as a space.
        match instant(&text.replace(' ', "+")) {
            Some(at) => Ok(Some(at)),
            None => Err(Error::invalid(format!(
                "'{name}' must be an instant such as 2026-01-31T00:00:00Z, and not '{}'",
                short(text)
            ))),
        }
    }

    /// `None` when nothing was said of Provenance.
    fn provenance(&mut self) -> Result<Option<Provenance>> {
        let mut kind = None;
        for value in self.asked.listed("includeAssociatedData") {
            let asked = match value {
                "RelevantProvenanceResources" => Provenance::Relevant,
                "LatestProvenanceResources" => Provenance::Latest,
                _ => {
                    let text = format!("'includeAssociatedData' does not know '{}'", short(value));
                    self.refuse_unless(true, text)?;
                    continue;
                }
            };
            // Of several the least restrictive.
            kind = if kind == Some(Provenance::Relevant) { kind } else { Some(asked) };
        }
        Ok(kind)
    }

    fn types(&mut self, provenance: Option<Provenance>) -> Result<Option<BTreeSet<String>>> {
        let mut asked = BTreeSet::new();
        let mut said = false;
        for name in self.asked.listed("_type") {
            said = true;
            if !is_type(name) {
                self.refuse_unless(
                    true,
                    format!("'_type' has '{}', which is no type of FHIR R4", short(name)),
                )?;
            } else if !self.coverage.covers(name) {
                if !self.lenient {
                    return Err(Error::Forbidden(format!(
                        "the token does not cover {name}, which '_type' asks for"
                    )));
                }
                self.ignored.push(format!(
                    "the token does not cover {name}, which '_type' asks for; it was left out"
                ));
            } else {
                asked.insert(name.to_owned());
            }
        }
        if said && asked.is_empty() {
            return Err(Error::invalid("'_type' has no type that can be exported"));
        }
        if !said {
            asked.extend(self.dialect.default_types.iter().map(|name| (*name).to_owned()));
        }
        let in_compartments = |types: &BTreeSet<String>| types.iter().any(|name| has_compartment(name));
        if self.level != Level::System && !asked.is_empty() && !in_compartments(&asked) {
            return Err(Error::invalid(
                "'_type' has only types outside the patients' compartments, which this operation exports when others refer to them",
            ));
        }
        if said && provenance.is_some() {
            if self.coverage.covers("Provenance") {
                asked.insert("Provenance".to_owned());
            } else {
                self.refuse_unless(
                    true,
                    "'includeAssociatedData': the token does not cover Provenance".to_owned(),
                )?;
            }
        }
        let covered = self.coverage.types().map(|types| types.into_iter().collect::<BTreeSet<_>>());
        let types = match (covered, asked.is_empty()) {
            (None, true) => None,
            (None, false) => Some(asked),
            (Some(covered), true) => Some(covered),
            (Some(covered), false) => Some(asked.intersection(&covered).cloned().collect()),
        };
        if types.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(Error::Forbidden(
                "the token covers none of the types that would be exported".to_owned(),
            ));
        }
        Ok(types)
    }

    /// Compiles the constraints of the token's scopes. One that cannot be checked lets nothing through.
    fn constrain(&mut self, selection: &mut Selection) -> Result<()> {
        for (resource_type, constraints) in &selection.constraints {
            for constraint in constraints {
                let filter =
                    compile(&format!("{resource_type}?{constraint}"), self.now).map_err(|problem| {
                        Error::Forbidden(format!("a scope of the token cannot be checked: {problem}"))
                    })?;
                selection.constraint_filters.push(filter);
            }
        }
        selection
            .constraints
            .retain(|name, _| selection.types.as_ref().is_none_or(|types| types.contains(name)));
        Ok(())
    }

    fn filters(&mut self, selection: &Selection) -> Result<Vec<shared::domain::type_filter::TypeFilter>> {
        let mut filters = Vec::new();
        let searches: Vec<_> =
            self.asked.all("_typeFilter").flat_map(split).filter(|text| !text.is_empty()).collect();
        for search in searches {
            let compiled = compile(search, self.now).and_then(|filter| {
                if !is_type(&filter.resource_type) {
                    return Err(format!(
                        "'_typeFilter' has '{}', which is no type of FHIR R4",
                        short(&filter.resource_type)
                    ));
                }
                match selection.wants(&filter.resource_type) {
                    true => Ok(filter),
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
        for text in self.asked.listed("_elements") {
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
                let text =
                    format!("'_elements' has '{}', which is no element at the root of a type", short(text));
                self.refuse_unless(true, text)?;
            }
        }
        Ok(elements)
    }

    fn output(&mut self) -> Result<OutputOptions> {
        let mut output = OutputOptions {
            max_file_bytes: self.number("_maximumFileSize", FILE_BYTES)?,
            min_file_bytes: self.number("_minimumFileSize", LEAST_FILE_BYTES)?.filter(|least| *least > 0),
            resources_a_read: self.count("fetchResourceBatchSize", RESOURCES_A_READ)?,
            patients_per_chunk: self.count("patientReferenceBatchSize", PATIENTS_A_CHUNK)?,
            part_bytes: self.count("uploadPartSize", PART_BYTES)?,
            retention_seconds: self
                .number("ttlSecondsAfterFinished", RETENTION_SECONDS)?
                .and_then(|seconds| i64::try_from(seconds).ok()),
            ..OutputOptions::default()
        };
        if output.max_file_bytes.zip(output.min_file_bytes).is_some_and(|(most, least)| least > most) {
            return Err(Error::invalid("'_minimumFileSize' must not be more than '_maximumFileSize'"));
        }
        for value in self.asked.listed("organizeOutputBy") {
            match value {
                "Patient" => output.by_patient = true,
                _ => {
                    let text = format!("'organizeOutputBy' must be Patient, and not '{}'", short(value));
                    self.refuse_unless(true, text)?;
                }
            }
        }
        match self.asked.one("allowPartialManifests")? {
            None | Some("false") => {}
            Some("true") => output.partial_manifests = true,
            Some(_) => {
                self.refuse_unless(true, "'allowPartialManifests' must be true or false".to_owned())?;
            }
        }
        if output.partial_manifests {
            // What was listed must stay as it is, so nothing is joined later.
            output.min_file_bytes = None;
        }
        match self.asked.one("loglevel")? {
            None => {}
            Some(level) => match level.to_ascii_lowercase().as_str() {
                "debug" | "trace" => output.verbose = true,
                "info" | "warn" | "warning" | "error" => {}
                _ => self
                    .refuse_unless(true, "'loglevel' must be trace, debug, info, warn or error".to_owned())?,
            },
        }
        for name in ["requestsMemory", "limitsMemory", "ram"] {
            let Some(text) = self.asked.one(name)? else { continue };
            match memory(text) {
                Some(bytes) => {
                    let size = if bytes > SMALL_BYTES { SizeClass::Large } else { SizeClass::Small };
                    output.size = output.size.max(Some(size));
                }
                None => {
                    let text = format!(
                        "'{name}' must be an amount of memory up to 10Gi, such as 512Mi, and not '{}'",
                        short(text)
                    );
                    self.refuse_unless(true, text)?;
                }
            }
        }
        Ok(output)
    }

    fn number(&mut self, name: &'static str, (least, most): (u64, u64)) -> Result<Option<u64>> {
        let Some(text) = self.asked.one(name)? else { return Ok(None) };
        match text.parse().ok().filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Error::invalid(format!(
                "'{name}' must be a number from {least} to {most}, and not '{}'",
                short(text)
            ))),
        }
    }

    fn count(&mut self, name: &'static str, bounds: (u64, u64)) -> Result<Option<usize>> {
        Ok(self.number(name, bounds)?.and_then(|number| usize::try_from(number).ok()))
    }

    fn patients(&mut self) -> Result<Option<Vec<PatientId>>> {
        let mut patients = Vec::new();
        for text in self.asked.listed("patient") {
            if self.level == Level::System {
                return Err(Error::invalid(
                    "'patient' has no meaning at the level of the system; use Patient/$export or Group/…/$export",
                ));
            }
            let id = match references::parse(text) {
                Some(reference) if reference.resource_type == "Patient" => reference.id,
                Some(_) => {
                    return Err(Error::invalid(format!(
                        "'patient' has '{}', which is no Patient",
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
        if patients.is_empty() && self.asked.all("patient").next().is_some() {
            return Err(Error::invalid("'patient' names nobody"));
        }
        Ok((!patients.is_empty()).then_some(patients))
    }
}

/// `512Mi`, `2Gi`, `1G` or bytes, up to 10 GiB.
fn memory(text: &str) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "" => 1,
        "K" | "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit).filter(|bytes| (1..=10 << 30).contains(bytes))
}
