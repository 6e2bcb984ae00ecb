//! Divides partitions that are too large. The partitions are sized for the input, but a load can read many more bytes of the lake, such as
//! the records of all patients to whom resources of `shared/` belong.

use super::spill::{Stream, Writer};
use super::streams::Load;
use crate::Failure;

/// The maximum number of parts of a partition.
const MAX_PARTS: u64 = 1_024;
/// The number of times that a partition is divided. Records with the same hash stay together.
const MAX_DEPTH: u32 = 3;

/// A callback that receives partitions of the streams, and their index.
pub(super) type Each<'e, const N: usize> = &'e mut dyn FnMut([&Stream; N], usize) -> Result<(), Failure>;

/// Calls `each` with the partitions of this index, unless all of them are empty. If they have more than `limit` bytes together, it is called with parts of them instead:
/// records with the same hash are in the same part. The streams have the same number of partitions.
pub(super) fn in_parts<const N: usize>(
    load: &Load<'_>,
    streams: [&Stream; N],
    index: usize,
    limit: u64,
    each: Each<'_, N>,
) -> Result<(), Failure> {
    divided(load, streams, index, limit, MAX_DEPTH, each)
}

fn divided<const N: usize>(
    load: &Load<'_>,
    streams: [&Stream; N],
    index: usize,
    limit: u64,
    depth: u32,
    each: Each<'_, N>,
) -> Result<(), Failure> {
    let bytes: u64 = streams.iter().map(|stream| stream.bytes(index)).sum();
    if bytes == 0 {
        return Ok(());
    }
    if bytes <= limit || depth == 0 {
        return each(streams, index);
    }
    let count = usize::try_from((bytes / limit.max(1) + 2).min(MAX_PARTS)).unwrap_or(2);
    let parts = streams.map(|stream| stream.part(index, count));
    for (stream, part) in streams.iter().zip(&parts) {
        copy(load, stream, index, part)?;
    }
    for part in 0..count {
        divided(load, parts.each_ref(), part, limit, depth - 1, each)?;
        for stream in &parts {
            stream.remove(part);
        }
    }
    Ok(())
}

/// Copies the records of a partition to another stream.
fn copy(load: &Load<'_>, stream: &Stream, index: usize, to: &Stream) -> Result<(), Failure> {
    let (mut records, mut writer) = (stream.records(index, 0)?, Writer::new(to));
    while let Some((hash, record)) = records.next()? {
        load.check_interrupted()?;
        writer.push(hash, |buffer| buffer.extend_from_slice(record.0))?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests;
