//! Assertions of clients that are not valid: strangers cannot fill the audit trail with them.

use http::StatusCode;
use tests::service::{assertion, signed};
use tests::{PASSWORD, World};

const STRANGER: &str = "198.51.100.1";

fn few_attempts() -> World {
    let limits = "limits = { login_attempts_by_user = 8, login_attempts_by_address = 6 }";
    World::with(&format!("sandbox = true\n{limits}"), &ehi::defaults::sample_records())
}

/// Sends an assertion for `service` to an endpoint; it is not valid if `is_forged`.
async fn assert_as_service(world: &World, path: &str, address: &str, is_forged: bool) -> StatusCode {
    let (header, mut claims) = assertion("service", world.now());
    if is_forged {
        claims["iss"] = "somebody".into();
    }
    let fields = [
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &signed(&header, &claims)),
        ("grant_type", "client_credentials"),
        ("scope", "system/*.rs"),
        ("token", "x"),
    ];
    world.post(path).from(address).form(&fields).send().await.status
}

/// Returns the number of failed sign-ins in the audit trail.
async fn recorded(world: &World) -> usize {
    let auditor = world.staff().await;
    let path = "/admin/audit?action=sign-in-failed&_count=100";
    world.get(path).cookie(&auditor).send().await.text().lines().count()
}

#[tokio::test]
async fn strangers_cannot_fill_the_audit_trail_with_assertions() {
    for path in ["/auth/token", "/auth/introspect", "/auth/revoke"] {
        let world = few_attempts();
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(assert_as_service(&world, path, STRANGER, true).await);
        }
        let expected = [vec![StatusCode::BAD_REQUEST; 6], vec![StatusCode::TOO_MANY_REQUESTS; 14]].concat();
        assert_eq!(statuses, expected, "{path}");
        assert_eq!(recorded(&world).await, 6, "{path}");
        // Attempts from many addresses are stopped by the limit of the client, which is a little higher.
        for host in 1..=20 {
            assert_as_service(&world, path, &format!("203.0.113.{host}"), true).await;
        }
        assert_eq!(recorded(&world).await, 8, "{path}");
        // The service itself is not affected, even at the address of the stranger.
        for _ in 0..20 {
            assert_eq!(assert_as_service(&world, path, STRANGER, false).await, StatusCode::OK, "{path}");
        }
        // The people behind that address are not affected either.
        let fields = [("username", "admin"), ("password", PASSWORD)];
        let staff = world.post("/admin/login").from(STRANGER).form(&fields).send().await;
        assert_eq!(staff.status, StatusCode::OK, "{path}");
        world.advance(300);
        let later = assert_as_service(&world, path, STRANGER, true).await;
        assert_eq!(later, StatusCode::BAD_REQUEST, "{path}");
    }
}
