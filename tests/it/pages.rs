//! The common parts of all pages: files, policy, languages, errors.

mod person;
mod sign_in;
mod switch;

use http::{Method, StatusCode};
use platform::Platform;
use tests::{ANNA, BASE_URL, Launch, TestResponse, World, both_hosts, parameter};
use words::Language;

use crate::audit::roles;
use crate::review::{decide, hidden, left_out};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Returns the URLs of the files that a page loads.
pub(crate) fn files(page: &str) -> Vec<String> {
    let tags = page.split('<').filter(|tag| tag.starts_with("link ") || tag.starts_with("script "));
    let address = |tag: &str| {
        let rest = tag.split("href=\"").nth(1).or_else(|| tag.split("src=\"").nth(1))?;
        rest.split('"').next().map(str::to_owned)
    };
    tags.filter_map(address).collect()
}

#[both_hosts]
async fn a_page_loads_cacheable_files_and_nothing_else(world: World) {
    let page = world.get("/").send().await;
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    let text = page.text();
    assert!(!text.contains("style=\"") && !text.contains("<style") && !text.contains(" onclick"));
    let files = files(&text);
    assert_eq!(files.len(), 3, "{files:?}");
    for file in &files {
        let path = file.strip_prefix(BASE_URL).expect("our own file");
        let response = world.get(path).send().await;
        assert_eq!(response.status, StatusCode::OK, "{file}");
        assert_eq!(response.header("cache-control"), "public, max-age=31536000, immutable", "{file}");
        // A page of another version gets the file of this version, for a short time.
        let (stem, rest) = path.split_once('.').expect("a digest");
        let ending = rest.rsplit_once('.').expect("an ending").1;
        let other = world.get(&format!("{stem}.0000000000000000.{ending}")).send().await;
        assert_eq!((other.status, other.header("cache-control")), (StatusCode::OK, "public, max-age=60"));
    }
    assert_eq!(world.get("/assets/nothing.css").send().await.status, StatusCode::NOT_FOUND);
}

/// Patients come first, then staff, then developers; each has a sentence and a link.
#[both_hosts]
async fn the_landing_page_has_links_for_patients_staff_and_developers(world: World) {
    let page = world.get("/").send().await.text();
    let main = page.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).expect("the page");
    let parts: Vec<_> = main.split("<h2>").skip(1).collect();
    for ((part, title), (sentence, link)) in
        parts.iter().zip(["For patients", "For staff", "For developers"]).zip([
            ("Sign in here, or start in the health app that you use.", "/my"),
            ("See the copies that people asked for, and check them.", "/staff"),
            ("Connect an app or a service to this server. Version ", "/fhir/.well-known/smart-configuration"),
        ])
    {
        assert!(part.starts_with(title), "{title}: {part}");
        assert!(part.contains(sentence), "{sentence}: {part}");
        assert!(part.contains(&format!("href=\"{link}\"")), "{link}: {part}");
    }
    assert_eq!(parts.len(), 3, "{main}");
    let sign_in = world.get("/my").send().await;
    assert_eq!(parameter(&sign_in.location(), "next").as_deref(), Some("/my"));
}

/// This story has settings of its own.
#[tokio::test]
async fn title_logo_and_colours_are_settings() {
    let pages = "pages = { title = \"Copies of <Mercy>\", accent = \"#7a1f5c\", logo = \"data:image/png;base64,iVBORw0KGgo=\", help_url = \"tel:+15550100\" }";
    let world = World::with(pages, &ehi::defaults::sample_records());
    let page = world.get("/").send().await.text();
    assert!(page.contains("Copies of &#60;Mercy&#62;") && page.contains("href=\"tel:+15550100\""), "{page}");
    let style = files(&page).into_iter().find(|file| file.contains("style")).expect("a stylesheet");
    let style = world.get(style.strip_prefix(BASE_URL).expect("our own")).send().await.text();
    assert!(style.contains("--accent: #7a1f5c"));
    let logo = page.split("<img src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a logo");
    let logo = world.get(logo.strip_prefix(BASE_URL).expect("our own")).send().await;
    assert_eq!((logo.header("content-type"), &logo.body[..4]), ("image/png", &b"\x89PNG"[..]));
}

