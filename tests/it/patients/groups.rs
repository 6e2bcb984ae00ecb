//! Exports of groups that staff start.

use std::path::Path;

use domain::audit::Action;
use domain::ports::audit::{AuditQuery, all};
use futures_util::TryStreamExt;
use http::StatusCode;
use serde_json::{Value, json};
use tests::{PASSWORD, TestResponse, World, both_hosts, text};

use crate::program::{Served, ehi};
use crate::review::{hidden, link};
use crate::started::{unchanged_form, with_texts};
use crate::strangers::peak_kilobytes;

const FORM: &str = "/staff/groups/everyone/export";

#[both_hosts(alone)]
async fn staff_export_a_group_with_a_reason(world: World) {
    let staff = world.staff().await;
    let list = world.get("/staff/groups").cookie(&staff).send().await.text();
    assert!(list.contains("All sample patients") && list.contains(FORM), "{list}");
    let (fields, page) = unchanged_form(&world, &staff, FORM).await;
    assert!(page.contains("All sample patients") && page.contains("records of up to 4 patients"), "{page}");
    let missing = world.post(FORM).cookie(&staff).form(&fields).send().await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(missing.text().contains("Say why the export is made."), "{}", missing.text());
    let fields = with_texts(fields, &[("receiver", "the registry"), ("reason", "contract 7")]);
    let send = || world.post(FORM).cookie(&staff).form(&fields);
    let other_site = send().header("origin", "https://evil.example.org").send().await;
    assert_eq!(other_site.status, StatusCode::FORBIDDEN);
    let started = send().send().await.location();
    assert_eq!(send().send().await.location(), started, "a second click starts nothing");
    let job = started.split_once("/staff").expect("a page of staff").1.to_owned();
    world.work().await;
    let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
    assert_eq!(shown["status"], "retrieved", "{shown}");
    assert_eq!(shown["history"][0]["what"], "asked for an export for the registry: contract 7");
    let page = world.get(&format!("/staff{job}")).cookie(&staff).send().await.text();
    assert!(page.contains("Group everyone") && page.contains("contract 7"), "{page}");
    let file = |name: &str| format!("/staff{job}/files/{name}/download");
    let early = world.get(&file("Patient.ndjson")).cookie(&staff).send().await;
    assert_eq!(early.status, StatusCode::NOT_FOUND, "it is not approved");
    let files = [("letter.pdf", "application/pdf", b"%PDF".as_slice())];
    let attached = world.post(&format!("/admin{job}/add-files")).cookie(&staff).files(&files).send().await;
    assert_eq!(attached.status, StatusCode::CONFLICT, "files are about one patient: {}", attached.text());
    let approved = world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    downloaded(&world, &staff, &job).await;
    assert_eq!(world.get(&file("Patient.ndjson")).send().await.status, StatusCode::SEE_OTHER);
    for path in ["/staff/groups", FORM] {
        assert_eq!(world.get(path).send().await.status, StatusCode::SEE_OTHER, "{path}");
    }
    let nobody = world.get("/staff/groups/none/export").cookie(&staff).send().await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_audit_trail_names_the_group_whose_export_is_started() {
    let world = World::new();
    let staff = world.staff().await;
    let (fields, _) = unchanged_form(&world, &staff, FORM).await;
    let fields = with_texts(fields, &[("receiver", "a"), ("reason", "b")]);
    let started = world.post(FORM).cookie(&staff).form(&fields).send().await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text());
    let query = AuditQuery { count: 100, ..AuditQuery::default() };
    let entries: Vec<_> = all(&*world.platform().audit(), query).try_collect().await.expect("entries");
    let starts = entries.iter().filter(|entry| entry.event.action == Action::ExportStarted);
    let groups: Vec<_> = starts.filter_map(|entry| Some(entry.event.population.as_ref()?.name())).collect();
    assert_eq!(groups, ["Group/everyone"]);
}

