//! Staff: list, inspect, approve, reject, attach, delete. As an API (contract, section 4) and as pages.
//!
//! - [`caller`]: who calls; [`login`]: the session;
//! - [`review`]: what staff can do to a job, the same for API and pages; [`uploads`]: files that they attach, and
//!   [`direct`]: those too large for a request;
//! - [`api`] and [`pages`]: the two faces.

mod api;
mod caller;
mod direct;
mod login;
mod pages;
mod review;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use domain::clock::{Clock, Random};
use domain::ports::expiring::ExpiringStore;
use domain::ports::files::Files;
use domain::ports::jobs::Jobs;
use platform::Platform;
use security::verify::Verifier;
use settings::Settings;

/// The ports of staff.
#[derive(Clone)]
pub(crate) struct Admin {
    jobs: Arc<dyn Jobs>,
    files: Arc<dyn Files>,
    expiring: Arc<dyn ExpiringStore>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Arc<Settings>,
    verifier: Arc<Verifier>,
}

pub fn router(platform: &dyn Platform) -> Router {
    Router::new()
        .route("/admin/login", post(login::by_api))
        .route("/admin/logout", get(login::logout))
        .route("/admin/jobs", get(api::list))
        .route("/jobs", get(api::list))
        .route("/admin/jobs/{job}", get(api::show).delete(api::delete))
        .route("/jobs/{job}", get(api::show))
        .route("/admin/jobs/{job}/approve", post(api::approve))
        .route("/admin/jobs/{job}/reject", post(api::reject))
        .route("/admin/jobs/{job}/add-files", post(api::add_files))
        .route("/admin/jobs/{job}/remove-files", post(api::remove_files))
        .route("/admin/jobs/{job}/uploads", post(direct::begin))
        .route("/admin/jobs/{job}/uploads/{upload}/complete", post(direct::complete))
        .route("/staff", get(pages::list))
        .route("/staff/login", get(pages::login).post(login::by_page))
        .route("/staff/logout", post(login::leave))
        .route("/staff/jobs/{job}", get(pages::show))
        .route("/staff/jobs/{job}/approve", post(pages::approve))
        .route("/staff/jobs/{job}/reject", post(pages::reject))
        .route("/staff/jobs/{job}/add-files", post(pages::add_files))
        .route("/staff/jobs/{job}/remove-files", post(pages::remove_files))
        .route("/staff/jobs/{job}/delete", post(pages::delete))
        // Uploads are counted as they are read; every other body is read with its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(Admin {
            jobs: platform.jobs(),
            files: platform.files(),
            expiring: platform.expiring(),
            clock: platform.clock(),
            random: platform.random(),
            settings: platform.settings(),
            verifier: platform.verifier(),
        })
}
