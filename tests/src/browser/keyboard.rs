//! Uses a page without a mouse: presses keys, and records the stops of the Tab key.

use serde::Deserialize;
use serde_json::json;

use super::page::Page;

/// A number of stops that is larger than on any page.
const MANY: usize = 300;

/// A key that has an effect by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    Tab,
    Enter,
    Space,
    Escape,
    Down,
    Up,
}

impl Key {
    /// Returns the name of the key, its code, its number, and the text that it types.
    fn parts(self) -> (&'static str, &'static str, u32, &'static str) {
        match self {
            Self::Tab => ("Tab", "Tab", 9, ""),
            Self::Enter => ("Enter", "Enter", 13, "\r"),
            Self::Space => (" ", "Space", 32, " "),
            Self::Escape => ("Escape", "Escape", 27, ""),
            Self::Down => ("ArrowDown", "ArrowDown", 40, ""),
            Self::Up => ("ArrowUp", "ArrowUp", 38, ""),
        }
    }
}

/// The element that has the focus.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// The role that a screen reader announces; the name of the element, or the type of the field, if it has no role.
    pub role: String,
    pub name: String,
    /// A number that identifies the element while the page is open.
    pub id: u32,
    /// The target of a link.
    pub href: String,
    /// Whether its outline is at least 2 px wide.
    pub is_outlined: bool,
    /// Whether it is on the screen and no other element covers it.
    pub is_uncovered: bool,
}

impl Page {
    pub async fn press(&self, key: Key) {
        let (name, code, number, typed) = key.parts();
        let kind = if typed.is_empty() { "rawKeyDown" } else { "keyDown" };
        for kind in [kind, "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": name, "code": code, "windowsVirtualKeyCode": number });
            if kind == "keyDown" {
                event["text"] = typed.into();
            }
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Types text into the element that has the focus.
    pub async fn enter(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Returns the element that has the focus, if there is one.
    pub async fn focused(&self) -> Option<Stop> {
        self.ask("focused()").await
    }

    /// Returns every stop of the Tab key, in order from the beginning of the page. A field with parts, such as a date, has as many
    /// stops as parts.
    pub async fn tab_stops(&self) -> Vec<Stop> {
        // Tab goes from the current focus to the end of the page, and then once around to the first stop.
        let mut stops: Vec<Stop> = Vec::new();
        let is_begun = self.focused().await.is_some();
        let mut end = None;
        while stops.len() < MANY {
            self.press(Key::Tab).await;
            let Some(stop) = self.focused().await else {
                if !is_begun || end.is_some() {
                    break;
                }
                end = Some(stops.len());
                continue;
            };
            let is_part = stops.last().is_some_and(|last| last.id == stop.id);
            if !is_part && stops.iter().any(|known| known.id == stop.id) {
                break;
            }
            stops.push(stop);
        }
        stops.rotate_left(end.unwrap_or_default());
        stops
    }

    /// Presses Tab until the element with this role and this name has the focus.
    pub async fn tab_to(&self, role: &str, name: &str) {
        self.tab_until(&format!("{role} '{name}'"), |stop| stop.role == role && stop.name == name).await;
    }

    /// Presses Tab until a matching element has the focus.
    pub async fn tab_until(&self, what: &str, is_wanted: impl Fn(&Stop) -> bool) {
        let mut passed = Vec::new();
        // The loop passes the end of the page once, and stops at the end of the next round.
        let mut ends = 0;
        while ends < 2 && passed.len() < MANY {
            match self.focused().await {
                Some(stop) if is_wanted(&stop) => return,
                Some(stop) => passed.push(format!("{} '{}'", stop.role, stop.name)),
                None if passed.is_empty() => {}
                None => ends += 1,
            }
            self.press(Key::Tab).await;
        }
        panic!("Tab does not lead to {what} at {}, but to {passed:#?}", self.url().await);
    }

    /// Fills in a field by the keyboard.
    pub async fn fill(&self, field: &str, text: &str) {
        self.tab_to("textbox", field).await;
        self.enter(text).await;
    }
}