#[both_hosts]
async fn a_page_is_in_the_readers_language(world: World) {
    let english = world.get("/").send().await;
    assert!(english.text().contains("<html lang=\"en\"") && english.header("set-cookie").is_empty());
    assert!(english.text().contains("href=\"/?lang=es\""), "a switch");
    let page = world.get("/").header("accept-language", "es-MX,es;q=0.9,en;q=0.5").send().await;
    assert!(page.text().contains("<html lang=\"es\"") && page.text().contains("Obtenga una copia"));
    let switched = world.get("/?lang=es").header("accept-language", "en").send().await;
    assert!(switched.text().contains("<html lang=\"es\""));
    let kept = world.get("/").cookie(&switched).header("accept-language", "en").send().await;
    assert!(kept.text().contains("<html lang=\"es\"") && kept.text().contains("href=\"/?lang=en\""));
    let unknown = world.get("/?lang=xx").send().await;
    assert!(unknown.text().contains("<html lang=\"en\"") && unknown.header("set-cookie").is_empty());
}

/// Check 40: all texts of pages come from the catalogue, so that a Spanish page has no English message.
#[tokio::test]
async fn spanish_pages_have_no_english() {
    let world = World::new();
    let token = world.token(ANNA).await;
    let response = world.post(&format!("/fhir/Patient/{ANNA}/$ehi-export")).bearer(&token).send().await;
    let link = response.header("link").split(['<', '>']).nth(1).expect("a form").to_owned();
    let entered = world.get(&link).send().await;
    let job = response.job();
    let form = |step: &str| format!("{job}/customize?step={step}");
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let picked =
        world.post("/patient-login").form(&[("request", request.as_str()), ("patient", ANNA)]).send().await;
    let mut pages = vec![
        ("/my".to_owned(), picked.cookie()),
        (response.job().replace("/jobs", "/my/exports"), picked.cookie()),
        ("/my/apps".to_owned(), picked.cookie()),
        ("/my/sign-out-everywhere".to_owned(), picked.cookie()),
        (format!("{job}0/customize"), picked.cookie()),
        ("/".to_owned(), String::new()),
        ("/format".to_owned(), String::new()),
        ("/nothing".to_owned(), String::new()),
        ("/authorize-app?request=old".to_owned(), String::new()),
        (login, String::new()),
        (picked.location(), picked.cookie()),
    ];
    for step in ["parts&show=problems", "topics", "check", "saved"] {
        pages.push((form(step), entered.cookie()));
    }
    let shown = async |path: &str, cookie: &str| {
        let cookie = format!("{cookie}; lang=es");
        let page = world.get(path).header("cookie", &cookie).header("accept", BROWSER).send().await;
        assert!(page.header("content-type").starts_with("text/html"), "{path}: {}", page.status);
        page.text()
    };
    let mut texts = Vec::new();
    for (path, cookie) in &pages {
        texts.push((path.clone(), shown(path, cookie).await));
    }
    let code = parameter(&link, "code").expect("a code");
    let choices = serde_json::json!({ "parameters": { "labs": { "enabled": true } } });
    world.post(&format!("{job}?code={code}")).json(&choices).send().await;
    for step in ["sent", "check", "state"] {
        texts.push((form(step), shown(&form(step), &entered.cookie()).await));
    }
    let session = crate::my::signed_in(&world, ANNA).await;
    for copy in decided_copies(&world, &session).await {
        texts.push((copy.clone(), shown(&copy, &session.cookie()).await));
        let form = copy.replace("/my/exports/", "/jobs/") + "/customize";
        texts.push((form.clone(), shown(&form, &session.cookie()).await));
    }
    texts.push(("/my".to_owned(), shown("/my", &session.cookie()).await));
    let compared: usize = texts.iter().map(|(path, text)| compare(path, text)).sum();
    assert!(compared > 1000, "{compared} comparisons");
}

