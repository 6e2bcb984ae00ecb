//! The hourly cleanup on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::lambda::Error> {
    shared::lambda::schedule(cleanup::run).await
}
