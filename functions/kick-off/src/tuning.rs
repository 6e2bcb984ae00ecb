//! Reads the parameters that control file sizes, batch sizes, memory and retention (contract, section 2).

use domain::error::{Error, Result};
use domain::request::{OutputOptions, SizeClass};

use crate::parameters::short;
use crate::selection::ParameterReader;

/// The bounds of the numbers, so that no request can overload a worker or a store.
const FILE_BYTES: (u64, u64) = (1_000_000, 100_000_000_000);
const LEAST_FILE_BYTES: (u64, u64) = (0, 100_000_000);
const PATIENTS_A_CHUNK: (u64, u64) = (1, 2_000);
const RESOURCES_A_READ: (u64, u64) = (1, 10_000);
const PART_BYTES: (u64, u64) = (5 * 1024 * 1024, 16 * 1024 * 1024);
const RETENTION_SECONDS: (u64, u64) = (60, 30 * 24 * 3600);
/// The largest amount of memory for a small worker, in bytes.
const SMALL_BYTES: u64 = 512 * 1024 * 1024;
/// The most memory that a client can request, in bytes.
const MAX_MEMORY: u64 = 10 << 30;

impl ParameterReader<'_> {
    /// Reads the options for the files and the work.
    pub(crate) fn output(&mut self) -> Result<OutputOptions> {
        let mut output = OutputOptions {
            max_file_bytes: self.number("_maximumFileSize", FILE_BYTES)?,
            min_file_bytes: self.number("_minimumFileSize", LEAST_FILE_BYTES)?.filter(|least| *least > 0),
            supporting_batch_size: self.tuned("fetchResourceBatchSize", RESOURCES_A_READ)?.map(saturated),
            patients_per_chunk: self.tuned("patientReferenceBatchSize", PATIENTS_A_CHUNK)?.map(saturated),
            upload_part_bytes: self.tuned("uploadPartSize", PART_BYTES)?.map(saturated),
            retention_seconds: self
                .tuned("ttlSecondsAfterFinished", RETENTION_SECONDS)?
                .and_then(|seconds| i64::try_from(seconds).ok()),
            ..OutputOptions::default()
        };
        if output.max_file_bytes.zip(output.min_file_bytes).is_some_and(|(most, least)| least > most) {
            return Err(Error::invalid("'_minimumFileSize' must not be more than '_maximumFileSize'"));
        }
        for value in self.parameters.listed("organizeOutputBy") {
            match value {
                "Patient" => output.organize_by_patient = true,
                _ => {
                    let text = format!("'organizeOutputBy' must be Patient, and not '{}'", short(value));
                    self.refuse_unless(true, text)?;
                }
            }
        }
        match self.parameters.one("allowPartialManifests")? {
            None | Some("false") => {}
            Some("true") => output.partial_manifests = true,
            Some(_) => {
                self.refuse_unless(true, "'allowPartialManifests' must be true or false".to_owned())?;
            }
        }
        if output.partial_manifests {
            // A file must not change after a manifest has listed it, so files are not joined later.
            output.min_file_bytes = None;
        }
        output.verbose = self.verbose()?;
        output.size = self.size()?;
        Ok(output)
    }

    /// Reads `loglevel`. Returns whether the job writes detailed logs.
    fn verbose(&mut self) -> Result<bool> {
        let Some(level) = self.parameters.one("loglevel")? else { return Ok(false) };
        match level.to_ascii_lowercase().as_str() {
            "debug" | "trace" => Ok(true),
            "info" | "warn" | "warning" | "error" => Ok(false),
            _ => {
                let text = "'loglevel' must be trace, debug, info, warn or error".to_owned();
                self.refuse_unless_reported(text).map(|()| false)
            }
        }
    }

    /// Returns the largest size class that the memory parameters request.
    fn size(&mut self) -> Result<Option<SizeClass>> {
        let mut class = None;
        for name in ["requestsMemory", "limitsMemory", "ram"] {
            let Some(text) = self.parameters.one(name)? else { continue };
            let bytes = match memory(text, self.context.dialect.tolerant) {
                Some(bytes) if (1..=MAX_MEMORY).contains(&bytes) => bytes,
                Some(bytes) if bytes > MAX_MEMORY && self.context.tolerant => {
                    self.ignored
                        .push(format!("'{name}' is {}, and can be at most 10Gi; 10Gi was used", short(text)));
                    MAX_MEMORY
                }
                _ => {
                    self.refuse_unless_reported(format!(
                        "'{name}' must be an amount of memory up to 10Gi, such as 512Mi, and not '{}'",
                        short(text)
                    ))?;
                    continue;
                }
            };
            let size = if bytes > SMALL_BYTES { SizeClass::Large } else { SizeClass::Small };
            class = class.max(Some(size));
        }
        Ok(class)
    }

    fn number(&mut self, name: &'static str, (least, most): (u64, u64)) -> Result<Option<u64>> {
        let Some(text) = self.parameters.one(name)? else { return Ok(None) };
        match text.parse().ok().filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Error::invalid(format!(
                "'{name}' must be a number from {least} to {most}, and not '{}'",
                short(text)
            ))),
        }
    }

    /// Reads a number that tunes the work without changing the result. A tolerant dialect limits it to its bounds and reports that.
    fn tuned(&mut self, name: &'static str, (least, most): (u64, u64)) -> Result<Option<u64>> {
        let text = self.parameters.one(name)?.filter(|_| self.context.tolerant);
        let digits = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(digits) = digits else { return self.number(name, (least, most)) };
        // A number with too many digits for `u64` is too large.
        let number: u64 = digits.parse().unwrap_or(u64::MAX);
        let clamped = number.clamp(least, most);
        if clamped != number {
            self.ignored.push(format!(
                "'{name}' is {}, and must be a number from {least} to {most}; {clamped} was used",
                short(digits)
            ));
        }
        Ok(Some(clamped))
    }
}

fn saturated(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Parses `512Mi`, `2Gi`, `1G` or a number without a unit, whose unit is the gigabyte if `in_gigabytes`, otherwise the byte. Returns bytes.
fn memory(text: &str, in_gigabytes: bool) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "" if in_gigabytes => 1_000_000_000,
        "" => 1,
        "K" | "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    Some(number.saturating_mul(unit))
}

#[cfg(test)]
mod tests;