/// Panics if a Spanish page has the English text of a message; returns the number of compared messages.
fn compare(path: &str, text: &str) -> usize {
    let spanish = Language::of_tag("es").expect("Spanish");
    let both = words::Words { language: spanish, ..words::Words::default() };
    let english = words::Words::default();
    let mut compared = 0;
    assert!(text.contains("<html lang=\"es\""), "{path}");
    let visible = visible(text);
    for key in Language::ENGLISH.keys() {
        if spanish.variables(key).is_none_or(|variables| !variables.is_empty()) {
            continue;
        }
        let (word, other) = (english.text(key, &[]), both.text(key, &[]));
        // Skips the language's own name, and words that are equal in both languages.
        if word == other || key == "language" || word.len() < 3 {
            continue;
        }
        compared += 1;
        // A sentence may be a part of a text. A single word may be a part of another word.
        let is_same = |text: &String| *text == word || (word.contains(' ') && text.contains(&word));
        assert!(!visible.iter().any(is_same), "{path} says '{word}' ({key})");
    }
    compared
}

/// Returns the paths of copies about which staff decided in English: a complete one, one with something left out, and rejected ones.
async fn decided_copies(world: &World, session: &TestResponse) -> Vec<String> {
    let staff = world.staff().await;
    let mut copies = Vec::new();
    for because in ["", "left out", "identity", "twice", "person", "harm", "other"] {
        let copy = crate::my::requested_copy(world, session, &["hiv"]).await;
        world.work().await;
        let job = copy.replace("/my/exports", "/jobs");
        if because == "left out" {
            let (question, _) = left_out::ask(world, &staff, &job, "Observation").await;
            let reason = "It is about another person.";
            let done = left_out::leave_out(world, &staff, &job, &question, reason).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
        }
        let decision = if ["", "left out"].contains(&because) { "approve" } else { "reject" };
        let path = format!("/staff{job}/{decision}");
        let version = hidden(&world.get(&path).cookie(&staff).send().await.text(), "version");
        let fields = [("because", because), ("reason", if because == "other" { "Call us." } else { "" })];
        let done = decide(world, &staff, &path, &version, &fields).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{because}: {}", done.text());
        copies.push(copy);
    }
    copies
}

/// Returns the texts of a page between its tags, without those that are marked as another language or as codes.
fn visible(page: &str) -> Vec<String> {
    let main = page.split_once("<body").map_or(page, |(_, body)| body);
    let mut texts = Vec::new();
    for tag in main.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap_or((tag, ""));
        if !tag.contains(" lang=\"en\"") && !tag.contains(" translate=\"no\"") {
            texts.push(text.trim().replace("&#34;", "\"").replace("&#39;", "'"));
        }
    }
    texts
}

#[both_hosts]
async fn an_error_is_a_page_for_browsers_and_json_for_programs(world: World) {
    let staff = world.staff().await;
    for (method, path, status, title) in [
        (Method::GET, "/nothing", StatusCode::NOT_FOUND, "We cannot find this"),
        (Method::GET, "/staff/jobs/nothing/undo", StatusCode::METHOD_NOT_ALLOWED, "This does not work here"),
        (Method::PUT, "/staff", StatusCode::METHOD_NOT_ALLOWED, "This does not work here"),
        (Method::POST, "/nothing", StatusCode::NOT_FOUND, "We cannot find this"),
        (
            Method::GET,
            "/jobs/01a1fb95-ab0a-7a46-aeea-001492bd7651/status",
            StatusCode::UNAUTHORIZED,
            "Please sign in",
        ),
        (
            Method::GET,
            "/authorize-app?request=old",
            StatusCode::BAD_REQUEST,
            "Please start again in your app",
        ),
    ] {
        let call = || world.request(method.clone(), path).cookie(&staff);
        let page = call().header("accept", BROWSER).send().await;
        let shown = format!("{method} {path}: {}", page.text());
        assert_eq!(
            (page.status, page.header("content-type")),
            (status, "text/html; charset=utf-8"),
            "{shown}"
        );
        assert!(page.text().contains(title) && page.text().contains("class=\"button\""), "{shown}");
        let number = page.header("x-request-id").to_owned();
        assert!(!number.is_empty() && page.text().contains(&number), "{shown}");
        for accept in ["application/json", "application/fhir+json"] {
            let json = call().header("accept", accept).send().await;
            assert_eq!(json.status, status, "{shown}");
            json.outcome();
        }
    }
}

