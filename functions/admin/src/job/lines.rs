//! Reads the lines of an exported file from an offset on, in windows, so that memory is bounded. The first window has a whole
//! page in most files. So a page of a file with millions of lines costs the same as one of a file with fifty.

use domain::chunk::OutputFile;
use domain::error::Result;
use domain::ports::files::{ByteStream, Files};
use futures_util::StreamExt;
use storage::packs;

/// The number of resources on a page.
pub(super) const ROWS: usize = 50;
/// Bytes after which a page ends even if it has fewer resources.
const PAGE_BYTES: u64 = 1024 * 1024;
/// The longest line, in bytes, that a list keeps in memory.
const LIST_LINE: usize = 64 * 1024;
/// The bytes of the first window; each further window is twice as large.
const WINDOW: u64 = 64 * 1024;
const LARGEST_WINDOW: u64 = 4 * 1024 * 1024;
/// The number of bytes before a page that are searched for the beginning of the previous page.
const BACK: u64 = 128 * 1024;

/// A line: its offset, its length in bytes with the line end, and its text if it is not too long.
pub(super) struct Line {
    pub(super) at: u64,
    pub(super) bytes: u64,
    pub(super) text: Option<Vec<u8>>,
    /// The first bytes of a line that is too long.
    pub(super) head: Vec<u8>,
}

/// A file, and an offset in it at which a line begins.
pub(super) struct Reader<'f> {
    files: &'f dyn Files,
    file: &'f OutputFile,
    /// The offset of the next line.
    position: u64,
    /// The offset of the next window.
    read_to: u64,
    window: u64,
    stream: Option<ByteStream>,
    buffer: Vec<u8>,
    searched: usize,
    longest: usize,
}

impl<'f> Reader<'f> {
    /// Returns `None` if no line begins there: the address was made up, or it is for another version of the file.
    pub(super) async fn begin(
        files: &'f dyn Files,
        file: &'f OutputFile,
        at: u64,
        longest: usize,
    ) -> Result<Option<Self>> {
        if at >= file.size {
            return Ok(None);
        }
        let (buffer, searched) = (Vec::new(), 0);
        let read_to = at.saturating_sub(1);
        let mut reader = Self {
            files,
            file,
            position: at,
            read_to,
            window: WINDOW,
            stream: None,
            buffer,
            searched,
            longest,
        };
        if at > 0 {
            reader.fill().await?;
            if reader.buffer.first() != Some(&b'\n') {
                return Ok(None);
            }
            reader.buffer.remove(0);
        }
        Ok(Some(reader))
    }

    /// Reads more of the file. Returns `false` at its end.
    async fn fill(&mut self) -> Result<bool> {
        loop {
            if let Some(stream) = &mut self.stream {
                match stream.next().await {
                    Some(bytes) => {
                        self.buffer.extend_from_slice(&bytes?);
                        return Ok(true);
                    }
                    None => self.stream = None,
                }
            }
            if self.read_to >= self.file.size {
                return Ok(false);
            }
            let end = self.file.size.min(self.read_to + self.window);
            let location = self.file.location();
            self.stream = Some(packs::open(self.files, &location, Some(self.read_to..end)).await?);
            self.read_to = end;
            self.window = LARGEST_WINDOW.min(self.window * 2);
        }
    }

    /// Returns the next line; `None` at the end of the file.
    pub(super) async fn next(&mut self) -> Result<Option<Line>> {
        let mut dropped = 0;
        let mut head = Vec::new();
        loop {
            let found =
                memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|end| self.searched + end + 1);
            let end = match found {
                Some(end) => end,
                None => {
                    self.searched = self.buffer.len();
                    if self.buffer.len() > self.longest {
                        if dropped == 0 {
                            head = self.buffer.clone();
                        }
                        dropped += self.buffer.len() as u64;
                        self.buffer.clear();
                        self.searched = 0;
                    }
                    if self.fill().await? {
                        continue;
                    }
                    if self.buffer.is_empty() && dropped == 0 {
                        return Ok(None);
                    }
                    self.buffer.len()
                }
            };
            let line: Vec<u8> = self.buffer.drain(..end).collect();
            self.searched = 0;
            let (at, bytes) = (self.position, dropped + line.len() as u64);
            self.position += bytes;
            let is_long = dropped > 0 || line.len() > self.longest;
            if is_long && dropped == 0 {
                head = line[..self.longest].to_vec();
            }
            return Ok(Some(Line { at, bytes, text: (!is_long).then_some(line), head }));
        }
    }
}

/// The lines of a page, and the offset of the next page.
pub(super) struct Page {
    pub(super) lines: Vec<Line>,
    pub(super) next: Option<u64>,
}

/// Reads the page that begins at an offset.
pub(super) async fn page(files: &dyn Files, file: &OutputFile, at: u64) -> Result<Page> {
    let mut lines = Vec::new();
    let Some(mut reader) = Reader::begin(files, file, at, LIST_LINE).await? else {
        return Ok(Page { lines, next: None });
    };
    while lines.len() < ROWS && reader.position - at < PAGE_BYTES {
        match reader.next().await? {
            Some(line) => lines.push(line),
            None => break,
        }
    }
    let next = (reader.position < file.size).then_some(reader.position);
    Ok(Page { lines, next })
}

/// Returns the offset of the page before another one, and how many lines it has; `None` at the beginning of the file.
pub(super) async fn page_before(files: &dyn Files, file: &OutputFile, at: u64) -> Result<Option<(u64, u64)>> {
    if at == 0 || at > file.size {
        return Ok(None);
    }
    let start = at.saturating_sub(BACK);
    let mut stream = packs::open(files, &file.location(), Some(start..at)).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece?);
    }
    // The last byte ends the last line of that page.
    let before = &bytes[..bytes.len().saturating_sub(1)];
    let mut ends = memchr::memrchr_iter(b'\n', before);
    let (mut first, mut lines) = (None, 0);
    while lines < ROWS as u64 {
        match ends.next() {
            Some(end) => first = Some(start + end as u64 + 1),
            None if start == 0 => {
                first = Some(0);
                lines += 1;
                break;
            }
            None => break,
        }
        lines += 1;
    }
    // A line is longer than the bytes that were searched. Then the link leads to the first page.
    Ok(Some(first.map_or((0, u64::MAX), |first| (first, lines))))
}
