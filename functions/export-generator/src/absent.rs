//! Reports entries that are not patients: members of a group without a record, and invalid names in the patient
//! directory.

use domain::chunk::Strays;
use domain::error::Result;

use crate::writer::ChunkWriter;

/// Reports members of a group who have no record on this server. `unnamed` further members are only counted.
pub(crate) async fn members(
    writer: &mut ChunkWriter<'_>,
    members: &[String],
    unnamed: u64,
    problems: &[String],
) -> Result<()> {
    for problem in problems {
        writer.problem("not-found", problem).await?;
    }
    for member in members {
        let text = format!("the group has the member '{member}', who has no record on this server");
        writer.problem("not-found", &text).await?;
    }
    let ledger = writer.ledger();
    ledger.patients.planned += members.len() as u64 + unnamed;
    ledger.patients.absent += members.len() as u64 + unnamed;
    ledger.problems.unlisted += unnamed;
    Ok(())
}

/// Reports entries of the patient directory that are not patients.
pub(crate) async fn strays(writer: &mut ChunkWriter<'_>, strays: &Strays) -> Result<()> {
    for name in &strays.named {
        let text = format!(
            "Patient/{name} is not exported: the directory of a patient's records must be named by the patient's id \
             (1 to 64 letters, digits, '-' and '.')"
        );
        writer.problem("structure", &text).await?;
    }
    writer.ledger().problems.unlisted += strays.more;
    Ok(())
}
