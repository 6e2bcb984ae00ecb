use proptest::prelude::*;

use super::*;

const MOST: u64 = 60;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

fn options() -> OutputOptions {
    OutputOptions { max_file_bytes: Some(MOST), ..OutputOptions::default() }
}

/// Returns the texts of files in order, and checks that each matches its description.
async fn texts(files: &dyn Files, written: &[OutputFile]) -> Vec<String> {
    let mut texts = Vec::new();
    for file in written {
        let text = packs::read(files, &file.location(), usize::MAX).await.expect("a file");
        assert_eq!(file.size, text.len() as u64);
        texts.push(String::from_utf8(text).expect("text"));
    }
    texts
}

proptest! {
    #[test]
    fn a_file_exceeds_the_maximum_only_if_it_has_a_single_line(lengths in prop::collection::vec(0_usize..90, 1..40)) {
        run(async {
            let platform = crate::spool::tests::platform();
            let (files, options) = (platform.files(), options());
            let mut outputs = Outputs::new(&*files, "exports/a/".to_owned(), &options);
            let lines: Vec<_> = lengths.iter().enumerate().map(|(number, length)| format!("{number}{}", "x".repeat(*length))).collect();
            for (number, line) in lines.iter().enumerate() {
                let resource_type = if number % 3 == 0 { "Claim" } else { "Patient" };
                outputs.write(Purpose::Output, resource_type, line.as_bytes()).await.expect("written");
            }
            let written = outputs.finish().await.expect("finished").files;
            assert!(written.iter().all(|file| file.size <= MOST || file.count == 1), "{written:?}");
            let mut found: Vec<_> = texts(&*files, &written).await.iter().flat_map(|text| text.lines().map(str::to_owned)).collect();
            found.sort();
            let mut expected = lines.clone();
            expected.sort();
            assert_eq!(found, expected);
            // The files are as large as possible: each file and the first line of the next one exceed the limit.
            let mut joined = Outputs::new(&*files, "exports/b/".to_owned(), &options);
            for file in &written {
                joined.append(file).await.expect("appended");
            }
            let count: u64 = written.iter().map(|file| file.count).sum();
            let joined = joined.finish().await.expect("finished").files;
            assert!(joined.iter().all(|file| file.size <= MOST || file.count == 1), "{joined:?}");
            assert_eq!(joined.iter().map(|file| file.count).sum::<u64>(), count);
            assert_eq!(texts(&*files, &joined).await.iter().map(String::len).sum::<usize>(), lines.iter().map(|line| line.len() + 1).sum::<usize>());
        });
    }

    #[test]
    fn a_file_exceeds_the_maximum_only_if_it_has_a_single_block(blocks in prop::collection::vec(prop::collection::vec(0_usize..40, 1..5), 1..20)) {
        run(async {
            let platform = crate::spool::tests::platform();
            let (files, options) = (platform.files(), options());
            let mut outputs = Outputs::new(&*files, "exports/a/".to_owned(), &options);
            for (number, lengths) in blocks.iter().enumerate() {
                let lines: Vec<_> = lengths.iter().map(|length| format!("{number} {}", "x".repeat(*length))).collect();
                outputs.begin_block(lines.iter().map(|line| line.len() as u64 + 1).sum()).await.expect("begun");
                for line in lines {
                    outputs.write(Purpose::Blocks, "Patient", line.as_bytes()).await.expect("written");
                }
            }
            let written = outputs.finish().await.expect("finished").files;
            let mut seen = std::collections::BTreeSet::new();
            for text in texts(&*files, &written).await {
                let mut numbers: Vec<_> = text.lines().map(|line| line.split_once(' ').expect("a number").0.to_owned()).collect();
                numbers.dedup();
                assert!(text.len() as u64 <= MOST || numbers.len() == 1, "{text}");
                assert!(numbers.into_iter().all(|number| seen.insert(number)), "a block in two files");
            }
            assert_eq!(seen.len(), blocks.len());
        });
    }
}
