use domain::ids::ClientId;
use domain::scopes::Scopes;

use super::*;

fn caller() -> Arc<Caller> {
    let claims = tokens::AccessTokenClaims {
        iss: String::new(),
        aud: String::new(),
        sub: "service".to_owned(),
        client_id: ClientId::parse("service").expect("an id").to_string(),
        scope: Scopes::parse("system/*.rs").to_string(),
        patient: None,
        iat: 0,
        exp: 3_600,
        jti: "one".to_owned(),
        fhir_user: None,
        family: None,
    };
    Arc::new(Caller::of_own(claims).expect("claims of this server"))
}

#[test]
fn a_token_that_was_verified_while_it_was_revoked_is_not_cached() {
    let (tokens, now) = (VerifiedTokens::of_one_process(), Timestamp::UNIX_EPOCH);
    let emptied = tokens.emptied();
    tokens.forget();
    tokens.insert([1; 32], &caller(), now, emptied);
    assert!(tokens.find(&[1; 32], now).is_none(), "its entries were read before the revocation");
    tokens.insert([1; 32], &caller(), now, tokens.emptied());
    assert!(tokens.find(&[1; 32], now).is_some());
    assert!(tokens.find(&[1; 32], now + CACHED).is_none(), "it is checked again");
    tokens.forget();
    assert!(tokens.find(&[1; 32], now).is_none());
}

#[test]
fn one_of_several_processes_caches_nothing() {
    let (tokens, now) = (VerifiedTokens::none(), Timestamp::UNIX_EPOCH);
    tokens.insert([1; 32], &caller(), now, tokens.emptied());
    assert!(tokens.find(&[1; 32], now).is_none());
}
