//! The attributes of stories. `#[both_hosts]` marks a story that runs on both hosts: the process in memory and the deployment of
//! `cargo xtask test`. `#[in_browser]` marks a story that runs in Chromium.

use proc_macro::{Delimiter, TokenStream, TokenTree};

/// Makes two tests of `async fn name(world: World)`: `name::here`, and `name::deployed`, which plain `cargo test` ignores. It also
/// adds the story to `tests::stories`, which run on the simulated AWS.
///
/// `#[both_hosts(alone)]` leaves out `name::deployed`. It is for a story that other stories of a deployment would disturb, or that
/// would disturb them.
#[proc_macro_attribute]
pub fn both_hosts(how: TokenStream, story: TokenStream) -> TokenStream {
    let Some((name, returns)) = signature(&story) else {
        return "compile_error!(\"#[both_hosts] stands before an async fn of a World\");"
            .parse()
            .expect("Rust");
    };
    let deployed = match how.to_string().as_str() {
        "" => format!(
            "#[tokio::test]
            #[ignore = \"cargo xtask test deploys what it needs\"]
            async fn deployed() {returns} {{
                Box::pin(super::{name}(::tests::World::deployed())).await
            }}"
        ),
        "alone" => String::new(),
        _ => "compile_error!(\"#[both_hosts] knows only `alone`\");".to_owned(),
    };
    let tests = format!(
        "mod {name} {{
            #[tokio::test]
            async fn here() {returns} {{
                Box::pin(super::{name}(::tests::World::new())).await
            }}

            {deployed}

            ::tests::inventory::submit! {{
                ::tests::stories::Story {{
                    name: module_path!(),
                    run: |world| Box::pin(async move {{ ::tests::stories::assert_passed(super::{name}(world).await) }}),
                }}
            }}
        }}"
    );
    let tests: TokenStream = tests.parse().expect("Rust");
    story.into_iter().chain(tests).collect()
}

/// Makes a test of a story in Chromium. `cargo xtask browser` runs it; plain `cargo test` ignores it.
#[proc_macro_attribute]
pub fn in_browser(_: TokenStream, story: TokenStream) -> TokenStream {
    let attributes = "#[tokio::test] #[ignore = \"cargo xtask browser starts what it needs\"]";
    attributes.parse::<TokenStream>().expect("Rust").into_iter().chain(story).collect()
}

/// Returns the name of a function, and the tokens between its parameters and its body.
fn signature(function: &TokenStream) -> Option<(String, String)> {
    let mut tokens = function.clone().into_iter().skip_while(|token| token.to_string() != "fn").skip(1);
    let name = tokens.next()?.to_string();
    let TokenTree::Group(parameters) = tokens.next()? else { return None };
    let is_body =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let returns: TokenStream = tokens.take_while(|token| !is_body(token)).collect();
    (!parameters.stream().is_empty()).then(|| (name, returns.to_string()))
}
