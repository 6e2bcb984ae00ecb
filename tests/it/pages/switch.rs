//! The switch of the language on pages that are responses to a form: it leads to a page that shows the same.

use http::StatusCode;
use tests::{TestResponse, World, both_hosts};

use super::BROWSER;
use crate::admin::in_review;
use crate::review::{decide, hidden};

/// Returns the address of the link to the Spanish page.
fn spanish(page: &TestResponse) -> String {
    let html = page.text();
    let links = html.split("<span class=\"languages\"><a href=\"").skip(1);
    let links: Vec<_> =
        links.filter_map(|rest| rest.split_once('"').map(|(link, _)| link.replace("&#38;", "&"))).collect();
    assert_eq!(links.len(), 1, "{html}");
    links.concat()
}

#[both_hosts]
async fn the_page_of_an_export_with_a_problem_leads_to_the_page_of_this_export(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let stale = decide(&world, &staff, &format!("/staff{job}/approve"), "0", &[]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "{}", stale.text());
    assert_eq!(spanish(&stale), format!("/staff{job}?lang=es"));
    // The page itself keeps its query.
    let shown = world.get(&format!("/staff{job}?files=1")).cookie(&staff).send().await;
    assert_eq!(spanish(&shown), format!("/staff{job}?files=1&lang=es"));
}

#[both_hosts]
async fn the_result_of_several_approvals_leads_to_a_page_that_says_who_approved_them(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let question = world.get(&format!("/staff{job}/approve")).cookie(&staff).send().await.text();
    let ticked = format!("{}.{}", job.rsplit('/').next().expect("an id"), hidden(&question, "version"));
    let done = world.post("/staff/approve").cookie(&staff).form(&[("job", &ticked)]).send().await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    let address = spanish(&done);
    assert_eq!(address, format!("/staff/approve?job={ticked}&lang=es"));
    let shown = world.get(&address).cookie(&staff).send().await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text());
    let text = shown.text();
    assert!(
        text.contains("<html lang=\"es\"") && text.contains("Anna Lindqvist") && text.contains("admin"),
        "{text}"
    );
    assert!(text.contains(&format!("/staff{job}")), "{text}");
}

/// The response to a form cannot be shown again, so the switch of its error page leads to the next step.
#[both_hosts]
async fn the_error_page_of_a_form_leads_to_the_next_step(world: World) {
    let staff = world.staff().await;
    for (path, next) in [("/nothing", "/"), ("/staff/nothing", "/staff"), ("/my/nothing", "/my")] {
        let sent = world.post(path).cookie(&staff).header("accept", BROWSER).send().await;
        assert!(sent.status.is_client_error(), "{}", sent.status);
        assert_eq!(spanish(&sent), format!("{next}?lang=es"), "{path}");
        let opened = world.get(path).cookie(&staff).header("accept", BROWSER).send().await;
        assert_eq!(spanish(&opened), format!("{path}?lang=es"), "{path}");
    }
}
