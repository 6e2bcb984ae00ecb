//! Makes a new index the current one, if no other program has done so meanwhile.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domain::error::Error;
use storage::layout::INDEX;
use storage::patient_index::{CURRENT, Current};

use super::Lake;
use crate::Failure;
use crate::generation::is_abandoned;

/// The index that was the current one at the begin of the work.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// The text of `current.json`, if there is one.
    text: Option<Vec<u8>>,
    /// The index; `None` if there is none, or if it cannot be read.
    pub(super) index: Option<Current>,
}

impl Lake {
    pub(super) async fn current(&self) -> Result<Before, Failure> {
        let text = self.records.index(CURRENT, None).await?;
        let index = match text.as_deref().map(Current::parse).transpose() {
            Ok(index) => index,
            Err(Error::Damaged(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Before { text, index })
    }

    /// Makes an index the current one, if the one from which it was begun is still the current one; otherwise removes it and
    /// returns `None`. The one before it stays until the next time, because searches may still read it.
    pub(super) async fn publish(
        &self,
        mut made: Current,
        before: &Before,
    ) -> Result<Option<Current>, Failure> {
        made.replaced = before.index.as_ref().map(|index| index.generation.clone());
        for (key, bytes) in made.files() {
            if self.files.size(&key).await? != Some(bytes) {
                return Err(Failure::new(format!("{key} is not as it was written; run 'ehi index' again")));
            }
        }
        if let Some(lake) = &self.directory {
            give_modes(lake, &made).map_err(|error| Failure::of_path(&lake.join(INDEX), &error))?;
        }
        let mut text = serde_json::to_vec_pretty(&made).map_err(|error| Failure::new(error.to_string()))?;
        text.push(b'\n');
        if !self.files.swap(&format!("{INDEX}/{CURRENT}"), before.text.as_deref(), text).await? {
            self.files.remove_prefix(&format!("{INDEX}/{}/", made.generation)).await?;
            return Ok(None);
        }
        self.remove_earlier(&made, before.index.as_ref()).await?;
        Ok(Some(made))
    }

    /// Removes the generations that no search reads any more. Another program may still write any other one.
    async fn remove_earlier(&self, made: &Current, before: Option<&Current>) -> Result<(), Failure> {
        for entry in self.files.list(&format!("{INDEX}/")).await? {
            let Some(generation) = entry.strip_suffix('/') else { continue };
            let is_before = before.is_some_and(|before| before.generation == generation);
            let is_earlier = before.and_then(|before| before.replaced.as_deref()) == Some(generation);
            if !is_before && (is_earlier || is_abandoned(generation, made.made)) {
                self.files.remove_prefix(&format!("{INDEX}/{entry}")).await?;
            }
        }
        Ok(())
    }
}

/// Gives the files the modes of the lake, so that every user who can read its records can read the index as well.
fn give_modes(lake: &Path, made: &Current) -> std::io::Result<()> {
    let mode = std::fs::metadata(lake)?.permissions().mode();
    let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode));
    let index = lake.join(INDEX);
    set(&index, mode & 0o777)?;
    set(&index.join(&made.generation), mode & 0o777)?;
    made.files().try_for_each(|(key, _)| set(&lake.join(key), mode & 0o666))
}
