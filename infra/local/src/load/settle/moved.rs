//! Resources whose new version does not belong to a patient of the version in the lake.

use std::collections::{HashMap, HashSet};

use crate::load::report::{Kind, Notes, Place};
use crate::load::versions::Version;

/// Records the resources that move out of a patient's record. `stays` has the version of each resource that is kept.
pub(super) fn record_moves(
    versions: &[Version<'_>],
    stays: &HashMap<&[u8], &Version<'_>, foldhash::fast::FixedState>,
    notes: &mut Notes,
) {
    let mut noted = HashSet::new();
    for version in versions.iter().filter(|version| version.place.piece == Place::LAKE) {
        let is_replacing = |best: &&&Version<'_>| best.place.piece != Place::LAKE;
        let Some(best) = stays.get(version.key).filter(is_replacing) else { continue };
        // The patients of a Provenance or a Binary are those of other resources, which are not known here.
        if version.key.starts_with(b"Provenance/") || version.key.starts_with(b"Binary/") {
            continue;
        }
        for home in version.homes.iter().filter(|home| !best.homes.contains(home)) {
            if noted.insert((version.key, *home)) {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                notes.record(Kind::Moved, Some(best.place), None, 1, || {
                    format!("{}: it was in the record of Patient/{}", text(version.key), text(home))
                });
            }
        }
    }
}
