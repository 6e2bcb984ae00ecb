//! Reading an object of records in blocks.

use async_trait::async_trait;
use domain::error::{Error, Result};
use domain::ports::files::ByteStream;
use domain::ports::records::{BLOCK, BlockReader};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

/// Reads the bytes of a stream in blocks.
pub(super) struct Blocks {
    reader: std::pin::Pin<Box<dyn AsyncRead + Send>>,
    /// The error that ended the last read. It is returned after the bytes that were read before it.
    error: Option<Error>,
}

impl Blocks {
    pub(super) fn of(stream: ByteStream) -> Self {
        let reader = StreamReader::new(stream.map(|piece| piece.map_err(std::io::Error::other)));
        Self { reader: Box::pin(reader), error: None }
    }
}

#[async_trait]
impl BlockReader for Blocks {
    async fn read(&mut self, mut buffer: Vec<u8>) -> Result<Vec<u8>> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        buffer.reserve(BLOCK);
        let before = buffer.len();
        let mut limited = (&mut self.reader).take(BLOCK as u64);
        while limited.limit() > 0 {
            match limited.read_buf(&mut buffer).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if buffer.len() == before => return Err(error.into()),
                Err(error) => {
                    self.error = Some(error.into());
                    break;
                }
            }
        }
        Ok(buffer)
    }
}
