//! The records of the ZIP format around the bytes of the files (APPNOTE 6.3.10). Sizes and checksums follow each file (4.3.9), because
//! they are not known before, and files that could exceed 4 GiB are ZIP64.
//!
//! A library would keep the directory of all files in memory, and could not continue a ZIP that another process has begun.

/// Files of this size or larger are ZIP64. It is less than 4 GiB, because compressed bytes can be a little more than the others.
pub(crate) const LARGE: u64 = 0xf000_0000;

/// The value of a 32-bit field whose real value is in the ZIP64 field.
const IN_ZIP64: u32 = u32::MAX;
/// Sizes follow the file; the name is UTF-8.
const FLAGS: u16 = (1 << 3) | (1 << 11);
/// The version of the format that has ZIP64, and the one that has compression.
const VERSION_ZIP64: u16 = 45;
const VERSION: u16 = 20;
/// Unix, as the system of the attributes.
const UNIX: u16 = 3 << 8;
/// A regular file that its owner may change and everyone may read.
const ATTRIBUTES: u32 = 0o100_644 << 16;
const DEFLATED: u16 = 8;
/// The id of the ZIP64 field.
const ZIP64_FIELD: u16 = 1;

/// A point in time in the format of MS-DOS, which has two seconds as its unit and begins in 1980.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DosTime {
    date: u16,
    time: u16,
}

impl DosTime {
    pub(crate) fn of(at: jiff::civil::DateTime) -> Self {
        let part = |part: i8| u16::from(part.unsigned_abs());
        let years = u16::try_from(at.year() - 1980).unwrap_or_default().min(127);
        Self {
            date: (years << 9) | (part(at.month()) << 5) | part(at.day()),
            time: (part(at.hour()) << 11) | (part(at.minute()) << 5) | (part(at.second()) / 2),
        }
    }
}

/// A file of the ZIP. The last three fields are known after the file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) is_compressed: bool,
    pub(crate) is_large: bool,
    pub(crate) modified: DosTime,
    /// Where its local header begins.
    pub(crate) offset: u64,
    pub(crate) crc: u32,
    /// The number of bytes in the ZIP.
    pub(crate) stored: u64,
    pub(crate) size: u64,
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(mut self, number: u16) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }
}

/// Returns the number, or the mark that the ZIP64 field has it.
fn low(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(IN_ZIP64)
}

impl Entry {
    fn version(&self) -> u16 {
        if self.is_large || self.offset >= u64::from(IN_ZIP64) { VERSION_ZIP64 } else { VERSION }
    }

    /// Appends the fields that both headers have, from the flags to the date.
    fn common(&self, bytes: Bytes) -> Bytes {
        let method = if self.is_compressed { DEFLATED } else { 0 };
        bytes.u16(FLAGS).u16(method).u16(self.modified.time).u16(self.modified.date)
    }

    fn name_length(&self) -> u16 {
        u16::try_from(self.name.len()).unwrap_or(u16::MAX)
    }

    /// Returns whether the sizes fit into the records that were announced.
    pub(crate) fn fits(&self) -> bool {
        let most = u64::from(IN_ZIP64);
        self.name.len() < usize::from(u16::MAX) && (self.is_large || self.stored.max(self.size) < most)
    }

    /// Returns the local header, which precedes the bytes of the file (4.3.7).
    pub(crate) fn local_header(&self) -> Vec<u8> {
        let version = if self.is_large { VERSION_ZIP64 } else { VERSION };
        let bytes = self.common(Bytes::default().u32(0x0403_4b50).u16(version));
        let extra = if self.is_large { 20 } else { 0 };
        let bytes = bytes.u32(0).u32(0).u32(0).u16(self.name_length()).u16(extra).text(&self.name);
        if !self.is_large {
            return bytes.0;
        }
        bytes.u16(ZIP64_FIELD).u16(16).u64(0).u64(0).0
    }

    /// Returns the data descriptor, which follows the bytes of the file (4.3.9).
    pub(crate) fn descriptor(&self) -> Vec<u8> {
        let bytes = Bytes::default().u32(0x0807_4b50).u32(self.crc);
        match self.is_large {
            true => bytes.u64(self.stored).u64(self.size).0,
            false => bytes.u32(low(self.stored)).u32(low(self.size)).0,
        }
    }

    /// Returns the record of the file in the directory (4.3.12).
    pub(crate) fn directory_record(&self) -> Vec<u8> {
        let is_far = self.offset >= u64::from(IN_ZIP64);
        let size = |size: u64| if self.is_large { IN_ZIP64 } else { low(size) };
        let in_field = u16::from(self.is_large) * 16 + u16::from(is_far) * 8;
        let extra = if in_field > 0 { in_field + 4 } else { 0 };
        let bytes = Bytes::default().u32(0x0201_4b50).u16(UNIX | self.version()).u16(self.version());
        let bytes = self.common(bytes).u32(self.crc).u32(size(self.stored)).u32(size(self.size));
        // No comment, the first disk, no internal attributes.
        let bytes = bytes.u16(self.name_length()).u16(extra).u16(0).u16(0).u16(0);
        let mut bytes = bytes.u32(ATTRIBUTES).u32(low(self.offset)).text(&self.name);
        if in_field > 0 {
            bytes = bytes.u16(ZIP64_FIELD).u16(in_field);
        }
        if self.is_large {
            bytes = bytes.u64(self.size).u64(self.stored);
        }
        if is_far {
            bytes = bytes.u64(self.offset);
        }
        bytes.0
    }
}

/// Returns the records that follow the directory (4.3.14 to 4.3.16). The directory begins at `offset` and has `length` bytes.
pub(crate) fn end(entries: u64, offset: u64, length: u64) -> Vec<u8> {
    let most = u64::from(IN_ZIP64);
    let mut bytes = Bytes::default();
    if entries >= u64::from(u16::MAX) || offset >= most || length >= most {
        bytes = bytes.u32(0x0606_4b50).u64(44).u16(UNIX | VERSION_ZIP64).u16(VERSION_ZIP64).u32(0).u32(0);
        bytes = bytes.u64(entries).u64(entries).u64(length).u64(offset);
        // The locator: the disk and the place of the record above, and the number of disks.
        bytes = bytes.u32(0x0706_4b50).u32(0).u64(offset + length).u32(1);
    }
    let count = u16::try_from(entries).unwrap_or(u16::MAX);
    bytes.u32(0x0605_4b50).u16(0).u16(0).u16(count).u16(count).u32(low(length)).u32(low(offset)).u16(0).0
}

#[cfg(test)]
mod tests;
