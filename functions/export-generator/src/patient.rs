//! Exports one patient's record: its lines, its documents and their Provenance.

use domain::error::Result;
use domain::filter::Origin;

use crate::documents::PatientDocuments;
use crate::line::ChunkExport;
use crate::reader::PatientReader;

/// Exports a patient. `ignore_since` exports the record however long ago it changed. Ends early if a resource is
/// repeated: the chunk is then collected again.
pub(crate) async fn export(
    export: &mut ChunkExport<'_>,
    mut reader: PatientReader,
    ignore_since: bool,
) -> Result<()> {
    let patient = reader.patient.clone();
    let is_absent = reader.is_absent();
    if is_absent && !export.tombstones.has_patient(&patient) {
        let text = format!("Patient/{patient} is no longer in the record store");
        export.writer.problem("not-found", &text).await?;
    }
    let files = reader.documents().to_vec();
    let mut documents = PatientDocuments::new(&patient, &files);
    export.versions.begin(export.filter, &mut reader).await?;
    let mut is_whole = true;
    for index in 0..reader.records().len() {
        let read = records_file(export, &mut reader, index, &mut documents, ignore_since).await;
        is_whole &= export.writer.unless_damaged(read).await?;
        if export.versions.is_repeated() {
            return Ok(());
        }
    }
    export.versions.check()?;
    export.writer.add_bytes_read(reader.bytes());
    is_whole &= documents.finish(&mut reader, export.filter, &mut export.writer, ignore_since).await?;
    let patients = &mut export.writer.ledger().patients;
    patients.planned += 1;
    match (is_absent, is_whole) {
        (true, _) => patients.absent += 1,
        (false, true) => patients.exported += 1,
        (false, false) => patients.failed += 1,
    }
    let origin = Origin::Patient { ignore_since };
    export.provenance.write((export.filter, origin), &mut documents.references, &mut export.writer).await?;
    export.writer.settle_references(&export.versions).await?;
    export.writer.narrow_references(reader.store()).await?;
    export.writer.end_patient(&patient).await
}

/// Exports the lines of one file of a record.
async fn records_file(
    export: &mut ChunkExport<'_>,
    reader: &mut PatientReader,
    index: usize,
    documents: &mut PatientDocuments<'_>,
    ignore_since: bool,
) -> Result<()> {
    let mut lines = reader.lines(index).await?;
    let origin = Origin::Patient { ignore_since };
    while let Some(line) = lines.next().await? {
        export.writer.ledger().resources.read += 1;
        export.versions.move_to(index, line.number);
        if let Some(problem) = export.line(line.text, origin, Some(documents)).await? {
            let file = &reader.records()[index].name;
            let text = format!("Patient/{}/{file} line {}: {problem}", reader.patient, line.number);
            export.writer.unusable(&text).await?;
        }
        if export.versions.is_repeated() {
            return Ok(());
        }
    }
    Ok(())
}
