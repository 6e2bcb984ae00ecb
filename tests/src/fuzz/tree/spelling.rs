//! Writes one tree as many different JSON texts.

use serde_json::Value;

use super::Tree;
use crate::fuzz::Source;

impl Tree {
    /// Returns one of the JSON texts of the tree: white space, escapes and the order of members vary.
    pub fn spelled(&self, source: &mut Source<'_>) -> String {
        let mut out = String::new();
        self.spell(source, &mut out);
        out
    }

    fn spell(&self, source: &mut Source<'_>, out: &mut String) {
        space(source, out);
        match self {
            Self::Text(text) => spell_text(text, source, out),
            Self::List(list) => {
                out.push('[');
                for (number, element) in list.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    element.spell(source, out);
                }
                space(source, out);
                out.push(']');
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if !members.is_empty() && !self.repeats() {
                    let first = source.below(members.len());
                    members.rotate_left(first);
                }
                out.push('{');
                for (number, (name, value)) in members.into_iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    space(source, out);
                    spell_text(name, source, out);
                    space(source, out);
                    out.push(':');
                    value.spell(source, out);
                }
                space(source, out);
                out.push('}');
            }
            other => out.push_str(&other.written()),
        }
        space(source, out);
    }
}

fn space(source: &mut Source<'_>, out: &mut String) {
    out.push_str(source.pick(&["", "", "", "", "", " ", "\t", "  "]));
}

fn spell_text(text: &str, source: &mut Source<'_>, out: &mut String) {
    // In half of the modes the text has no escapes; in the others some or all characters are escaped.
    let mode = source.below(4);
    out.push('"');
    for character in text.chars() {
        let escapes = mode == 3 || (mode == 2 && source.once_in(2));
        match character {
            '/' if mode == 1 => out.push_str("\\/"),
            other if escapes => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let (small, large) = (format!("\\u{unit:04x}"), format!("\\u{unit:04X}"));
                    out.push_str(if source.once_in(2) { &small } else { &large });
                }
            }
            other => {
                let quoted = Value::from(other.to_string()).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
    }
    out.push('"');
}
