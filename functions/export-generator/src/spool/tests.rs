use super::*;

#[tokio::test]
async fn spilled_lines_are_replayed_in_order() {
    let platform = platform();
    let files = platform.files();
    let mut spool = Spool::default();
    let line = |number: usize| format!("{number} {}", "x".repeat(1_000_000)).into_bytes();
    for number in 0..9 {
        spool.push(&line(number), || "exports/spool".to_owned(), &*files).await.expect("written");
    }
    let (mut lines, key) = spool.replay(&*files).await.expect("read");
    assert_eq!(key.as_deref(), Some("exports/spool"));
    let mut read = 0;
    while let Some(found) = lines.next().await.expect("read") {
        assert_eq!(found.text, Some(line(read).as_slice()));
        read += 1;
    }
    assert_eq!(read, 9);
}

pub(crate) fn platform() -> local::Local {
    let settings = settings::Settings::parse("base_url = \"http://localhost\"", |_| None, None);
    let clock = std::sync::Arc::new(domain::clock::SystemClock);
    let random = std::sync::Arc::new(crypto::OsRandom);
    let records = std::env::temp_dir();
    local::Local::in_memory(&records, settings.expect("valid"), clock, random).expect("a platform")
}
