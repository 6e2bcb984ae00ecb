//! The pages of one export: what is in it, and what staff decide about it.
//!
//! - [`export_page`]: what the pages have in common; [`page`]: the page itself; [`decide`]: approve, reject, delete and undo, each with a page that asks for confirmation;
//! - [`rows`]: the resources of a file, read by [`lines`] and shown by [`fields`];
//! - [`documents`]: the documents; [`inside`]: those inside resources; [`sniff`] finds out their types, and [`opened`] remembers which of them staff have opened;
//! - [`leave_out`]: the page that asks for confirmation before something is left out (the [`target`]), or says why it cannot be (the [`refusal`]); [`redact`] leaves it out:
//!   [`cut`] removes it from a stream, [`urls`] removes its URLs, and the [`draft`] has the new files and the new manifest;
//! - [`download`]: the download of a file;
//! - [`attach`]: files that staff add and remove; [`large`]: a file that is too large for a request.

pub(crate) mod attach;
mod cut;
pub(crate) mod decide;
pub(crate) mod documents;
mod download;
mod draft;
mod export_page;
mod fields;
pub(crate) mod inside;
pub(crate) mod large;
pub(crate) mod leave_out;
mod lines;
mod opened;
pub(crate) mod page;
mod redact;
mod refusal;
pub(crate) mod rows;
mod sniff;
mod target;
mod urls;

use web::describe as described;
use web::download::FileRequest;
use web::routes::{Access, At, FORM, MULTIPART, Summary};

use crate::kept::{KEPT, STAY};
use crate::seen::VERSION;
use crate::{Admin, api, bodies};

/// The access to all of these routes.
const OF_STAFF: Access = Access::StaffPage;

/// A page.
fn shows(summary: &'static str) -> Summary {
    (summary, &[200])
}

/// A form, after which a page follows.
fn back(summary: &'static str) -> Summary {
    (summary, &[303])
}

/// A form that is shown again, if the member of staff only wants to stay signed in.
fn back_or_again(summary: &'static str) -> Summary {
    (summary, &[200, 303])
}

/// The routes of the pages.
pub(crate) fn declared(at: At<Admin>) -> At<Admin> {
    attachments(decisions(leaving_out(contents(at))))
}

/// What is in an export.
fn contents(at: At<Admin>) -> At<Admin> {
    at.get("/staff/jobs/{job}", OF_STAFF, shows("Shows an export"), page::show)
        .reading(&page::LISTS)
        .returning(&[described::page(200)])
        .get("/staff/jobs/{job}/files/{file}", OF_STAFF, shows("Shows the resources of a file"), rows::show)
        .reading(&rows::PLACE)
        .returning(&[described::page(200)])
        .get(
            "/staff/jobs/{job}/files/{file}/download",
            OF_STAFF,
            ("Downloads a file of a complete export", &[200, 206, 304, 307]),
            download::file,
        )
        .reading(&FileRequest::PARAMETERS)
        .returning(&[described::file(200, fhir::FHIR_NDJSON), described::file(206, fhir::FHIR_NDJSON)])
        .get(
            "/staff/jobs/{job}/documents/{file}",
            OF_STAFF,
            ("Shows a document of an export, or sends it as a download", &[200, 206, 304, 307]),
            documents::show,
        )
        .reading(&FileRequest::PARAMETERS)
        .returning(&[described::file(200, "*/*"), described::file(206, "*/*")])
        .get(
            "/staff/jobs/{job}/inside",
            OF_STAFF,
            shows("Searches for documents inside resources"),
            inside::list,
        )
        .reading(&inside::PLACE)
        .returning(&[described::page(200)])
        .get(
            "/staff/jobs/{job}/inside/{file}",
            OF_STAFF,
            ("Shows a document inside a resource, or sends it as a download", &[200, 307]),
            inside::show,
        )
        .reading(&inside::ONE)
        .returning(&[described::file(200, "*/*")])
}

/// What staff leave out of an export.
fn leaving_out(at: At<Admin>) -> At<Admin> {
    at.get(
        "/staff/jobs/{job}/leave-out",
        OF_STAFF,
        shows("Asks before something is left out"),
        leave_out::ask,
    )
    .reading(&leave_out::ASKED)
    .reading(&[KEPT])
    .returning(&[described::page(200)])
    .post(
        "/staff/jobs/{job}/leave-out",
        OF_STAFF,
        back_or_again("Leaves a resource or a document out of an export"),
        leave_out::leave_out,
    )
    .taking(FORM)
    .reading(&leave_out::SENT)
    .reading(&[leave_out::SHOWN, VERSION, bodies::REASON, STAY])
    .returning(&[described::page(200)])
}

/// What staff decide about an export.
fn decisions(at: At<Admin>) -> At<Admin> {
    at.get(
        "/staff/jobs/{job}/approve",
        OF_STAFF,
        shows("Asks before an export is approved"),
        decide::ask_approve,
    )
    .returning(&[described::page(200)])
    .post("/staff/jobs/{job}/approve", OF_STAFF, back("Approves an export"), decide::approve)
    .taking(FORM)
    .reading(&[VERSION])
    .get("/staff/jobs/{job}/reject", OF_STAFF, shows("Asks why an export is rejected"), decide::ask_reject)
    .reading(&[KEPT])
    .returning(&[described::page(200)])
    .post("/staff/jobs/{job}/reject", OF_STAFF, back_or_again("Rejects an export"), decide::reject)
    .taking(FORM)
    .reading(&[VERSION, decide::BECAUSE, bodies::REASON, STAY])
    .returning(&[described::page(200)])
    .get("/staff/jobs/{job}/delete", OF_STAFF, shows("Asks before an export is deleted"), decide::ask_delete)
    .returning(&[described::page(200)])
    .post(
        "/staff/jobs/{job}/delete",
        OF_STAFF,
        back("Deletes an export, which can be undone"),
        decide::delete,
    )
    .taking(FORM)
    .reading(&[VERSION])
    .post(
        "/staff/jobs/{job}/undo",
        OF_STAFF,
        back("Brings back an export that was deleted"),
        decide::undo,
    )
}

/// The files that staff attach to an export.
fn attachments(at: At<Admin>) -> At<Admin> {
    at.post("/staff/jobs/{job}/add-files", OF_STAFF, back("Attaches files to an export"), attach::add_files)
        .taking(MULTIPART)
        .reading(&[VERSION, api::ATTACHMENTS])
        .get(
            "/staff/jobs/{job}/upload",
            OF_STAFF,
            shows("Asks for the name of a file that is too large for a request"),
            large::ask,
        )
        .reading(&[KEPT])
        .returning(&[described::page(200)])
        .post(
            "/staff/jobs/{job}/upload",
            OF_STAFF,
            back_or_again("Begins the upload of such a file"),
            large::begin,
        )
        .taking(FORM)
        .reading(&[attach::NAME, STAY])
        .returning(&[described::page(200)])
        .get(
            "/staff/jobs/{job}/upload/{upload}",
            OF_STAFF,
            shows("Shows the form that sends the file to the store, or asks before the file is attached"),
            large::show,
        )
        .returning(&[described::page(200)])
        .post(
            "/staff/jobs/{job}/upload/{upload}",
            OF_STAFF,
            back("Attaches the file that was sent"),
            large::attach,
        )
        .taking(FORM)
        .reading(&[VERSION])
        .post(
            "/staff/jobs/{job}/remove-files",
            OF_STAFF,
            back("Removes an attached file"),
            attach::remove_files,
        )
        .taking(FORM)
        .reading(&[VERSION, attach::NAME])
}
