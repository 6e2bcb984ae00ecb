//! The objects that were fetched from the bucket, with a digest of their content, so that a load uploads only what it has changed.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use domain::clock::hex;

use crate::Failure;
use crate::load::streams::hash;

/// The file in the staging directory that lists the digests and the keys.
const FETCHED: &str = "fetched.txt";
/// The file in the staging directory that lists the changes of the fetched objects. A line has `+` if the object gets a new content, or `-`
/// if it is removed, then the digest of the content that was fetched, and the key.
pub(super) const CHANGES: &str = "changes.txt";
/// The number of digits of a digest.
pub(super) const DIGITS: usize = 64;

/// The digest of the content of an object that is being read.
pub(super) struct Digest(Context);

impl Digest {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

/// Adds objects to the list: their digests and keys.
pub(super) fn add(staging: &Path, objects: &[(String, String)]) -> Result<(), Failure> {
    let path = staging.join(FETCHED);
    let write = || {
        let mut list = OpenOptions::new().create(true).append(true).open(&path)?;
        let lines: Vec<_> =
            objects.iter().flat_map(|(digest, key)| [digest.as_str(), key.as_str(), "\n"]).collect();
        list.write_all(lines.concat().as_bytes())
    };
    write().map_err(|error| Failure::of_path(&path, &error))
}

/// What became of the fetched objects.
#[derive(Default)]
pub(super) struct Fetched {
    /// The hashes of the keys that get a new content.
    replaced: HashSet<u64>,
    /// The keys whose content was merged into other files.
    pub(super) gone: Vec<String>,
}

impl Fetched {
    pub(super) fn replaces(&self, key: &str) -> bool {
        self.replaced.contains(&hash(key.as_bytes()))
    }

    /// Returns whether all objects stay as they are.
    pub(super) fn is_same(&self) -> bool {
        self.replaced.is_empty() && self.gone.is_empty()
    }
}

/// Compares the files of the staging directory with the objects that were fetched. Removes the files that did not change, and lists the
/// changes in [`CHANGES`]: first the new contents, because a resource may move to one of them from an object that is removed.
pub(super) fn compare(staging: &Path) -> Result<Fetched, Failure> {
    let list = staging.join(FETCHED);
    let mut fetched = Fetched::default();
    let lines = match File::open(&list) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(fetched),
        file => BufReader::new(file.map_err(|error| Failure::of_path(&list, &error))?).lines(),
    };
    let path = staging.join(CHANGES);
    let failed = |error: std::io::Error| Failure::of_path(&path, &error);
    let (mut changes, mut removed) = (BufWriter::new(File::create(&path).map_err(failed)?), String::new());
    for line in lines {
        let line = line.map_err(|error| Failure::of_path(&list, &error))?;
        let (digest, key) = line.split_at_checked(DIGITS).unwrap_or_default();
        let file = staging.join(key);
        match digest_of(&file).map_err(|error| Failure::of_path(&file, &error))? {
            None => {
                removed.extend(["-", &line, "\n"]);
                fetched.gone.push(key.to_owned());
            }
            Some(same) if same == digest => {
                std::fs::remove_file(&file).map_err(|error| Failure::of_path(&file, &error))?;
            }
            Some(_) => {
                writeln!(changes, "+{line}").map_err(failed)?;
                fetched.replaced.insert(hash(key.as_bytes()));
            }
        }
    }
    changes.write_all(removed.as_bytes()).and_then(|()| changes.flush()).map_err(failed)?;
    Ok(fetched)
}

/// Returns the digest of a file; `None` if there is no such file.
fn digest_of(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let (mut digest, mut buffer) = (Digest::new(), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Some(digest.finish()));
        }
        digest.add(&buffer[..read]);
    }
}
