//! The helpers find the problems of a page. Each is tested on a page with these problems: a helper that finds nothing would let every
//! story pass.

use tests::browser::{Browser, Key, Look, Page, Scheme, Script};
use tests::in_browser;

/// Opens a page with this body, without a server.
async fn shown(browser: &Browser, look: Look, script: Script, body: &str) -> Page {
    let page = browser.page(look, script).await;
    let html =
        format!("<!doctype html><html lang=en><title>Wrong</title><main><h1>Wrong</h1>{body}</main></html>");
    let encoded: String = url::form_urlencoded::byte_serialize(html.as_bytes()).collect();
    page.open(&format!("data:text/html,{}", encoded.replace('+', "%20"))).await;
    page
}

#[in_browser]
async fn problems_of_a_page_are_found() {
    let browser = Browser::open().await;
    let body = "<style>:root { color-scheme: light dark; --pale: #bbbbbb; }
        input { border: 1px solid var(--pale); background: transparent; }</style>
        <p style='color: var(--pale)'>Pale words</p> <p><input></p> <p style='width: 500px'>Wide words</p>
        <p style='overflow: hidden; height: 1rem; width: 5rem'>Words that do not all have room</p>
        <button style='width: 10px; height: 10px; padding: 0' aria-label='Small'></button>";
    let page = shown(&browser, Look { width: 320, scheme: Scheme::Light }, Script::On, body).await;
    let rules: Vec<_> = page.axe().await.into_iter().map(|violation| violation.rule).collect();
    assert!(
        ["color-contrast", "label"].iter().all(|rule| rules.iter().any(|found| found == rule)),
        "{rules:?}"
    );
    let sideways = page.sideways().await.join(" ");
    assert!(sideways.contains("Wide words") && !sideways.contains("Pale"), "{sideways}");
    assert_eq!(page.cut_off().await, ["<p> 'Words that do not all have room'"]);
    assert_eq!(page.small_targets(24).await.len(), 2, "{:?}", page.small_targets(24).await);
    let faint = page.faint_edges().await;
    assert!(faint.len() == 1 && faint[0].contains("<input>"), "{faint:?}");
    let pale = page.contrast("var(--pale)", "Canvas").await;
    assert!((1.9..2.0).contains(&pale), "{pale}");
    page.look(Look { width: 1280, scheme: Scheme::Dark }).await;
    assert!(page.sideways().await.is_empty());
    // The pale colour has enough contrast on black.
    assert!(page.faint_edges().await.is_empty() && page.contrast("var(--pale)", "Canvas").await > 7.0);
    let grown = page.zoom_text().await;
    assert!((1.99..2.01).contains(&grown), "{grown}");
}

#[in_browser]
async fn errors_of_the_console_are_found() {
    let browser = Browser::open().await;
    let body = "<script>console.error('a message'); undefinedFunction();</script><img src='http://127.0.0.1:1/none.png' alt=''>";
    let mut page = shown(&browser, Look::DESK, Script::On, body).await;
    let errors = page.take_console_errors().join("\n");
    for named in ["a message", "undefinedFunction", "none.png"] {
        assert!(errors.contains(named), "{named}: {errors}");
    }
    assert!(page.take_console_errors().is_empty(), "they are forgotten");
}

/// No story can forget to look at the console.
#[in_browser]
#[should_panic(expected = "a forgotten message")]
async fn a_story_fails_if_the_console_of_its_page_has_errors() {
    let browser = Browser::open().await;
    shown(&browser, Look::DESK, Script::On, "<script>console.error('a forgotten message')</script>").await;
}

#[in_browser]
async fn requests_of_a_page_are_found() {
    let browser = Browser::open().await;
    let mut page = browser.page(Look::DESK, Script::On).await;
    let html = "<title>Wrong</title><img src='http://127.0.0.1:1/none.png' alt=''>";
    let requested = page.requested(page.open(&format!("data:text/html,{html}"))).await;
    assert!(requested.iter().any(|url| url == "http://127.0.0.1:1/none.png"), "{requested:?}");
    page.take_console_errors();
}

#[in_browser]
async fn all_tab_stops_are_found_with_and_without_scripts() {
    let browser = Browser::open().await;
    let body = "<a href='/first'>First</a> <label>Name <input autofocus></label>
        <style>:focus { outline: none } .cover { position: fixed; inset: auto 0 0 0; height: 90px; background: red }</style>
        <label><input type=checkbox id=tick> Tick</label> <label>Born <input type=date></label> <details><summary>More</summary><a href='/hidden'>Hidden</a></details>
        <a href='/last' style='position: fixed; bottom: 10px'>Last</a> <div class=cover></div>
        <script>document.title = 'Ran'</script>";
    for script in [Script::On, Script::Off] {
        let page = shown(&browser, Look::PHONE, script, body).await;
        assert_eq!(page.title().await, if script == Script::On { "Ran" } else { "Wrong" });
        let stops = page.tab_stops().await;
        let named: Vec<_> = stops.iter().map(|stop| format!("{} {}", stop.role, stop.name)).collect();
        assert_eq!(
            named,
            [
                "link First",
                "textbox Name",
                "checkbox Tick",
                "date Born",
                "date Born",
                "date Born",
                "date Born",
                "summary More",
                "link Last"
            ]
        );
        assert!(stops.iter().all(|stop| stop.is_outlined == (stop.role == "date")), "{stops:?}");
        assert!(stops[0].is_uncovered && !stops[8].is_uncovered, "{stops:?}");
        page.tab_to("checkbox", "Tick").await;
        page.press(Key::Space).await;
        page.fill("Name", "Ann").await;
        assert!(page.evaluate::<bool>("document.querySelector('#tick').checked").await);
        assert_eq!(page.evaluate::<String>("document.querySelector('input').value").await, "Ann");
        assert!(page.has("link", "Last").await && !page.has("link", "Hidden").await);
        page.click("summary", "More").await;
        assert!(page.has("link", "Hidden").await);
    }
}
