use domain::ports::files::write_all;

use super::*;

const LIST: &str = "exports/job/versions-1/list-0";

/// Returns the resources of a list with these keys.
async fn read(keys: &[String], limit: usize) -> Elsewhere {
    let platform = crate::spool::tests::platform();
    let files = platform.files();
    let mut lines = Vec::new();
    for key in keys {
        let listed = Listed { key: key.clone(), is_latest: true, is_refused: false };
        serde_json::to_writer(&mut lines, &listed).expect("written");
        lines.push(b'\n');
    }
    write_all(&*files, LIST, lines).await.expect("written");
    Elsewhere::read(&*files, LIST, limit).await.expect("read")
}

/// Deny by default: a resource that cannot be compared is not exported.
#[tokio::test]
async fn the_memory_for_a_list_is_limited() {
    let keys = ["Group/a", "Group/c", "Group/e"].map(str::to_owned);
    let elsewhere = read(&keys, 2).await;
    for (id, expected) in [
        ("a", Others::Earlier(None)),
        ("b", Others::None),
        ("c", Others::Earlier(None)),
        ("d", Others::Unknown),
        ("e", Others::Unknown),
    ] {
        assert_eq!(elsewhere.find("Group", id), expected, "{id}");
    }
    assert_eq!(read(&keys, 4).await.find("Group", "f"), Others::None);
}

#[tokio::test]
async fn an_id_of_any_length_is_compared() {
    let [long, other] = ["x", "y"].map(|letter| letter.repeat(1_000_000));
    let elsewhere = read(&[comparable_key("Group", &long)], 10).await;
    assert_eq!(elsewhere.find("Group", &long), Others::Earlier(None));
    assert_eq!(elsewhere.find("Group", &other), Others::None);
    assert_eq!(elsewhere.find("Medication", &long), Others::None);
}