/// Adds a group with these members to a lake.
fn with_group(lake: &Path, id: &str, group: &Value) {
    let directory = lake.join("Group");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join(format!("{id}.json")), group.to_string()).expect("written");
}

fn group(name: &str, members: &[Value]) -> Value {
    json!({ "resourceType": "Group", "name": name, "member": members })
}

fn member(reference: &str) -> Value {
    json!({ "entity": { "reference": reference } })
}

#[tokio::test]
async fn a_group_that_has_changed_is_shown_again_before_its_export_starts() {
    let lake = tempfile::tempdir().expect("a directory");
    for id in ["a", "b", "c"] {
        super::put(lake.path(), &super::patient(id, "Ann", "Smith", "1980"));
    }
    let path = "/staff/groups/g/export";
    let put = |ids: &[&str], name: &str| {
        let members: Vec<_> = ids.iter().map(|id| member(&format!("Patient/{id}"))).collect();
        with_group(lake.path(), "g", &group(name, &members));
    };
    put(&["a"], "Study");
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    let texts = [("receiver", "the registry"), ("reason", "contract 7")];
    let (mut fields, _) = unchanged_form(&world, &staff, path).await;
    // Another patient, as many patients as before, and another group of this id.
    for (ids, name, count) in [
        (&["a", "b"][..], "Study", "up to 2 patients"),
        (&["a", "c"], "Study", "up to 2 patients"),
        (&["a", "c"], "Recall", "Recall"),
    ] {
        put(ids, name);
        let refused = world.post(path).cookie(&staff).form(&with_texts(fields.clone(), &texts)).send().await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
        let page = refused.text();
        assert!(page.contains("The group has changed since you opened this page"), "{page}");
        assert!(page.contains(count) && page.contains("contract 7"), "{page}");
        let version = hidden(&page, "version");
        let (_, shown) = fields.iter_mut().find(|(name, _)| name == "version").expect("a version");
        assert_ne!(*shown, version);
        *shown = version;
    }
    let fields = with_texts(fields, &texts);
    let started = world.post(path).cookie(&staff).form(&fields).send().await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text());
    put(&["b"], "Study");
    let again = world.post(path).cookie(&staff).form(&fields).send().await;
    assert_eq!(again.location(), started.location(), "the second click leads to the export as well");
    // The members in another order are the same ones.
    put(&["a", "b"], "Study");
    let (fields, _) = unchanged_form(&world, &staff, path).await;
    put(&["b", "a"], "Study");
    let started = world.post(path).cookie(&staff).form(&with_texts(fields, &texts)).send().await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text());
}

/// Returns the resources of all files that the page of an approved export links to.
async fn exported(world: &World, staff: &TestResponse, job: &str) -> Vec<Value> {
    let page = world.get(&format!("/staff{job}")).cookie(staff).send().await.text();
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut resources = Vec::new();
    for link in links.filter(|link| link.ends_with("/download")) {
        let response = world.get(link).cookie(staff).send().await;
        assert_eq!(response.status, StatusCode::OK, "{link}");
        resources.extend(response.lines());
    }
    resources
}

/// Starts the export of the group `g` as its form says. Returns the path of the job.
async fn started(world: &World, staff: &TestResponse) -> String {
    let path = "/staff/groups/g/export";
    let (fields, _) = unchanged_form(world, staff, path).await;
    let fields = with_texts(fields, &[("receiver", "the registry"), ("reason", "contract 7")]);
    let started = world.post(path).cookie(staff).form(&fields).send().await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text());
    started.location().split_once("/staff").expect("a page of staff").1.to_owned()
}

