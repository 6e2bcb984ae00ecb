use super::*;

#[test]
fn the_oldest_entries_are_dropped_and_the_sum_is_bounded() {
    let kept = Bounded::new(100);
    for number in 0..50_u32 {
        kept.put(number, number, 20);
    }
    assert_eq!((44..50).filter_map(|number| kept.get(&number)).collect::<Vec<_>>(), [45, 46, 47, 48, 49]);
    kept.put(49, 7, 25);
    assert_eq!((kept.get(&49), kept.get(&45), kept.get(&46)), (Some(7), None, Some(46)));
    kept.put(46, 8, 26);
    assert_eq!(kept.get(&46), None, "it is too large to keep, and the old value is not current");
    for _ in 0..1_000 {
        kept.put(1, 1, 1);
        kept.remove(&1);
    }
    let inner = kept.lock();
    assert!(inner.order.len() <= 2 * inner.entries.len() + 17, "{}", inner.order.len());
    assert_eq!(inner.bytes, inner.entries.values().map(|entry| entry.bytes).sum::<u64>());
}

#[test]
fn without_capacity_nothing_is_kept() {
    let kept = Bounded::new(0);
    kept.put(1, 1, 1);
    assert_eq!(kept.get(&1), None);
}
