use super::*;

#[test]
fn absent_members_fit_into_a_row_whatever_their_names_are() {
    let unknown: BTreeSet<_> =
        (0..1_500).map(|number| format!("{number:04}{}", "\u{1}".repeat(200))).collect();
    let Some(Work::Absent { members, more, .. }) = absent(unknown, Vec::new()) else { panic!("none") };
    assert_eq!(members.len() as u64 + more, 1_500);
    assert!(members.len() > 200, "{}", members.len());
    assert!(serde_json::to_string(&members).expect("JSON").len() < 200_000);
    let short: BTreeSet<_> = (0..1_500).map(|number| number.to_string()).collect();
    let Some(Work::Absent { members, more, .. }) = absent(short, Vec::new()) else { panic!("none") };
    assert_eq!((members.len(), more), (MAX_NAMED, 500));
}
