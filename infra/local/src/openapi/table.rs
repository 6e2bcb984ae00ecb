//! The table of routes in the wire contract.

use std::fmt::Write as _;

use web::routes::Access;

use super::described;

/// Returns the table of routes in the wire contract.
pub fn table() -> String {
    let mut table =
        "| method | path | who may call | what it does | success |\n|---|---|---|---|---|\n".to_owned();
    for (_, route) in described() {
        let statuses: Vec<_> = route.statuses.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            table,
            "| {} | `{}` | {} | {} | {} |",
            route.method,
            route.path,
            caller(route.access),
            route.summary,
            statuses.join(", ")
        );
    }
    table
}

fn caller(access: Access) -> &'static str {
    match access {
        Access::Public => "everyone",
        Access::SignIn => "everyone who signs in or out",
        Access::Owner => "the owner's token",
        Access::OwnerOrSigned => "the owner's token, or a signed URL of the export",
        Access::OwnerOrStaff => "the owner's token, or staff",
        Access::FormFiller => "the owner's token, the code of the link, the patient in a browser, or staff",
        Access::Client => "a client with access to many patients",
        Access::Staff => "staff, by cookie or token",
        Access::StaffPage => "staff in a browser",
        Access::PatientPage => "the patient in a browser",
        Access::AppRedirect => "an app, through the browser",
        Access::OAuth => "an OAuth client",
        Access::OAuthBearer => "an app with an access token",
    }
}
