//! The list of deleted exports, which staff can restore.

use http::StatusCode;
use tests::{ANNA, TestResponse, World};

use super::{list, listed};
use crate::admin::in_review;
use crate::review::{decide, hidden};

/// Deletes an export as the page of staff does.
async fn delete(world: &World, staff: &TestResponse, job: &str) {
    let path = format!("/staff{job}/delete");
    let question = world.get(&path).cookie(staff).send().await.text();
    let deleted = decide(world, staff, &path, &hidden(&question, "version"), &[]).await;
    assert_eq!(deleted.status, StatusCode::SEE_OTHER, "{}", deleted.text());
}

#[tokio::test]
async fn deleted_exports_are_listed_until_their_deletion_cannot_be_undone() {
    let world = World::new();
    let (job, token, staff) = in_review(&world).await;
    let (final_one, _, _) = in_review(&world).await;
    world.request(http::Method::DELETE, &format!("/admin{final_one}")).cookie(&staff).send().await;
    let cancelled = world.kick_off(&token, "", ANNA).await;
    world.request(http::Method::DELETE, &format!("{cancelled}/status")).bearer(&token).send().await;
    let tab = |count: usize| format!(">Deleted <span class=\"count\">{count}<");
    let nothing = list(&world, &staff, "?tab=deleted").await;
    assert!(nothing.contains("There is no deleted export that can be restored."), "{nothing}");
    assert!(nothing.contains(&tab(0)) && listed(&nothing).is_empty(), "{nothing}");
    delete(&world, &staff, &job).await;
    assert!(list(&world, &staff, "").await.contains(&tab(1)));
    for (query, is_listed) in [
        ("?tab=deleted", true),
        ("?tab=deleted&q=lindq", true),
        ("?tab=deleted&app=app", true),
        ("?tab=deleted&q=keller", false),
        ("?tab=all", false),
        ("", false),
    ] {
        let page = list(&world, &staff, query).await;
        let expected = if is_listed { std::slice::from_ref(&job) } else { &[] };
        assert_eq!(listed(&page), expected, "{query}");
        assert_eq!(page.contains("Deleted. You can undo it until March 2, 2026"), is_listed, "{page}");
    }
    let numbered = |job: &str| world.get(&format!("/staff?q={}", job.trim_start_matches("/jobs/")));
    let found = numbered(&job).cookie(&staff).send().await;
    assert!(found.location().ends_with(&format!("/staff{job}")), "{}", found.location());
    let found = numbered(&final_one).cookie(&staff).send().await;
    assert!(found.location().ends_with(&format!("/staff{final_one}")), "{}", found.location());
    world.post(&format!("/staff{job}/undo")).cookie(&staff).send().await;
    assert!(listed(&list(&world, &staff, "?tab=deleted").await).is_empty());
    delete(&world, &staff, &job).await;
    world.advance(24 * 3600);
    let staff = world.staff().await;
    let page = list(&world, &staff, "?tab=deleted").await;
    assert!(listed(&page).is_empty() && page.contains(&tab(0)), "{page}");
    let found = numbered(&job).cookie(&staff).send().await;
    assert!(found.location().ends_with(&format!("/staff{job}")), "{}", found.location());
}

#[tokio::test]
async fn deleted_exports_have_pages_and_are_found_among_many_cancelled_ones() {
    let world = World::with("sandbox = true\nmax_running_exports = 100", &ehi::defaults::sample_records());
    let (token, mut jobs) = (world.token(ANNA).await, Vec::new());
    for _ in 0..30 {
        jobs.push(world.kick_off(&token, "/no-form", ANNA).await);
        world.work().await;
        world.advance(1);
    }
    jobs.reverse();
    let staff = world.staff().await;
    for job in &jobs {
        delete(&world, &staff, job).await;
    }
    let pages = async || {
        let (mut address, mut found, mut pages) = ("?tab=deleted".to_owned(), Vec::new(), Vec::new());
        loop {
            let page = list(&world, &staff, &address).await;
            pages.push(listed(&page).len());
            found.extend(listed(&page));
            let next = page.split("<a href=\"").find(|link| link.contains("Next page"));
            let Some(next) = next else { return (found, pages) };
            let next = next.split('"').next().expect("an address").replace("&#38;", "&");
            address = next.strip_prefix("/staff").expect("the list").to_owned();
        }
    };
    assert_eq!(pages().await, (jobs.clone(), vec![25, 5]));
    assert!(list(&world, &staff, "").await.contains(">Deleted <span class=\"count\">30<"));
    for _ in 0..120 {
        let cancelled = world.kick_off(&token, "", ANNA).await;
        world.request(http::Method::DELETE, &format!("{cancelled}/status")).bearer(&token).send().await;
    }
    assert_eq!(pages().await, (jobs.clone(), vec![25, 5]));
    // The newest hundred do not tell the number.
    assert!(list(&world, &staff, "").await.contains(">Deleted</a>"));
    world.advance(1);
    let (restorable, _, _) = in_review(&world).await;
    delete(&world, &staff, &restorable).await;
    assert!(list(&world, &staff, "").await.contains(">Deleted <span class=\"count\">1+<"));
}