#[tokio::test]
async fn an_export_fails_if_its_group_changes_after_staff_confirmed_the_members() {
    let lake = tempfile::tempdir().expect("a directory");
    for id in ["a", "b"] {
        super::put(lake.path(), &super::patient(id, "Ann", "Smith", "1980"));
    }
    let put = |members: &[Value]| with_group(lake.path(), "g", &group("Study", members));
    put(&[member("Patient/a")]);
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    for (changed, status) in [
        // The same members in another order and in another text.
        (vec![member("Patient/a"), member("Patient/a")], "retrieved"),
        (vec![member("Patient/a"), member("Patient/b")], "failed"),
        (vec![member("Patient/b")], "failed"),
        (vec![member("Patient/a"), member("Practitioner/x")], "failed"),
    ] {
        put(&[member("Patient/a")]);
        let job = started(&world, &staff).await;
        put(&changed);
        world.work().await;
        let shown = world.get(&format!("/admin{job}")).cookie(&staff).send().await.json();
        assert_eq!(shown["status"], status, "{changed:?}: {shown}");
        if status == "failed" {
            let page = world.get(&format!("/staff{job}")).cookie(&staff).send().await.text();
            let reason = "the members of the group have changed since its export was confirmed; start the export again";
            assert!(page.contains(reason), "{page}");
        }
    }
}

#[tokio::test]
async fn an_export_of_a_group_names_the_members_without_a_record() {
    let lake = tempfile::tempdir().expect("a directory");
    super::put(lake.path(), &super::patient("a", "Ann", "Smith", "1980"));
    let members = [member("Patient/a"), member("Practitioner/x"), member("Group/none"), json!({})];
    with_group(lake.path(), "g", &group("Study", &members));
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    let job = started(&world, &staff).await;
    world.work().await;
    world.post(&format!("/admin{job}/approve")).cookie(&staff).send().await;
    let exported = exported(&world, &staff, &job).await;
    let problems = exported.iter().filter(|resource| resource["resourceType"] == "OperationOutcome");
    let problems: Vec<_> = problems.map(|outcome| text(&outcome["issue"][0]["diagnostics"])).collect();
    for named in ["Practitioner/x", "Group/none", "member[3], which has no reference"] {
        assert!(problems.iter().any(|problem| problem.contains(named)), "{named}: {problems:?}");
    }
}

#[tokio::test]
async fn a_page_lists_25_groups() {
    let lake = tempfile::tempdir().expect("a directory");
    for number in 0..30 {
        with_group(lake.path(), &format!("g{number:02}"), &group("Study", &[]));
    }
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    let list = world.get("/staff/groups").cookie(&staff).send().await.text();
    assert_eq!(list.matches("/export\"").count(), 25, "{list}");
    let rest = world.get(&link(&list, "?from=")).cookie(&staff).send().await.text();
    assert_eq!(rest.matches("/export\"").count(), 5, "{rest}");
}

