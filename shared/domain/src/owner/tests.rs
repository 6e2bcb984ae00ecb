use super::*;

fn owner(client: &str, issuer: Option<&str>, patient: Option<&str>, subject: &str) -> Owner {
    let patient = patient.map(|patient| PatientId::parse(patient).expect("an id"));
    Owner::new(ClientId::parse(client).expect("an id"), issuer.map(str::to_owned), patient, subject)
}

#[test]
fn an_owner_that_was_stored_before_owners_had_subjects_is_the_same_owner() {
    for (stored, key, now) in [
        (
            r#"{"client":"service","issuer":null,"patient":null}"#,
            "service  ",
            owner("service", None, None, "service"),
        ),
        (r#"{"client":"app","patient":"p1"}"#, "app p1 ", owner("app", None, Some("p1"), "Patient/p1")),
        (
            r#"{"client":"svc","issuer":"https://i.example.org","patient":null}"#,
            "svc  https://i.example.org",
            owner("svc", Some("https://i.example.org"), None, "svc"),
        ),
    ] {
        let stored: Owner = serde_json::from_str(stored).expect("an owner");
        assert_eq!((stored.key().as_str(), &stored), (key, &now));
    }
}

#[test]
fn owners_who_differ_in_one_part_have_different_keys() {
    let issuer = Some("https://i.example.org");
    let owners = [
        owner("app", issuer, None, "u1"),
        owner("app", issuer, None, "u2"),
        owner("app", issuer, None, "app"),
        owner("app", issuer, Some("u1"), "app"),
        owner("app", issuer, Some("p1"), "Patient/p1"),
        owner("app", issuer, Some("p1"), "Patient/p2"),
        owner("app", None, Some("p1"), "Patient/p1"),
        owner("app", None, None, "app"),
        owner("app2", issuer, None, "u1"),
    ];
    for (number, one) in owners.iter().enumerate() {
        for other in &owners[number + 1..] {
            assert_ne!(one.key(), other.key());
            assert_ne!(one, other);
        }
    }
}
