//! Events of exports, and mails to patients, on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), aws::lambda::Error> {
    aws::lambda::announce(announce::bus, mail::mailer).await
}
