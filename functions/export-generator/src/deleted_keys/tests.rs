use proptest::prelude::*;

use super::*;

const PREFIX: &str = "exports/job/deleted-1/";

proptest! {
    #[test]
    fn no_key_is_lacking(keys in prop::collection::vec(".{0,30}", 0..200), room in 0_usize..300) {
        for mut deleted in [DeletedKeys::None, DeletedKeys::for_many(room)] {
            for key in &keys {
                deleted.add(key);
            }
            prop_assert!(keys.iter().all(|key| deleted.may_have(key)));
        }
    }
}

#[tokio::test]
async fn a_filter_is_read_as_it_was_written_and_has_few_other_keys() {
    let platform = crate::spool::tests::platform();
    let files = platform.files();
    assert!(DeletedKeys::read(&*files, PREFIX).await.expect("read").is_empty());
    let mut written = DeletedKeys::for_many(10_000);
    (0..10_000).for_each(|number| written.add(&format!("Observation/{number}")));
    written.write(&*files, PREFIX).await.expect("written");
    let read = DeletedKeys::read(&*files, PREFIX).await.expect("read");
    assert!((0..10_000).all(|number| read.may_have(&format!("Observation/{number}"))));
    let wrong = (0..10_000).filter(|number| read.may_have(&format!("Condition/{number}"))).count();
    assert!(wrong < 100, "{wrong} of 10,000");
}

#[test]
fn the_memory_of_a_filter_is_limited() {
    for (keys, expected) in [(0, MIN_BITS), (1_000, 1 << 14), (usize::MAX, MAX_BITS)] {
        let DeletedKeys::Many(words) = DeletedKeys::for_many(keys) else { panic!("another kind") };
        assert_eq!(words.len() * 64, expected, "{keys}");
    }
}
