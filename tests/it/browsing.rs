//! A browser without scripts that uses the pages of a form: it keeps a cookie, fills in fields and presses buttons.

use http::StatusCode;
use tests::{Call, TestResponse, World};

/// A browser at a form: its cookie and its current page.
pub(crate) struct Browser<'w> {
    pub(crate) world: &'w World,
    pub(crate) cookie: String,
    pub(crate) page: TestResponse,
}

/// Returns the fields with values on a page: name and value.
pub(crate) fn fields_of(page: &str) -> Vec<(String, String)> {
    let form = page.split("<form id=\"form\"").nth(1).unwrap_or_default();
    let mut fields = Vec::new();
    for input in form.split("<input ").skip(1) {
        let tag = input.split('>').next().unwrap_or_default();
        let attribute = |name: &str| {
            let (_, rest) = tag.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| unescape(value))
        };
        let is_box = attribute("type").as_deref() == Some("checkbox");
        if is_box && !tag.contains(" checked") {
            continue;
        }
        let value =
            attribute("value").unwrap_or_else(|| if is_box { "on".to_owned() } else { String::new() });
        fields.push((attribute("name").expect("a name"), value));
    }
    for area in form.split("<textarea ").skip(1) {
        let name = area.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a name");
        let text =
            area.split_once('>').and_then(|(_, rest)| rest.split_once("</textarea>")).expect("an end").0;
        fields.push((name.to_owned(), unescape(text.strip_prefix('\n').unwrap_or(text))));
    }
    fields
}

fn unescape(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}

impl<'w> Browser<'w> {
    /// Opens the link of a kick-off.
    pub(crate) async fn open(world: &'w World, link: &str) -> Self {
        let (entered, page) = world.open_form(link).await;
        Self { world, cookie: entered.cookie(), page }
    }

    /// Signs a patient in on the way to a page, and opens it.
    pub(crate) async fn signed_in(world: &'w World, patient: &str, page: &str) -> Self {
        let session = world.sign_patient_in(patient, page).await;
        let page = world.get(&session.location()).cookie(&session).send().await;
        Self { world, cookie: session.cookie(), page }
    }

    pub(crate) async fn get(&mut self, address: &str) {
        self.page = self.world.get(address).header("cookie", &self.cookie).send().await;
    }

    /// Returns the response to a button, with the page's fields and some of them changed; an empty value unticks a box.
    pub(crate) async fn submit(&self, go: &str, changes: &[(&str, &str)]) -> TestResponse {
        self.request(go, changes).send().await
    }

    /// Returns the request of [`Self::submit`].
    pub(crate) fn request(&self, go: &str, changes: &[(&str, &str)]) -> Call<'w> {
        let page = self.page.text();
        let mut fields = fields_of(&page);
        fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let changed = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        fields.extend(changed.filter(|(_, value)| !value.is_empty()));
        fields.push(("go".to_owned(), go.to_owned()));
        let action = page.split("method=\"post\" action=\"").nth(1).expect("a form");
        let action = action.split('"').next().unwrap_or_default().to_owned();
        self.world.post(&action).header("cookie", &self.cookie).form(&fields)
    }

    /// Presses a button and follows the redirect to the next page.
    pub(crate) async fn press(&mut self, go: &str, changes: &[(&str, &str)]) {
        let response = self.submit(go, changes).await;
        assert_eq!(response.status, StatusCode::SEE_OTHER, "{}", response.text());
        self.get(&response.location()).await;
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        self.page.status == StatusCode::OK && unescape(&self.page.text()).contains(text)
    }

    pub(crate) fn has_ticked(&self, name: &str) -> bool {
        fields_of(&self.page.text()).iter().any(|(field, value)| field == name && value == "on")
    }
}

/// Returns the number of stops of the Tab key in a part of a page.
pub(crate) fn stops(html: &str) -> usize {
    let tags = html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap_or_default());
    let is_stop = |tag: &&str| {
        let name = tag.split([' ', '>']).next().unwrap_or_default();
        let is_skipped =
            tag.contains("tabindex=\"-1\"") || tag.contains("type=\"hidden\"") || tag.ends_with(" hidden");
        matches!(name, "a" | "button" | "input" | "select" | "textarea" | "summary") && !is_skipped
    };
    tags.filter(is_stop).count()
}

/// Checks that a page names a mistake in its title, in its summary and at the field. The message at the field has this id. Returns its text.
pub(crate) fn assert_mistake(page: &TestResponse, field: &str, message: &str) -> String {
    let html = page.text();
    assert!(html.contains("<title>Error: "), "{html}");
    let inner = |begin: &str, end: &str| {
        let (_, rest) = html.split_once(begin).unwrap_or_else(|| panic!("no {begin}: {html}"));
        rest.split_once(end).expect("an end").0.to_owned()
    };
    let summary = inner(&format!("<a href=\"#{field}\">"), "</a>");
    let said = inner(&format!("<span class=\"error\" id=\"{message}\">"), "</span>");
    assert_eq!(summary, said, "{html}");
    let tag = html.split('<').find(|tag| tag.contains(&format!(" id=\"{field}\""))).expect("the field");
    let tag = tag.split('>').next().unwrap_or_default();
    assert!(tag.contains(" aria-invalid=\"true\""), "{tag}");
    let (_, described) = tag.split_once(" aria-describedby=\"").expect("a description");
    let described: Vec<_> = described.split('"').next().unwrap_or_default().split(' ').collect();
    assert!(described.contains(&message), "{tag}");
    for id in described {
        assert_eq!(html.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}: {html}");
    }
    unescape(&said)
}
