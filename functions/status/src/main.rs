//! Progress, manifest and cancelling on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::lambda::serve(status::router).await
}
