//! Runs the SMART authorization server on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::lambda::serve(authorize::router).await
}
