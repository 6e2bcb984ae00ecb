//! The pages of the list and its filters.

use http::StatusCode;
use tests::{ANNA, World};

use super::{list, listed};

#[tokio::test]
async fn a_list_has_pages_and_keeps_its_filters() {
    let world = World::with("sandbox = true\nmax_running_exports = 100", &ehi::defaults::sample_records());
    let mut jobs = Vec::new();
    for _ in 0..60 {
        let token = world.token(ANNA).await;
        jobs.push(world.kick_off(&token, "", ANNA).await);
        world.advance(3600);
    }
    jobs.reverse();
    let staff = world.staff().await;
    let mut address = "?tab=waiting&q=lindq&app=app&from=2026-03-01&to=2026-03-31".to_owned();
    let mut found = Vec::new();
    for rows in [25, 25, 10] {
        let page = list(&world, &staff, &address).await;
        assert_eq!(listed(&page).len(), rows);
        found.extend(listed(&page));
        assert!(
            page.contains("value=\"lindq\"") && page.contains("<option value=\"app\" selected>"),
            "{page}"
        );
        let next = page.split("<a href=\"").find(|link| link.contains("page=") && link.contains("Next page"));
        assert_eq!(next.is_some(), rows == 25);
        let Some(next) = next else { break };
        let next = next.split('"').next().expect("an address").replace("&#38;", "&");
        address = next.strip_prefix("/staff").expect("the list").to_owned();
    }
    assert_eq!(found, jobs);
    // The range includes both days.
    for (from, to, expected) in
        [("2026-03-02", "2026-03-02", 24), ("2026-03-03", "", 24), ("", "2026-03-01", 12)]
    {
        let address = format!("?tab=waiting&from={from}&to={to}");
        let (page, mut found) = (list(&world, &staff, &address).await, 0);
        found += listed(&page).len();
        assert_eq!(found, expected, "{address}");
    }
    assert_eq!(listed(&list(&world, &staff, "?tab=all&app=service").await), Vec::<String>::new());
    assert_eq!(listed(&list(&world, &staff, "?tab=all&app=%20a%20b").await), Vec::<String>::new());
    let wrong = list(&world, &staff, "?tab=all&from=2026-02-30&q=lindq").await;
    assert!(wrong.contains("<a href=\"#from\">Asked from: this is not a real date.</a>"), "{wrong}");
    assert!(
        wrong.contains("value=\"2026-02-30\"")
            && wrong.contains("value=\"lindq\"")
            && listed(&wrong).is_empty()
    );
    assert_eq!(world.get("/staff?page=x").cookie(&staff).send().await.status, StatusCode::BAD_REQUEST);
}
