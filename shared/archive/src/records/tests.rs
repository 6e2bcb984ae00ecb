use std::io::{Cursor, Read, Result, Seek, SeekFrom};

use zip::ZipArchive;

use super::*;

/// A file that begins with a hole of zeros, which are not in memory.
struct Sparse {
    hole: u64,
    rest: Cursor<Vec<u8>>,
    at: u64,
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = match self.hole.checked_sub(self.at) {
            Some(left @ 1..) => {
                let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                buffer[..count].fill(0);
                count
            }
            _ => {
                self.rest.set_position(self.at - self.hole);
                self.rest.read(buffer)?
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let end = self.hole + self.rest.get_ref().len() as u64;
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => end.saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

/// Returns a ZIP of one stored file that begins at `offset`, and has this text.
fn zip_at(offset: u64, is_large: bool, text: &str) -> Sparse {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    let modified = DosTime::of(jiff::civil::date(2026, 3, 4).at(5, 6, 7, 0));
    let entry = Entry {
        name: "ä/file.txt".to_owned(),
        is_compressed: false,
        is_large,
        modified,
        offset,
        crc: crc.sum(),
        stored: text.len() as u64,
        size: text.len() as u64,
    };
    assert!(entry.fits());
    let mut rest = [&entry.local_header()[..], text.as_bytes(), &entry.descriptor()].concat();
    let (start, record) = (offset + rest.len() as u64, entry.directory_record());
    rest.extend(&record);
    rest.extend(end(1, start, record.len() as u64));
    Sparse { hole: offset, rest: Cursor::new(rest), at: 0 }
}

#[test]
fn a_reader_finds_files_on_both_sides_of_four_gibibytes() {
    for offset in [0, 1 << 20, u64::from(u32::MAX) - 1, u64::from(u32::MAX), 5 << 30, 7 << 40] {
        for is_large in [false, true] {
            let mut archive = ZipArchive::new(zip_at(offset, is_large, "text")).expect("a ZIP");
            let mut file = archive.by_index(0).expect("a file");
            let mut text = String::new();
            file.read_to_string(&mut text).expect("its bytes and its checksum");
            assert_eq!((text.as_str(), file.size(), file.header_start()), ("text", 4, offset), "{is_large}");
            assert_eq!(file.name().expect("a name"), "ä/file.txt");
            assert_eq!(file.unix_mode(), Some(0o100_644));
            let at = file.last_modified().expect("a time");
            assert_eq!(
                (at.year(), at.month(), at.day(), at.hour(), at.minute(), at.second()),
                (2026, 3, 4, 5, 6, 6)
            );
        }
    }
}

#[test]
fn sizes_of_four_gibibytes_need_records_of_zip64() {
    let entry = |is_large: bool, size: u64| Entry {
        name: "file".to_owned(),
        is_compressed: true,
        is_large,
        modified: DosTime::default(),
        offset: 0,
        crc: 0,
        stored: 1,
        size,
    };
    assert!(entry(false, u64::from(u32::MAX) - 1).fits() && !entry(false, u64::from(u32::MAX)).fits());
    assert!(entry(true, 5 << 30).fits());
    let record = entry(true, 5 << 30).directory_record();
    let field = &record[record.len() - 20..];
    assert_eq!(field, [&[1, 0, 16, 0][..], &(5_u64 << 30).to_le_bytes(), &1_u64.to_le_bytes()].concat());
    assert_eq!(entry(true, 5 << 30).descriptor().len(), 24);
    assert_eq!(entry(false, 5).descriptor().len(), 16);
}

#[test]
fn more_than_65535_files_need_records_of_zip64() {
    assert_eq!(end(65_534, 1, 1).len(), 22);
    for (entries, offset, length) in [(65_535, 1, 1), (1, u64::from(u32::MAX), 1), (1, 1, 1 << 33)] {
        let end = end(entries, offset, length);
        assert_eq!(end.len(), 22 + 56 + 20);
        assert_eq!(end[24..40], [entries.to_le_bytes(), entries.to_le_bytes()].concat());
        assert_eq!(end[64..72], (offset + length).to_le_bytes(), "the place of the record");
    }
}

#[test]
fn times_before_1980_are_those_of_1980() {
    let at = DosTime::of(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
    assert_eq!(at, DosTime { date: 0b10_0001, time: 0 });
}
