use std::collections::{BTreeMap, BTreeSet};

use domain::filter::Refusal;
use proptest::prelude::*;

use super::*;
use crate::elsewhere::{ListsOfFiles, Others};

const PREFIX: &str = "exports/job/versions-1/";
const FILES: [(Area, &str); 5] = [
    (Area::Shared, "0.ndjson"),
    (Area::Shared, "1.ndjson.gz"),
    (Area::Shared, "z.ndjson"),
    (Area::Groups, "0.ndjson"),
    (Area::Groups, "g.json"),
];
const KEYS: [&str; 5] = ["Group/g", "Group/", "Medication/a_b", "Medication/\"c\"", "Medication/a/b"];

fn version() -> impl Strategy<Value = Found> {
    let key = prop::sample::select(&KEYS[..]);
    (key, 0..5_u32, -1..3_i64, prop::bool::weighted(0.2)).prop_map(|(key, file, changed, is_refused)| Found {
        key: key.to_owned(),
        file,
        changed,
        is_refused,
    })
}

async fn is_listed(versions: Vec<Found>, limits: Limits) {
    let platform = crate::spool::tests::platform();
    let files = platform.files();
    let outside = FILES.map(|(area, name)| (area, name.to_owned()));
    let mut known: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let runs = runs_of_keys(PREFIX);
    let mut sorter = Sorter::new(&*files, &runs, limits);
    for version in versions {
        known.entry(version.key.clone()).or_default().push(version.clone());
        sorter.push(version).await.expect("pushed");
    }
    let has_any = write_lists(&*files, PREFIX, sorter, &outside, limits).await.expect("written");
    let is_in_several = |versions: &Vec<Found>| {
        versions.iter().map(|version| version.file).collect::<BTreeSet<_>>().len() > 1
    };
    assert_eq!(has_any, known.values().any(is_in_several));
    for runs in ["keys/", "entries/"] {
        let left = files.list(&format!("{PREFIX}{runs}")).await.expect("listed");
        assert_eq!(left, [""; 0], "no run is left");
    }
    let lists = ListsOfFiles::open(&*files, has_any.then_some(PREFIX)).await.expect("opened");
    for (number, (area, name)) in FILES.into_iter().enumerate() {
        let elsewhere = lists.of(area, name).await.expect("read");
        for key in KEYS {
            let versions = known.get(key).map_or(&[][..], Vec::as_slice);
            let is_here = versions.iter().any(|version| version.file as usize == number);
            let latest = versions.iter().max_by_key(|version| (version.changed, version.file));
            let refused = versions.iter().any(|version| version.is_refused);
            let refused = refused.then_some(Refusal { category: None });
            let expected = match latest {
                Some(latest) if is_here && versions.iter().any(|version| version.file != latest.file) => {
                    match latest.file as usize == number {
                        true => Others::Earlier(refused),
                        false => Others::Later(refused),
                    }
                }
                _ => Others::None,
            };
            let (resource_type, id) = key.split_once('/').expect("a key");
            assert_eq!(elsewhere.find(resource_type, id), expected, "{key} in {name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn each_file_knows_the_versions_in_other_files_however_many_runs_there_are(
        versions in prop::collection::vec(version(), 0..30),
        run in 1_usize..600,
        fan_in in 2_usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(is_listed(versions, Limits { run, fan_in }));
    }
}
