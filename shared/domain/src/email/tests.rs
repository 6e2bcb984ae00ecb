use super::*;

#[test]
fn a_text_is_an_address_only_if_it_is_nothing_else() {
    for good in
        ["anna@example.org", "a.b+c@mail.example.org", "o'neil@xn--bcher-kva.example", "A_1@1.example"]
    {
        assert_eq!(EmailAddress::parse(good).as_ref().map(EmailAddress::as_str), Some(good));
    }
    let long = format!("{}@example.org", "a".repeat(65));
    let longer = format!("a@{}", "abcdefgh.".repeat(30) + "org");
    for bad in [
        "",
        "anna",
        "anna@",
        "@example.org",
        "anna@localhost",
        "anna@example.org\r\nBcc: eve@example.org",
        "anna@example.org\n",
        "anna\0@example.org",
        "anna@example.org,eve@example.org",
        "anna@example.org eve@example.org",
        "Anna <anna@example.org>",
        "<anna@example.org>",
        "\"anna b\"@example.org",
        "a..b@example.org",
        ".a@example.org",
        "anna@example..org",
        "anna@-example.org",
        "anna@example.org>",
        "anna@exämple.org",
        "änna@example.org",
        "anna@[127.0.0.1]",
        "anna@eve@example.org",
        "mailto:anna@example.org",
        &long,
        &longer,
    ] {
        assert!(EmailAddress::parse(bad).is_none(), "{bad:?}");
    }
}

#[test]
fn debug_does_not_show_the_address() {
    let address = EmailAddress::parse("anna@example.org").expect("an address");
    assert!(!format!("{address:?}").contains("anna"));
}
