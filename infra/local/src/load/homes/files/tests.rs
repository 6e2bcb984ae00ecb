use super::*;

#[test]
fn a_file_is_merged_only_with_files_that_are_as_large_together() {
    assert_eq!(to_merge(&[1, 1, 1], 3, 0), 0, "these are few");
    assert_eq!(to_merge(&[1, 1, 1, 1], 3, 0), 4);
    assert_eq!(to_merge(&[1, 1, 1, 1, 5], 3, 0), 4);
    assert_eq!(to_merge(&[1, 1, 1, 1, 4], 3, 0), 5);
    assert_eq!(to_merge(&[1, 2, 4, 8, 16], 3, 0), 0, "each is larger than the smaller ones together");
    assert_eq!(to_merge(&[1, 2, 4, 8, 32], 3, 5), 4, "small files count as larger ones");
}

/// The bytes that many equal loads write, and the number of files, stay small.
#[test]
fn the_rows_of_many_loads_are_seldom_written_again() {
    let (mut files, mut written, mut most) = (vec![1_000_000_u64], 0, 0);
    for _ in 0..1_000 {
        files.push(100);
        files.sort_unstable();
        let count = to_merge(&files, 8, 1);
        if count > 1 {
            let merged: u64 = files.drain(..count).sum();
            written += merged;
            files.push(merged);
        }
        most = most.max(files.len());
    }
    assert_eq!(files.iter().sum::<u64>(), 1_100_000);
    assert!(files.contains(&1_000_000), "the large file is not written again");
    assert!(most <= 12, "{most} files");
    assert!(written <= 8 * 100_000, "{written} bytes were written again");
}
