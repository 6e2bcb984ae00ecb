//! The hourly cleanup on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::lambda::schedule(cleanup::run).await
}
