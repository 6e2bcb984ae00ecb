//! The export generator on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::lambda::consume(export_generator::worker).await
}
