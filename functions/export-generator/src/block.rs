//! Collects the block of a patient: a header, the Patient, and the other resources (Bulk Data 3.0, `organizeOutputBy`).
//! The block is held until the whole patient is read, because the Patient comes first.

use domain::chunk::Purpose;
use domain::error::Result;
use domain::ids::PatientId;
use domain::ports::files::Files;

use crate::outputs::Outputs;
use crate::spool::Spool;

/// The block of one patient.
#[derive(Default)]
pub(crate) struct Block {
    patient: Option<Vec<u8>>,
    lines: Spool,
}

impl Block {
    /// Adds a resource of the patient.
    pub(crate) async fn add(
        &mut self,
        resource_type: &str,
        line: &[u8],
        prefix: &str,
        files: &dyn Files,
    ) -> Result<()> {
        if resource_type == "Patient" && self.patient.is_none() {
            self.patient = Some(line.to_vec());
            return Ok(());
        }
        self.lines.push(line, || format!("{prefix}block.ndjson"), files).await
    }

    /// Writes the block. Returns the number of lines that are too long.
    pub(crate) async fn write(
        self,
        patient: &PatientId,
        outputs: &mut Outputs<'_>,
        files: &dyn Files,
    ) -> Result<u64> {
        let Self { patient: own, lines: spool } = self;
        if own.is_none() && spool.is_empty() {
            return Ok(0);
        }
        let header = serde_json::json!({
            "resourceType": "Parameters",
            "parameter": [{ "name": "header", "valueReference": { "reference": format!("Patient/{patient}") } }],
        });
        let header = header.to_string();
        let length = |line: &[u8]| line.len() as u64 + 1;
        let bytes = length(header.as_bytes()) + own.as_deref().map_or(0, length) + spool.bytes();
        outputs.begin_block(bytes).await?;
        outputs.write_header("Patient", header.as_bytes()).await?;
        if let Some(own) = own {
            outputs.write(Purpose::Blocks, "Patient", &own).await?;
        }
        let mut too_long = 0;
        let (mut lines, spilled) = spool.replay(files).await?;
        while let Some(line) = lines.next().await? {
            match line.text {
                Some(text) => outputs.write(Purpose::Blocks, "Patient", text).await?,
                None => too_long += 1,
            }
        }
        match spilled {
            Some(key) => files.remove(&key).await.map(|()| too_long),
            None => Ok(too_long),
        }
    }
}
