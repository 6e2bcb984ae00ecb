//! The contents of a copy, as its page shows them.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, TestResponse, World, both_hosts};
use words::Words;

use super::{approved, page, ready_copy, requested_copy, signed_in};
use crate::documents::{SOMEBODY, lake};
use crate::review::left_out::{ask, leave_out};

/// Returns the cells of a type on the page: the number of resources, and their first and last date.
fn row(shown: &str, kind: &str) -> (String, String) {
    let row = shown.split("<tr><td>").find(|row| row.contains(&format!(">{kind}</span>"))).expect(kind);
    let cell = |begins: &str| {
        let cell = row.split(begins).nth(1).expect("a cell");
        cell.split("</td>").next().unwrap_or_default().to_owned()
    };
    let count = cell("<td class=\"number\">");
    (count.clone(), cell(&format!("{count}</td><td>")))
}

/// Returns the same values, calculated from the resources in a file of the copy.
async fn expected(
    world: &World,
    session: &TestResponse,
    copy: &str,
    kind: &str,
    date: &str,
) -> (String, String) {
    let file = world.get(&format!("{copy}/files/{kind}.ndjson")).cookie(session).send().await;
    assert_eq!(file.status, StatusCode::OK, "{kind}");
    let lines = file.lines();
    let dates = lines.iter().map(|line| tests::text(line.pointer(date).expect("a date")));
    let mut days: Vec<_> = dates.map(|date| date[..10].to_owned()).collect();
    days.sort();
    let words = Words::default();
    let (first, last) = (days.first().expect("a resource"), days.last().expect("a resource"));
    assert_ne!(first, last, "{kind}");
    (lines.len().to_string(), format!("{} to {}", words.partial(first), words.partial(last)))
}

#[both_hosts(alone)]
async fn each_type_has_its_count_and_its_dates(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    let job = copy.replace("/my/exports/", "/jobs/");
    let staff = world.staff().await;
    let (question, _) = ask(&world, &staff, &job, "Observation").await;
    let done = leave_out(&world, &staff, &job, &question, "It is about another person.").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    approved(&world, &copy).await;
    let shown = page(&world, &session, &copy).await;
    assert_eq!(
        row(&shown, "Encounter"),
        expected(&world, &session, &copy, "Encounter", "/period/start").await
    );
    // The resource that staff left out may have been the first or the last.
    let (count, days) = row(&shown, "Observation");
    assert_eq!((count != "0", days.as_str()), (true, ""), "{shown}");
}

#[tokio::test]
async fn a_date_is_shown_as_exact_as_the_record_states_it() {
    let of = |kind: &str, members: Value| {
        let mut resource = json!({ "resourceType": kind, "id": "x",
            "subject": { "reference": format!("Patient/{SOMEBODY}") }, "patient": { "reference": format!("Patient/{SOMEBODY}") } });
        let more = members.as_object().expect("an object").clone();
        resource.as_object_mut().expect("an object").extend(more);
        resource
    };
    let lake = lake(
        &[
            json!({ "resourceType": "Patient", "id": SOMEBODY }),
            of("Encounter", json!({ "period": { "end": "2019-02" } })),
            of("Condition", json!({ "onsetDateTime": "2018" })),
            of("Procedure", json!({ "performedPeriod": { "end": "2017" } })),
        ],
        &[],
    );
    let world = World::with("sandbox = true", lake.path());
    let session = signed_in(&world, SOMEBODY).await;
    let copy = ready_copy(&world, &session).await;
    let shown = page(&world, &session, &copy).await;
    for (kind, days) in [("Encounter", "February 2019"), ("Condition", "2018"), ("Procedure", "2017")] {
        assert_eq!(row(&shown, kind), ("1".to_owned(), days.to_owned()), "{shown}");
    }
}
