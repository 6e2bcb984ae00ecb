//! The list of exports for staff: its order, its search, its pages, and the approval of several exports at once.

mod approval;
mod deleted;
mod filters;
mod order;
mod patients;

use http::StatusCode;
use tests::{TestResponse, World};

/// Returns the paths of the jobs on a page of the list, in their order.
fn listed(page: &str) -> Vec<String> {
    let links = page.split("/staff/jobs/").skip(1);
    links.filter_map(|rest| Some(format!("/jobs/{}", rest.split('"').next()?))).collect()
}

async fn list(world: &World, staff: &TestResponse, query: &str) -> String {
    let page = world.get(&format!("/staff{query}")).cookie(staff).send().await;
    assert_eq!(page.status, StatusCode::OK, "{query}: {}", page.text());
    page.text()
}

/// Returns the value of a job's tick box.
fn tick(page: &str, job: &str) -> String {
    let start = format!("name=\"job\" value=\"{}.", job.trim_start_matches("/jobs/"));
    let at = page.find(&start).unwrap_or_else(|| panic!("no tick box of {job}: {page}"));
    page[at + "name=\"job\" value=\"".len()..].split('"').next().expect("a value").to_owned()
}
