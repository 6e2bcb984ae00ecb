//! The pages, and the names under which stories check them in every appearance.

/// The route of each page that a GET request returns, and the name of its check in [`inspect`](super::inspect).
pub const CHECKED: [(&str, &str); 32] = [
    ("/", "landing"),
    ("/authorize-app", "consent"),
    ("/fhir/Patient/{patient}/$ehi-export/customize", "form-without-job"),
    ("/format", "format"),
    ("/jobs/{job}/customize", "form"),
    ("/my", "my-copies"),
    ("/my/apps", "my-apps"),
    ("/my/apps/stop", "my-stop"),
    ("/my/exports/{job}", "my-copy-ready"),
    ("/my/exports/{job}/cancel", "my-cancel"),
    ("/my/exports/{job}/take-back", "my-take-back"),
    ("/my/exports/{job}/zip/progress", "my-zip-none"),
    ("/my/sign-out-everywhere", "my-sign-out-everywhere"),
    ("/patient-login", "patient-sign-in"),
    ("/staff", "staff-queue"),
    ("/staff/approve", "staff-approve-several"),
    ("/staff/audit", "staff-audit"),
    ("/staff/groups", "staff-groups"),
    ("/staff/groups/{group}/export", "staff-start-group"),
    ("/staff/jobs/{job}", "staff-job"),
    ("/staff/jobs/{job}/approve", "staff-approve"),
    ("/staff/jobs/{job}/delete", "staff-delete"),
    ("/staff/jobs/{job}/files/{file}", "staff-rows"),
    ("/staff/jobs/{job}/inside", "staff-inside"),
    ("/staff/jobs/{job}/leave-out", "staff-leave-out"),
    ("/staff/jobs/{job}/reject", "staff-reject"),
    ("/staff/jobs/{job}/upload", "staff-upload"),
    ("/staff/jobs/{job}/upload/{upload}", "staff-upload-attach"),
    ("/staff/login", "staff-sign-in"),
    ("/staff/patients", "staff-patients"),
    ("/staff/patients/{patient}/export", "staff-start"),
    ("/staff/settings", "staff-settings"),
];

/// Returns whether a path has the form of a route.
fn is_at(path: &str, route: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), route.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(wanted)) if part == wanted || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

fn route_of(name: &str) -> Option<&'static str> {
    CHECKED.iter().find(|(_, known)| *known == name).map(|(route, _)| *route)
}

/// Returns whether a check has the name of a page.
pub(super) fn is_page(name: &str) -> bool {
    route_of(name).is_some()
}

/// Panics if a check has the name of a page, and the browser shows another address or an error.
pub fn assert_is(name: &str, url: &str, status: u16) {
    let Some(route) = route_of(name) else { return };
    let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    let path = path.and_then(|path| path.split(['?', '#']).next()).unwrap_or_default();
    assert!(is_at(path, route) && status == 200, "'{name}' is the page {route}, and this is {url}: {status}");
}
