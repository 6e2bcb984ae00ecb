//! A file that is too large for a request of Lambda, attached on the pages of staff without scripts.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use tests::{ANNA, TestResponse, World};

use crate::review::{hidden, page};

/// A document that is larger than a request of Lambda.
const SIZE: usize = 5 * 1024 * 1024 + 1;

/// Returns the address and the hidden fields of the form that sends a file to the bucket.
fn form_of(page: &str) -> (String, BTreeMap<String, String>) {
    let form = page.split("<form method=\"post\" action=\"https://").nth(1).expect("a form of the bucket");
    let (address, form) = form.split_once('"').expect("an address");
    let form = form.split("</form>").next().unwrap_or_default();
    let value = |tag: &str, name: &str| {
        let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
        Some(value.replace("&#38;", "&"))
    };
    let fields = form.split("<input type=\"hidden\"").skip(1);
    let fields = fields.filter_map(|tag| Some((value(tag, "name")?, value(tag, "value")?)));
    (format!("https://{address}"), fields.collect())
}

/// Checks that the signed policy permits these fields, and a file of every size that is allowed.
fn check_policy(fields: &BTreeMap<String, String>) {
    let policy = STANDARD.decode(&fields["policy"]).expect("base64");
    let policy: Value = serde_json::from_slice(&policy).expect("JSON");
    let conditions = policy["conditions"].as_array().expect("conditions");
    let most = 10 * 1024 * 1024;
    assert!(conditions.contains(&json!(["content-length-range", 1, most])), "{policy}");
    for (name, value) in fields.iter().filter(|(name, _)| !matches!(&***name, "policy" | "x-amz-signature")) {
        assert!(conditions.contains(&json!(["eq", format!("${name}"), value])), "{name}: {policy}");
    }
}

/// Names the file; returns the address of its form.
async fn named(world: &World, staff: &TestResponse, job: &str) -> String {
    let start = format!("/staff{job}/upload");
    let shown = page(world, staff, &format!("/staff{job}")).await;
    assert!(shown.contains(&format!("href=\"{start}\"")), "{shown}");
    assert!(page(world, staff, &start).await.contains("A file of up to 10 MB"));
    let unnamed = world.post(&start).cookie(staff).form(&[("name", " ")]).send().await;
    assert_eq!(unnamed.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unnamed.text());
    assert!(
        unnamed.text().contains("<a href=\"#name\">Type the name of the file.</a>"),
        "{}",
        unnamed.text()
    );
    let begun = world.post(&start).cookie(staff).form(&[("name", "scan.pdf")]).send().await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text());
    begun.location()
}

/// A large file goes through the form of the bucket, and back to a page that attaches it, once.
pub(super) async fn a_large_file_is_attached_on_the_pages(world: World) {
    let token = world.token(ANNA).await;
    let job = world.kick_off(&token, "/no-form", ANNA).await;
    world.work().await;
    let staff = world.staff().await;
    let address = named(&world, &staff, &job).await;
    let form = world.get(&address).cookie(&staff).send().await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.text());
    let (bucket, fields) = form_of(&form.text());
    let policy = form.header("content-security-policy");
    assert!(policy.contains(&format!("form-action 'self' {bucket};")), "{policy}");
    check_policy(&fields);
    assert_eq!(fields["success_action_redirect"], address);
    assert_eq!(fields["Content-Type"], "application/pdf");
    let scan = [b"%PDF-".as_slice(), &vec![b'x'; SIZE - 5]].concat();
    world.account().simulation().upload(&fields["key"], scan);
    // S3 adds parameters to the address.
    let back = format!("{address}?bucket=the-files&key={}&etag=%221%22", fields["key"]);
    let question = page(&world, &staff, &back).await;
    assert!(question.contains("Attach scan.pdf?") && question.contains("has arrived (6 MB)"), "{question}");
    let version = hidden(&question, "version");
    for fields in [[("version", "0")], [("version", &*version)], [("version", &*version)]] {
        let attached = world.post(&address).cookie(&staff).form(&fields).send().await;
        let expected = if fields[0].1 == "0" { StatusCode::CONFLICT } else { StatusCode::SEE_OTHER };
        assert_eq!(attached.status, expected, "{}", attached.text());
        if expected == StatusCode::CONFLICT {
            let (_, path) = address.split_once("/staff/").expect("a page of staff");
            let switch = format!("/staff/{path}?lang=es\"");
            assert!(attached.text().contains(&switch), "{switch}: {}", attached.text());
        }
    }
    let shown = page(&world, &staff, &format!("/staff{job}")).await;
    assert_eq!(shown.matches("<span class=\"unseen\"> scan.pdf</span></button>").count(), 1, "{shown}");
    let again = world.get(&address).cookie(&staff).send().await;
    assert!(again.location().ends_with(&format!("/staff{job}")), "{}", again.location());
    over(&world, &staff, &job).await;
}

/// Checks that the page of a file whose time is over offers to begin again.
async fn over(world: &World, staff: &TestResponse, job: &str) {
    let address = named(world, staff, job).await;
    world.account().wait(std::time::Duration::from_secs(3_601)).await;
    let staff = world.staff().await;
    let late = world.get(&address).cookie(&staff).send().await;
    assert_eq!(late.status, StatusCode::NOT_FOUND, "{}", late.text());
    assert!(late.text().contains("Begin again.") && late.text().contains("id=\"name\""), "{}", late.text());
    let unknown = "/staff/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651/upload/nothing";
    let unknown = world.get(unknown).cookie(&staff).send().await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(!unknown.text().contains("id=\"name\""), "{}", unknown.text());
}
