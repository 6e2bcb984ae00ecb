//! The texts of a page that people read or hear.

/// The attributes with texts.
const ATTRIBUTES: [&str; 7] =
    ["aria-label", "alt", "placeholder", "title", "data-say", "data-counted", "data-label"];
/// The elements without an end.
const VOID: [&str; 6] = ["meta", "link", "input", "img", "br", "hr"];

/// An element of a page, or a text.
enum Piece<'p> {
    Begin { name: &'p str, attributes: &'p str },
    End(&'p str),
    Text(&'p str),
}

fn pieces(page: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        pieces.push(match name.strip_prefix('/') {
            Some(name) => Piece::End(name),
            None => Piece::Begin { name, attributes },
        });
        pieces.push(Piece::Text(text));
    }
    pieces
}

fn unescape(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&#60;", "<").replace("&#62;", ">");
    text.replace("&#39;", "'").replace("&amp;", "&").replace("&#38;", "&").replace("&#43;", "+")
}

/// Returns the texts of a page and of its attributes, without the elements that are marked as another language or as codes.
pub(crate) fn texts(page: &str) -> Vec<String> {
    let mut texts = Vec::new();
    // The open elements, and whether their texts count.
    let mut open: Vec<(&str, bool)> = Vec::new();
    for piece in pieces(page) {
        let counts = open.last().is_none_or(|(_, counts)| *counts);
        match piece {
            Piece::Begin { name, attributes } => {
                let is_other = name != "html" && format!(" {attributes}").contains(" lang=");
                let is_code = attributes.contains("translate=\"no\"") || matches!(name, "style" | "script");
                let counts = counts && !is_other && !is_code;
                for attribute in ATTRIBUTES.into_iter().filter(|_| counts) {
                    let value = format!(" {attributes}");
                    let value =
                        value.split_once(&format!(" {attribute}=\"")).map(|(_, rest)| rest.to_owned());
                    texts.extend(value.and_then(|rest| rest.split('"').next().map(unescape)));
                }
                if !VOID.contains(&name) && !name.starts_with('!') {
                    open.push((name, counts));
                }
            }
            Piece::End(name) => {
                let last = open.pop();
                assert_eq!(last.map(|(open, _)| open), Some(name), "{page}");
            }
            Piece::Text(text) if counts && !text.trim().is_empty() => texts.push(unescape(text)),
            Piece::Text(_) => {}
        }
    }
    texts
}

#[test]
fn texts_and_attributes_are_found_and_marked_elements_are_not() {
    let page = "<!doctype html><html lang=\"es\"><title>a</title><p title=\"b\">c <b lang=\"en\">x <i>x</i></b>d \
        <span translate=\"no\">x</span> <input placeholder=\"e &#38; f\"><br>g</p></html>";
    assert_eq!(texts(page), ["a", "b", "c ", "d ", "e & f", "g"]);
}
