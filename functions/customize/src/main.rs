//! Runs the function of the patient's form on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::lambda::serve(customize::router).await
}
