//! Damaged packs.

use super::*;

/// Changes the bytes of a pack; the second argument is the offset of its index.
type Damage = fn(&mut Vec<u8>, usize);

/// Exports Anna's record, damages the pack of the patient's chunk, and restarts the server.
async fn damaged(damage: Damage) -> (Kept, String, Vec<String>) {
    let kept = Kept::over(&ehi::defaults::sample_records()).await;
    let job = kept.world.exported(&kept.token, ANNA).await;
    let attachments = urls(&kept.world, &kept.token, &job).await.into_iter();
    let attachments: Vec<_> = attachments.filter(|url| url.contains("/attachments/")).collect();
    let (chunk, result) = results(kept.world.platform(), &job).await.swap_remove(0);
    let index = usize::try_from(result.attachments.expect("an index").offset).expect("small");
    let path = kept.directory(&job).join(format!("{chunk}-{}/pack", result.attempt));
    let mut bytes = std::fs::read(&path).expect("a pack");
    damage(&mut bytes, index);
    std::fs::write(&path, bytes).expect("written");
    // A new process has not read the index yet.
    let Kept { world, state, token } = kept;
    let platform = world.platform().clone();
    let clock = world.clock().clone();
    (Kept { world: World::over(platform, clock), state, token }, job, attachments)
}

#[tokio::test]
async fn a_damaged_index_is_an_error_and_never_other_bytes() {
    let changes: [(&str, Damage); 4] = [
        ("a digit of a place", |bytes, index| {
            let digit = bytes[index..].iter().position(u8::is_ascii_digit).expect("a number");
            bytes[index + digit] ^= 1;
        }),
        ("cut in the middle", |bytes, index| bytes.truncate(index + 20)),
        ("cut before it", |bytes, index| bytes.truncate(index)),
        ("empty", |bytes, _| bytes.clear()),
    ];
    for (name, change) in changes {
        let (kept, _, attachments) = damaged(change).await;
        assert_eq!(attachments.len(), 8);
        for url in attachments {
            let response = kept.get(&url).await;
            assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR, "{name}: {url}");
            assert!(response.outcome().contains("logged"), "{}", response.outcome());
        }
    }
}