/// An OAuth client reads the errors of the host as those of the endpoints.
#[tokio::test]
async fn an_error_below_auth_is_in_the_json_of_oauth() {
    let world = World::new();
    let large = "x".repeat(2 << 20);
    let form = "application/x-www-form-urlencoded";
    for (call, status) in [
        (world.get("/auth/token"), StatusCode::METHOD_NOT_ALLOWED),
        (world.get("/auth/introspect").header("accept", "application/json"), StatusCode::METHOD_NOT_ALLOWED),
        (world.post("/auth/nothing"), StatusCode::NOT_FOUND),
        (world.post("/auth/token").body(form, large), StatusCode::PAYLOAD_TOO_LARGE),
        (world.post("/auth/revoke").body("application/json", "{}"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let response = call.send().await;
        assert_eq!(response.status, status, "{}", response.text());
        assert_eq!(
            (&response.json()["error"], response.header("cache-control")),
            (&"invalid_request".into(), "no-store")
        );
        assert!(!tests::text(&response.json()["error_description"]).is_empty());
    }
    let page = world.get("/auth/token").header("accept", BROWSER).send().await;
    assert!(page.text().contains("<html"), "{}", page.text());
    // The time limit of the host and a server that cannot start.
    let closed = web::host::closed("no settings", world.platform().clock(), world.platform().random());
    let request = http::Request::post("/auth/token").body(axum::body::Body::empty()).expect("a request");
    let response = TestResponse::of(closed, request).await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.json()["error"], "temporarily_unavailable");
}

/// The list of exports is for reviewers. The others are led to the page that is theirs.
#[tokio::test]
async fn an_error_page_leads_each_member_of_staff_to_a_page_of_their_own() {
    let world = World::of(&roles::with_members(""), &ehi::defaults::sample_records());
    for (name, path, home) in [
        ("auditor", "/staff/jobs/nothing", "/staff/audit"),
        ("auditor", "/staff", "/staff/audit"),
        ("administrator", "/staff/patients", "/staff/settings"),
        ("reviewer", "/staff/jobs/nothing", "/staff"),
    ] {
        let member = roles::signed_in(&world, name).await;
        let refused = world.get(path).cookie(&member).header("accept", BROWSER).send().await;
        assert!(refused.status.is_client_error(), "{name} {path}");
        let link = format!("class=\"button\" href=\"{home}\"");
        assert!(refused.text().contains(&link), "{name} {path}: {}", refused.text());
        assert_eq!(world.get(home).cookie(&member).send().await.status, StatusCode::OK);
    }
}

/// This story uses up the attempts of a user.
#[tokio::test]
async fn the_response_to_too_many_attempts_says_how_long_to_wait() {
    let world = World::with("sandbox = false", &ehi::defaults::sample_records());
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("username", "anna"), ("password", "wrong")];
    let mut last = world.post("/patient-login").form(&fields).send().await;
    assert!(
        last.text().contains("Name or password is wrong. Try again.")
            && last.text().contains("value=\"anna\"")
    );
    for _ in 0..6 {
        last = world.post("/patient-login").form(&fields).send().await;
    }
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        !last.header("retry-after").is_empty() && last.text().contains("There were too many tries. Wait")
    );
}
