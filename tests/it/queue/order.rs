//! The order of the list, and the marks of exports that are due soon.

use tests::{ANNA, BRUNO, World};

use super::{list, listed};

/// Check 30.
#[tokio::test]
async fn exports_in_review_are_listed_oldest_first_and_all_others_newest_first() {
    let world = World::new();
    let staff = world.staff().await;
    let empty = list(&world, &staff, "").await;
    assert!(empty.contains("Nothing needs review.") && listed(&empty).is_empty(), "{empty}");
    let mut reviewed = Vec::new();
    for patient in [ANNA, BRUNO, ANNA] {
        let token = world.token(patient).await;
        reviewed.push(world.kick_off(&token, "/no-form", patient).await);
        world.advance(60);
    }
    world.work().await;
    let token = world.token(ANNA).await;
    let waiting = world.kick_off(&token, "", ANNA).await;
    world.advance(60);
    let collecting = world.kick_off(&token, "/no-form", ANNA).await;
    let page = list(&world, &staff, "").await;
    assert_eq!(listed(&page), reviewed);
    for tab in [
        "Needs review <span class=\"count\">3<",
        "Collecting <span class=\"count\">1<",
        "Waiting <span class=\"count\">1<",
        "Ready <span class=\"count\">0<",
        ">All<",
    ] {
        assert!(page.contains(tab), "{tab}: {page}");
    }
    assert_eq!(listed(&list(&world, &staff, "?tab=waiting").await), std::slice::from_ref(&waiting));
    assert_eq!(listed(&list(&world, &staff, "?tab=collecting").await), std::slice::from_ref(&collecting));
    let newest_first: Vec<_> = reviewed.iter().cloned().chain([waiting, collecting]).rev().collect();
    assert_eq!(listed(&list(&world, &staff, "?tab=all").await), newest_first);
    let row = page.split("<tr").nth(2).expect("a row");
    for shown in [
        "Anna Lindqvist",
        "April 12, 1961",
        "MRN-1000",
        ANNA,
        "Needs review",
        "March 1, 2026",
        "March 31, 2026",
    ] {
        assert!(row.contains(shown), "{shown}: {row}");
    }
}

#[tokio::test]
async fn exports_that_are_due_soon_are_marked() {
    let world = World::new();
    let token = world.token(ANNA).await;
    world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let day = 24 * 3600;
    for (days, expected) in [
        (24, None),
        (1, Some("5 days left")),
        (4, Some("1 day left")),
        (1, Some("Due today")),
        (1, Some("Overdue")),
    ] {
        world.advance(days * day);
        let page = list(&world, &world.staff().await, "").await;
        assert!(page.contains("March 31, 2026"), "{page}");
        assert_eq!(page.contains("class=\"urgent\""), expected.is_some(), "{days}: {page}");
        assert!(expected.is_none_or(|expected| page.contains(expected)), "{expected:?}: {page}");
    }
}