#[tokio::test]
async fn a_group_that_is_too_large_for_a_page_is_listed_with_the_reason() {
    let lake = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(lake.path().join("Group")).expect("a directory");
    let put = |id: &str, text: &str| {
        std::fs::write(lake.path().join(format!("Group/{id}.json")), text).expect("written");
    };
    let many = format!(r#"{{"name":"Many","member":[{}{{}}]}}"#, "{},".repeat(400_000));
    put("many", &many);
    put("small", r#"{"name":"Small","member":[{"entity":{"reference":"Patient/a"}}]}"#);
    put("huge", &format!("{{\"name\":\"Huge\"{}}}", " ".repeat(33 * 1024 * 1024)));
    put(
        "nested",
        r#"{"name":"Nested","member":[{"entity":{"reference":"Group/small"}},{"entity":{"reference":"Group/many"}}]}"#,
    );
    let world = World::with("sandbox = true", lake.path());
    let staff = world.staff().await;
    let list = world.get("/staff/groups").cookie(&staff).send().await.text();
    // The list reads the beginning of a group. Whether it has too many members, or one inside it has, is found when the form opens.
    assert_eq!(list.matches("This group is too large for a page").count(), 1, "{list}");
    for (shown, is_shown) in [
        ("Many", true),
        ("More than 21,", true),
        ("Huge", true),
        ("$export of Group/huge", true),
        ("/staff/groups/small/export", true),
        ("/staff/groups/many/export", true),
        ("/staff/groups/huge/export", false),
    ] {
        assert_eq!(list.contains(shown), is_shown, "{shown}: {list}");
    }
    for id in ["many", "huge", "nested"] {
        let path = format!("/staff/groups/{id}/export");
        for response in [
            world.get(&path).cookie(&staff).send().await,
            world.post(&path).cookie(&staff).form::<&str, &str>(&[]).send().await,
        ] {
            assert_eq!(response.status, StatusCode::PAYLOAD_TOO_LARGE, "{id}");
            // In another language, the page of a GET is the same as the response to the form.
            assert!(
                response.text().contains(&format!("href=\"{path}?lang=es\"")),
                "{id}: {}",
                response.text()
            );
            assert!(response.text().contains(&format!("$export of Group/{id}")), "{}", response.text());
        }
    }
}

/// The function has 512 MB, and the largest group that it reads is counted in less than half of them.
#[test]
fn the_largest_group_of_a_page_fits_into_the_memory_of_the_function() -> tests::Result {
    let directory = tempfile::tempdir()?;
    let lake = directory.path().join("lake");
    super::put(&lake, &super::patient("a", "Ann", "Smith", "1980"));
    std::fs::create_dir_all(lake.join("Group"))?;
    let member =
        |number: u32| format!("{{\"entity\":{{\"reference\":\"Patient/01a1fb95-ab0a-7a46-{number:012}\"}}}}");
    let members: Vec<_> = (0..400_000).map(member).collect();
    let text = format!("{{\"name\":\"Large\",\"member\":[{}]}}", members.join(","));
    assert!((25 << 20..32 << 20).contains(&text.len()), "{}", text.len());
    std::fs::write(lake.join("Group/large.json"), text)?;
    let nothing = format!("{{\"member\":[{}{{}}]}}", "{},".repeat(8 << 20));
    std::fs::write(lake.join("Group/nothing.json"), nothing)?;
    let tree = format!("{{\"name\":\"Tree\",\"extension\":[{}1]}}", "1,".repeat(15 << 20));
    std::fs::write(lake.join("Group/tree.json"), tree)?;
    let config = directory.path().join("settings.toml");
    std::fs::write(&config, tests::settings("sandbox = true").replacen("base_url", "documentation_url", 1))?;
    let arguments =
        ["--records", lake.to_str().expect("a path"), "--config", config.to_str().expect("a path")];
    let mut command = ehi();
    command.env("EHI_LOG", "warn");
    let server = Served::start_as(command, &directory.path().join("state"), &arguments);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let fields = [("username", "admin"), ("password", PASSWORD)];
        let staff = client.post(format!("{}/admin/login", server.base)).form(&fields).send().await?;
        let cookie = staff.headers()["set-cookie"].to_str()?.split(';').next();
        let cookie = cookie.expect("a cookie").to_owned();
        let get = async |path: &str| -> tests::Result<String> {
            let sent = client.get(format!("{}{path}", server.base)).header("cookie", &cookie).send().await?;
            Ok(sent.text().await?)
        };
        let list = get("/staff/groups").await?;
        assert!(list.contains("Large") && list.contains("More than 977<"), "{list}");
        let form = get("/staff/groups/large/export").await?;
        assert!(form.contains("up to 400000 patients"), "{form}");
        assert!(get("/staff/groups/nothing/export").await?.contains("too large for a page"));
        assert!(get("/staff/groups/tree/export").await?.contains("up to 0 patients"));
        tests::Result::Ok(())
    })?;
    let peak = peak_kilobytes(server.child.id());
    assert!(peak < 256_000, "{peak} kB");
    assert!(server.stop().is_some());
    Ok(())
}

