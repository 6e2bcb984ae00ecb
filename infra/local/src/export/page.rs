//! Converts an HTML page to one line of text for a terminal, because servers may return their errors as pages.

/// The maximum length of the text in characters.
const MAX_TEXT: usize = 300;

/// Returns the text of a page's `main`, or of its `body`, without markup. Text that is not HTML is accepted too, because only people read
/// the result.
pub(crate) fn page_text(html: &str) -> String {
    let body = part(html, "main").or_else(|| part(html, "body")).unwrap_or(html);
    let mut text = String::new();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        rest = &rest[start..];
        let hidden = ["script", "style"].into_iter().find(|name| is_tag(rest, name));
        let end = match hidden {
            Some(name) => {
                position(rest, &format!("</{name}")).and_then(|at| rest[at..].find('>').map(|end| at + end))
            }
            None => rest.find('>'),
        };
        rest = end.map_or("", |end| &rest[end + 1..]);
    }
    text.push_str(rest);
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, character);
    }
    // A terminal would interpret control characters.
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let text = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return "no reason given".to_owned();
    }
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the content of the first element with this name.
fn part<'h>(html: &'h str, name: &str) -> Option<&'h str> {
    let mut from = 0;
    let start = loop {
        let at = from + position(&html[from..], &format!("<{name}"))?;
        if is_tag(&html[at..], name) {
            break at;
        }
        from = at + 1;
    };
    let inside = start + html[start..].find('>')? + 1;
    let end = position(&html[inside..], &format!("</{name}")).unwrap_or(html.len() - inside);
    Some(&html[inside..inside + end])
}

/// Returns whether a text begins with the start tag of an element.
fn is_tag(text: &str, name: &str) -> bool {
    let named = text.get(1..=name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
    named
        && text[name.len() + 1..]
            .starts_with(|next: char| next == '>' || next == '/' || next.is_ascii_whitespace())
}

/// Returns the position of an ASCII text, ignoring case.
fn position(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests;
