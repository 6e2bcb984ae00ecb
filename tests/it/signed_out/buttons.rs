//! Buttons of staff without a page of their own: the sign-in leads back to the page that has them.

use http::StatusCode;
use tests::{World, both_hosts};

use super::{sent, sign_in, signed_in_again};
use crate::admin::in_review;
use crate::review::{decide, hidden, page};

#[both_hosts]
async fn a_button_that_arrives_after_the_session_leads_to_the_page_of_the_export(world: World) {
    let (job, _, staff) = in_review(&world).await;
    let path = format!("/staff{job}");
    let version = hidden(&page(&world, &staff, &format!("{path}/delete")).await, "version");
    decide(&world, &staff, &format!("{path}/delete"), &version, &[]).await;
    let file: [(&str, &str, &[u8]); 1] = [("a.txt", "text/plain", b"x")];
    let undo = world.post(&format!("{path}/undo")).form::<&str, &str>(&[]).send().await;
    let remove = world.post(&format!("{path}/remove-files")).form(&[("name", "a.txt"), ("version", "1")]);
    let attach = world.post(&format!("{path}/add-files")).files(&file).send().await;
    for (refused, said) in [
        (undo, "Sign in: the page is shown again."),
        (remove.send().await, "Sign in: the page is shown again."),
        (attach, "nothing was attached. Sign in, and choose the files again."),
    ] {
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let form = refused.text();
        assert!(form.contains(said) && !form.contains("name=\"kept\""), "{form}");
        assert_eq!(sent(&form, "next"), path);
    }
    let staff = sign_in(&world, tests::PASSWORD, &[("next", &path)]).await;
    let shown = page(&world, &staff, &staff.location()).await;
    assert!(shown.contains("Undo the deletion"), "nothing was changed: {shown}");
}

#[both_hosts]
async fn ticked_exports_that_arrive_after_the_session_are_shown_again(world: World) {
    let (first, _, staff) = in_review(&world).await;
    let (second, ..) = in_review(&world).await;
    let mut ticks = Vec::new();
    for job in [&first, &second] {
        let version = hidden(&page(&world, &staff, &format!("/staff{job}/approve")).await, "version");
        ticks.push(format!("{}.{version}", job.rsplit('/').next().expect("an id")));
    }
    let fields: Vec<_> = ticks.iter().map(|tick| ("job", tick.as_str())).collect();
    let refused = world.post("/staff/approve").form(&fields).send().await;
    let (staff, _, shown) = signed_in_again(&world, &refused).await;
    for tick in &ticks {
        assert!(shown.contains(&format!("name=\"job\" value=\"{tick}\"")), "{tick}: {shown}");
    }
    assert!(shown.contains("Approve 2 exports?"), "{shown}");
    let approved = world.post("/staff/approve").cookie(&staff).form(&fields).send().await.text();
    assert!(approved.contains("2 exports are approved"), "{approved}");
}