#[tokio::test]
async fn an_export_of_many_chunks_says_that_its_documents_are_not_counted() {
    let lake = tempfile::tempdir().expect("a directory");
    let ids: Vec<_> = (0..130).map(|number| format!("p{number:03}")).collect();
    for id in &ids {
        super::put(lake.path(), &super::patient(id, "Ann", "Smith", "1980"));
    }
    let members: Vec<_> = ids.iter().map(|id| member(&format!("Patient/{id}"))).collect();
    with_group(lake.path(), "g", &group("Many", &members));
    let world = World::with("sandbox = true\nchunk_bytes = 1", lake.path());
    let staff = world.staff().await;
    let path = "/staff/groups/g/export";
    let (fields, _) = unchanged_form(&world, &staff, path).await;
    let fields = with_texts(fields, &[("receiver", "a"), ("reason", "b")]);
    let job = world.post(path).cookie(&staff).form(&fields).send().await.location();
    let job = job.split_once("/staff").expect("a page of staff").1.to_owned();
    world.work().await;
    for question in ["approve", "reject", "delete"] {
        let asked = world.get(&format!("/staff{job}/{question}")).cookie(&staff).send().await.text();
        assert!(asked.contains("documents: not counted"), "{asked}");
        assert!(asked.contains("The documents are not counted, because"), "{asked}");
    }
}

#[tokio::test]
async fn the_documents_of_the_export_of_a_group_are_counted_before_it_is_approved() {
    let world = World::new();
    let staff = world.staff().await;
    let (fields, _) = unchanged_form(&world, &staff, FORM).await;
    let fields = with_texts(fields, &[("receiver", "a"), ("reason", "b")]);
    let job = world.post(FORM).cookie(&staff).form(&fields).send().await.location();
    let job = job.split_once("/staff").expect("a page of staff").1.to_owned();
    world.work().await;
    let asked = world.get(&format!("/staff{job}/approve")).cookie(&staff).send().await.text();
    let (_, of_all) = asked.split_once("Nobody has opened ").expect("a count");
    let count: u64 = of_all.split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
    let list = world.get(&format!("/staff{job}")).cookie(&staff).send().await.text();
    assert_eq!(list.matches("Not opened yet").count() as u64, count, "{asked}");
    assert!(count > 8 && asked.contains(&format!("{count} documents</bdi></dd>")), "{asked}");
    let document = link(&list, "/documents/");
    assert_eq!(world.get(&document).cookie(&staff).send().await.status, StatusCode::OK);
    let asked = world.get(&format!("/staff{job}/approve")).cookie(&staff).send().await.text();
    assert!(asked.contains(&format!("Nobody has opened {} documents", count - 1)), "{asked}");
}

/// Downloads every file of the page: all patients are in them, and nothing private.
async fn downloaded(world: &World, staff: &TestResponse, job: &str) {
    let resources = exported(world, staff, job).await;
    let mut patients: Vec<_> = resources
        .iter()
        .filter(|resource| resource["resourceType"] == "Patient")
        .map(|resource| text(&resource["id"]))
        .collect();
    patients.sort();
    assert_eq!(patients, ["anna-lindqvist", "bruno-keller", "chiara-rossi", "dmitri-sokolov"]);
    let is_private = |resource: &&Value| {
        let labels = resource["meta"]["security"].as_array().into_iter().flatten();
        let codes = labels.filter_map(|label| label["code"].as_str());
        codes.into_iter().any(|code| ["HIV", "ETH", "PSY", "GDIS", "SEX", "SDV"].contains(&code))
    };
    assert_eq!(resources.iter().filter(is_private).count(), 0, "no topic was ticked");
    let page = world.get(&format!("/staff{job}")).cookie(staff).send().await.text();
    let document = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let document = document.into_iter().find(|link| link.contains("/documents/")).expect("a document");
    let document = world.get(document).cookie(staff).send().await;
    assert!(document.status == StatusCode::OK && !document.body.is_empty());
    assert!(!page.contains("/add-files"), "files are attached to the record of one patient");
}
