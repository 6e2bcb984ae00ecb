//! Who started an export and who gets the copy, in words for staff.

use domain::header::JobHeader;
use domain::owner::Owner;
use settings::{OWN_PAGES, Settings};
use words::Words;

use crate::urls::client_of;

/// Returns the name of the client that started an export. A client without a registered name is named by its id.
pub fn client_name(owner: &Owner, settings: &Settings, words: &Words) -> String {
    if owner.client.as_str() == OWN_PAGES && owner.issuer.is_none() {
        return words.text("own-pages", &[]);
    }
    if owner.is_staff() {
        return words.text("queue-staff", &[]);
    }
    let name = client_of(settings, owner).and_then(|client| client.name.clone());
    name.unwrap_or_else(|| owner.client.to_string())
}

/// Returns who gets the copy: the receiver that staff typed, or else the client that started the export.
pub fn receiver(header: &JobHeader, settings: &Settings, words: &Words) -> String {
    let typed = header.request.receiver.clone();
    typed.unwrap_or_else(|| client_name(&header.owner, settings, words))
}
