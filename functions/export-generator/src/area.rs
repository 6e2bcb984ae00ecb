//! Exports resources outside the patients' records, in a system-level export: the files of `shared/`, and the Group
//! resources.

use domain::error::{Error, Result};
use domain::filter::Origin;
use domain::lines::Lines;
use domain::ports::records::{Area, Part, Records, read_whole};
use fhir::MAX_LINE;
use fhir::json::compact;

use crate::elsewhere::ListsOfFiles;
use crate::line::ChunkExport;

/// Exports the files of an area: a file of `shared/`, or Groups. `lists` are the resources that several files have. Stops after a file if
/// the time is over. Returns the number of exported files, which is at least 1 if there are any.
pub(crate) async fn export(
    export: &mut ChunkExport<'_>,
    records: &dyn Records,
    area: Area,
    parts: &[Part],
    lists: &ListsOfFiles<'_>,
    is_over: &(dyn Fn() -> bool + Sync),
) -> Result<usize> {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 && is_over() {
            return Ok(index);
        }
        let elsewhere = lists.of(area, &part.name).await?;
        let read = match area {
            Area::Groups => {
                export.versions.begin_group(elsewhere);
                group_file(export, records, part).await
            }
            Area::Shared | Area::Deleted => {
                export.versions.begin_shared(export.filter, records, &part.name, elsewhere).await?;
                lines_file(export, records, area, part).await
            }
        };
        match read {
            // The file existed when the export was planned.
            Err(Error::NotFound(_)) => {
                let text = format!("{}/{} is no longer in the record store", area.directory(), part.name);
                export.writer.problem("not-found", &text).await?;
            }
            read => {
                export.writer.unless_damaged(read).await?;
            }
        }
        export.writer.add_bytes_read(part.bytes);
    }
    Ok(parts.len())
}

async fn lines_file(
    export: &mut ChunkExport<'_>,
    records: &dyn Records,
    area: Area,
    part: &Part,
) -> Result<()> {
    let mut lines = Lines::new(records.open_area(area, &part.name).await?);
    while let Some(found) = lines.next().await? {
        export.versions.move_to(0, found.number);
        line(export, area, part, found.number, found.text).await?;
        if export.versions.is_repeated() {
            break;
        }
    }
    Ok(())
}

/// Exports a Group resource. Its file may have more than one line.
async fn group_file(export: &mut ChunkExport<'_>, records: &dyn Records, part: &Part) -> Result<()> {
    let reader = records.open_area(Area::Groups, &part.name).await?;
    let file = format!("{}/{}", Area::Groups.directory(), part.name);
    let problem = match read_whole(&file, reader, MAX_LINE).await {
        Ok(mut text) => {
            if compact(&mut text) {
                return line(export, Area::Groups, part, 1, Some(&text)).await;
            }
            format!("{file} is not JSON")
        }
        Err(Error::Damaged(damage)) => damage.to_string(),
        Err(error) => return Err(error),
    };
    export.writer.ledger().resources.read += 1;
    export.writer.unusable(&problem).await
}

async fn line(
    export: &mut ChunkExport<'_>,
    area: Area,
    part: &Part,
    number: u64,
    text: Option<&[u8]>,
) -> Result<()> {
    export.writer.ledger().resources.read += 1;
    match export.line(text, Origin::System, None).await? {
        Some(problem) => {
            let place = format!("{}/{} line {number}: {problem}", area.directory(), part.name);
            export.writer.unusable(&place).await
        }
        None => Ok(()),
    }
}
