use serde_json::json;

use super::*;

/// A Provenance with this number of targets, which no other one has.
fn provenance(number: usize, targets: usize) -> SharedLine {
    let targets = (0..targets).map(|target| json!({ "reference": format!("Location/{number}-{target}") }));
    let line = json!({ "resourceType": "Provenance", "id": number.to_string(), "target": targets.collect::<Vec<_>>() });
    SharedLine {
        reference: format!("Provenance/{number}"),
        line: line.to_string().into_bytes(),
        duplicates: 0,
        earlier: Vec::new(),
        is_whole: true,
        is_of_patient: false,
    }
}

#[test]
fn a_step_reads_few_targets_and_leaves_the_rest() {
    let (mut withheld, walk) = (WithheldTargets::default(), Walk::default());
    let lines: Vec<_> = (0..200).map(|number| provenance(number, MAX_TARGETS)).collect();
    let (mut left, mut steps) = (&lines[..], 0);
    while !left.is_empty() {
        let (unknown, count) = withheld.unknown(left, &walk);
        assert_eq!((unknown.len(), count), (MAX_TARGETS * count, left.len().min(3)));
        (left, steps) = (&left[count..], steps + 1);
    }
    assert_eq!(steps, 67);
    // Small ones are read together, and one that is too large needs no targets.
    let lines: Vec<_> = (0..200).map(|number| provenance(number, 2)).collect();
    assert_eq!(withheld.unknown(&lines, &walk).1, 200);
    let large = [provenance(1, MAX_TARGETS + 1), provenance(2, 1)];
    assert_eq!(withheld.unknown(&large, &walk).0.len(), 1);
    assert_eq!(withheld.unknown(&[], &walk).1, 0);
}
