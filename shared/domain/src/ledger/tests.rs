use proptest::prelude::*;

use super::*;

/// Returns a balanced ledger with these counts.
fn balanced(counts: &[u64]) -> Ledger {
    let mut ledger = Ledger::default();
    let mut counts = counts.iter().copied().cycle();
    let mut next = || counts.next().unwrap_or_default();
    ledger.resources.written = next();
    for reason in Reason::ALL {
        ledger.resources.left_out.add(reason, next());
    }
    for category in Sensitive::ALL {
        ledger.resources.withheld.insert(category, next());
    }
    ledger.resources.duplicates = next();
    ledger.resources.problems = next();
    ledger.resources.made = next();
    let Resources { written, left_out, withheld, duplicates, problems, .. } = &ledger.resources;
    ledger.resources.read =
        written + left_out.total() + withheld.values().sum::<u64>() + duplicates + problems;
    ledger.documents.written = next();
    ledger.documents.left_out.add(Reason::Since, next());
    ledger.documents.withheld.insert(Sensitive::ALL[0], next());
    ledger.documents.problems = next();
    let Documents { written, left_out, withheld, problems, .. } = &ledger.documents;
    ledger.documents.found = written + left_out.total() + withheld.values().sum::<u64>() + problems;
    ledger.patients = Patients { planned: 0, exported: next(), absent: next(), failed: next() };
    ledger.patients.planned = ledger.patients.exported + ledger.patients.absent + ledger.patients.failed;
    ledger.problems = Problems { reported: next(), unlisted: next() };
    ledger
}

proptest! {
    #[test]
    fn sums_of_balanced_ledgers_balance_and_survive_json(
        one in prop::collection::vec(0u64..1_000, 1..30),
        other in prop::collection::vec(0u64..1_000, 1..30),
    ) {
        let (mut sum, other) = (balanced(&one), balanced(&other));
        let read = sum.resources.read + other.resources.read;
        sum.add(&other);
        prop_assert_eq!(sum.check(), Ok(()));
        prop_assert_eq!(sum.resources.read, read);
        let text = serde_json::to_string(&sum).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Ledger>(&text).expect("the same"), sum);
    }

    #[test]
    fn one_resource_or_patient_more_or_less_unbalances_the_ledger(counts in prop::collection::vec(1u64..1_000, 1..30)) {
        let mut ledger = balanced(&counts);
        ledger.resources.read += 1;
        prop_assert!(ledger.check().is_err());
        let mut ledger = balanced(&counts);
        ledger.resources.written -= 1;
        prop_assert!(ledger.check().is_err());
        let mut ledger = balanced(&counts);
        ledger.patients.absent += 1;
        prop_assert!(ledger.check().is_err());
        let mut ledger = balanced(&counts);
        ledger.documents.found += 1;
        prop_assert!(ledger.check().is_err());
    }
}

#[test]
fn keys_are_the_names_in_json_and_reasons_are_at_their_index() {
    for (index, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, index);
        assert_eq!(serde_json::json!(reason), reason.key());
    }
}

#[test]
fn rows_with_fewer_members_are_read() {
    let ledger: Ledger =
        serde_json::from_str(r#"{"resources":{"read":2,"leftOut":{"since":2}}}"#).expect("JSON");
    assert_eq!((ledger.check(), ledger.resources.left_out.get(Reason::Since)), (Ok(()), 2));
}
