//! Reads files that are stored as gzip.

use std::ops::Range;

use async_compression::tokio::bufread::GzipDecoder;
use domain::error::Error;
use domain::ports::files::ByteStream;
use futures_util::{StreamExt, stream};
use tokio::io::AsyncReadExt;
use tokio_util::io::StreamReader;

/// Decompresses gzip: all bytes, or a range of the decompressed bytes. A damaged stream ends in [`Error::Damaged`], which
/// names `file`.
pub fn decompressed(file: &str, compressed: ByteStream, range: Option<Range<u64>>) -> ByteStream {
    let mut decoder =
        GzipDecoder::new(StreamReader::new(compressed.map(|piece| piece.map_err(std::io::Error::other))));
    decoder.multiple_members(true);
    let range = range.unwrap_or(0..u64::MAX);
    let state = (decoder, range.start, range.end - range.start, file.to_owned());
    Box::pin(stream::try_unfold(state, |(mut decoder, mut skip, left, file)| async move {
        loop {
            let mut piece = bytes::BytesMut::with_capacity(64 * 1024);
            let limit = if skip > 0 { skip } else { left };
            let read = (&mut decoder).take(limit.min(64 * 1024)).read_buf(&mut piece).await;
            let read = read.map_err(|error| Error::decompressing(&file, error))?;
            if read == 0 {
                return Ok(None);
            }
            if skip > 0 {
                skip -= read as u64;
                continue;
            }
            return Ok(Some((piece.freeze(), (decoder, skip, left - read as u64, file))));
        }
    }))
}
