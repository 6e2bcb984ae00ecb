use super::*;

#[test]
fn the_text_of_the_main_element_is_returned_in_one_line() {
    for (html, text) in [
        (
            "<!doctype html><html><head><title>403</title><style>a { b }</style></head><body><header>Logo</header>\
                 <MAIN class=x><h1>That did not work</h1>\n<p>Tom &amp; &quot;Ann&quot;</p></MAIN><footer>f</footer></body>",
            "That did not work Tom & \"Ann\"",
        ),
        ("<body>a<script>if (a < b) {}</script>b<style>x</style>c", "a b c"),
        ("just words", "just words"),
        ("<body><mainframe>x</mainframe></body>", "x"),
        ("", "no reason given"),
        ("<main></main>", "no reason given"),
        ("<main>open < and cut", "open"),
        ("<main>red\u{1b}[31m</main>", "red [31m"),
        ("<main><b", "no reason given"),
        ("<script>never closed", "no reason given"),
    ] {
        assert_eq!(page_text(html), text, "{html}");
    }
    assert_eq!(page_text(&"é".repeat(1_000)).chars().count(), MAX_TEXT + 1);
}

proptest::proptest! {
    #[test]
    fn any_text_is_accepted(html in "[<>/a-z&; \u{1b}é]{0,80}|(<(main|body|script|é|/main)>?| |x){0,20}") {
        let text = page_text(&html);
        proptest::prop_assert!(!text.is_empty() && !text.chars().any(char::is_control));
    }
}
