//! Names those who are no patients: members of a group without a record, and what stands among the patients.

use domain::chunk::Strays;
use domain::error::Result;

use crate::writer::ChunkWriter;

/// Names members of a group who have no record here; `more` are only counted.
pub(crate) async fn members(
    writer: &mut ChunkWriter<'_>,
    members: &[String],
    more: u64,
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
    ledger.patients.planned += members.len() as u64 + more;
    ledger.patients.absent += members.len() as u64 + more;
    ledger.problems.unlisted += more;
    Ok(())
}

/// Names what stands among the patients and is none.
pub(crate) async fn strays(writer: &mut ChunkWriter<'_>, strays: &Strays) -> Result<()> {
    for name in &strays.named {
        let text = format!(
            "Patient/{name} is not exported: records of a patient stand in a directory whose name is the patient's id \
             (1 to 64 letters, digits, '-' and '.')"
        );
        writer.problem("structure", &text).await?;
    }
    writer.ledger().problems.unlisted += strays.more;
    Ok(())
}
