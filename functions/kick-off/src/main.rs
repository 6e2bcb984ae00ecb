//! Runs the kick-off function on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::lambda::serve(kick_off::router).await
}
