use super::*;

#[test]
fn an_address_is_one_of_the_pages_or_below_them() {
    for address in ["/my", "/my?a=b", "/my/apps", "/my/a.b/c?next=//x", "/staff/jobs/x", "/staff?q=a%2e%2eb"]
    {
        assert!(is_own_page(address, &["/my", "/staff"]), "{address}");
    }
    for address in [
        "",
        "/",
        "my",
        "/mine",
        "//my",
        "/my//example.org",
        "//example.org/my",
        "https://example.org/my",
        "/my\\example.org",
        "/\\example.org/my",
        "/my/a b",
        "/my/\t",
        "/my\r\nx: y",
        "/my/\u{e9}",
        "/my/../authorize",
        "/my/.%2E/authorize",
        "/my/%2e/x",
        "/my/..?a",
    ] {
        assert!(!is_own_page(address, &["/my", "/staff"]), "{address:?}");
    }
    assert!(is_own_page(&format!("/my?{}", "x".repeat(996)), &["/my"]));
    assert!(!is_own_page(&format!("/my?{}", "x".repeat(997)), &["/my"]), "it is too long");
}
