//! What a patient reads about something that staff left out.

use http::StatusCode;
use tests::{ANNA, World, both_hosts};

use super::{approved, requested_copy, signed_in};
use crate::review::hidden;
use crate::review::left_out::ask;

#[both_hosts]
async fn a_reason_for_leaving_out_is_marked_with_its_language(world: World) {
    let session = signed_in(&world, ANNA).await;
    let copy = requested_copy(&world, &session, &[]).await;
    world.work().await;
    let staff = world.staff().await;
    let job = copy.replace("/my/exports/", "/jobs/");
    for (language, reason) in [("es", "Es de <otra> persona."), ("en", "It is of another person.")] {
        let (question, _) = ask(&world, &staff, &job, "Observation").await;
        let values = ["version", "file", "at", "hash"].map(|name| (name, hidden(&question, name)));
        let mut fields: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.push(("reason", reason));
        let post = world.post(&format!("/staff{job}/leave-out")).cookie(&staff).form(&fields);
        let done = post.header("accept-language", language).send().await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    }
    approved(&world, &copy).await;
    for (reader, before, open, close) in [
        ("en", "Our staff left it out. Why: ", "“", "”"),
        ("es", "Nuestro personal lo dejó fuera. Por qué: ", "«", "»"),
    ] {
        let shown = world.get(&copy).cookie(&session).header("accept-language", reader).send().await.text();
        let (spanish, english) = ("Es de &#60;otra&#62; persona.", "It is of another person.");
        let expected = format!(
            "<td>{before}{open}<bdi lang=\"es\">{spanish}</bdi>{close} {open}<bdi lang=\"en\">{english}</bdi>{close}</td>"
        );
        assert!(shown.contains(&expected), "{expected}: {shown}");
    }
}
