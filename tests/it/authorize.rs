//! The SMART authorization server.

mod assertions;
mod basic;
mod codes;
mod consent;
mod interrupted;
mod online;
mod redirects;
mod refresh_tokens;
mod requests;
mod sandbox;
mod sizes;

use tests::World;

pub(crate) async fn refresh(world: &World, token: &str) -> tests::TestResponse {
    world.post("/auth/token").form(&[("grant_type", "refresh_token"), ("refresh_token", token)]).send().await
}
