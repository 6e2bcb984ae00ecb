//! The sign-in pages of patients and of staff: a wrong password is named at the fields, and another language keeps what was typed.

use http::StatusCode;
use tests::{ANNA, Launch, PASSWORD, TestResponse, World, parameter};

use crate::browsing::assert_mistake;
use crate::review::hidden;

/// Returns a World whose patients have accounts.
fn with_accounts() -> World {
    World::with("", &ehi::defaults::sample_records())
}

/// Sends a sign-in form.
async fn sent(world: &World, address: &str, fields: &[(&str, &str)]) -> TestResponse {
    world.post(address).form(fields).send().await
}

/// Nobody is told which of the two is wrong.
#[tokio::test]
async fn a_wrong_password_is_named_at_both_fields() {
    let world = with_accounts();
    for (page, next) in [("/staff/login", "/staff/audit"), ("/patient-login", "/my")] {
        let fields = [("username", "nobody"), ("password", "wrong"), ("next", next)];
        let refused = sent(&world, page, &fields).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.text());
        for field in ["username", "password"] {
            let message = assert_mistake_at(&refused, field);
            assert_eq!(message, "Name or password is wrong. Try again.");
        }
    }
}

/// Checks the message at a field. The summary links to the first one.
fn assert_mistake_at(page: &TestResponse, field: &str) -> String {
    let message = assert_mistake(page, "username", "username-error");
    let html = page.text();
    let tag = html.split('<').find(|tag| tag.contains(&format!(" id=\"{field}\""))).expect("the field");
    assert!(tag.contains(" aria-invalid=\"true\" aria-describedby=\"username-error\""), "{tag}");
    message
}

/// Returns the address of the button for Spanish.
fn button(page: &str) -> String {
    let (_, button) = page.split_once("formaction=\"").expect("a button");
    let address = button.split('"').next().unwrap_or_default().replace("&#38;", "&");
    assert!(address.ends_with("lang=es"), "{address}");
    address
}

/// The button sends the form, but nobody is signed in by it, and the password is not shown again.
#[tokio::test]
async fn another_language_keeps_the_user_name_and_where_the_sign_in_leads() {
    let world = with_accounts();
    let login = world.get(&Launch::new("app").authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    for (page, name, value, username) in [
        ("/staff/login?next=/staff/audit", "next", "/staff/audit", "admin"),
        ("/patient-login?saved=1&next=/my", "next", "/my", "anna"),
        (login.as_str(), "request", request.as_str(), "anna"),
    ] {
        let shown = world.get(page).send().await.text();
        let fields =
            [(name, value), ("saved", "1"), ("username", username), ("password", PASSWORD), ("stay", "1")];
        let spanish = sent(&world, &button(&shown), &fields).await;
        let text = spanish.text();
        assert_eq!(spanish.status, StatusCode::OK, "{text}");
        assert!(text.contains("<html lang=\"es\"") && !text.contains("Error: "), "{text}");
        assert!(text.contains(&format!("id=\"username\" name=\"username\" value=\"{username}\"")), "{text}");
        assert_eq!(hidden(&text, name), value);
        assert!(!text.contains(PASSWORD), "{text}");
        let cookies: Vec<_> = spanish.headers.get_all("set-cookie").iter().collect();
        assert!(cookies.len() == 1 && spanish.header("set-cookie").starts_with("lang=es"), "{cookies:?}");
    }
}

/// A person who does not understand a message reads it in another language.
#[tokio::test]
async fn another_language_keeps_the_message() {
    let world = with_accounts();
    for (page, fields) in
        [("/staff/login", vec![("next", "/staff/audit")]), ("/patient-login", vec![("next", "/my")])]
    {
        let typed = [("username", "anna"), ("password", "wrong")];
        let wrong = sent(&world, page, &[&fields[..], &typed[..]].concat()).await.text();
        let again = [("username", "anna"), ("said", &*hidden(&wrong, "said")), ("stay", "1")];
        let spanish = sent(&world, &button(&wrong), &[&fields[..], &again[..]].concat()).await;
        assert_eq!(
            assert_mistake(&spanish, "username", "username-error"),
            "Usuario o contraseña incorrectos. Intente de nuevo."
        );
    }
    // A form of staff that arrives without a session.
    let late = world.post(&format!("/staff/patients/{ANNA}/export")).form(&[("reason", "typed words")]);
    let late = late.send().await.text();
    let names = ["next", "kept", "said"];
    let values = names.map(|name| hidden(&late, name).replace("&#38;", "&"));
    let mut fields: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    fields.push(("stay", "1"));
    let spanish = sent(&world, &button(&late), &fields).await.text();
    assert!(spanish.contains("Su sesión se cerró antes de que esto llegara"), "{spanish}");
    for (name, value) in names.into_iter().zip(&values) {
        assert_eq!(hidden(&spanish, name).replace("&#38;", "&"), *value, "{name}");
    }
    // Another value is no message.
    let other = [("said", "landing-title"), ("stay", "1")];
    let page = sent(&world, "/staff/login", &other).await.text();
    assert!(!page.contains("role=\"alert\""), "{page}");
}

/// In a sandbox, the switch keeps the beginning of the list.
#[tokio::test]
async fn another_language_keeps_the_typed_beginning_of_the_list() {
    let world = World::new();
    let page = world.get("/patient-login?next=/my").send().await.text();
    let form =
        page.split("<form id=\"form\" method=\"get\"").nth(1).and_then(|rest| rest.split("</form>").next());
    assert!(
        form.is_some_and(|form| form.contains("name=\"from\"") && form.contains("name=\"next\"")),
        "{page}"
    );
    assert!(page.contains("<button class=\"link\" form=\"form\" name=\"lang\" value=\"es\""), "{page}");
    let spanish = world.get(&format!("/patient-login?request=&next=/my&from={ANNA}&lang=es")).send().await;
    let text = spanish.text();
    assert!(text.contains("<html lang=\"es\"") && text.contains(&format!("value=\"{ANNA}\"")), "{text}");
    assert_eq!(hidden(&text, "next"), "/my");
}
