use super::*;

fn parse(text: &str) -> Result<Settings, InvalidSettings> {
    Settings::parse(text, |_| None, None)
}

#[test]
fn every_wrong_setting_is_named() {
    let text = r#"
        base_url = "localhost"
        review = "yes"
        retention_seconds = -1
        colour = "red"
        outage_hours = 0
        undo_hours = 169
        [[clients]]
        id = "a b"
    "#;
    let errors = parse(text).expect_err("wrong").to_string();
    for name in ["base_url", "review", "retention_seconds", "colour", "outage_hours", "undo_hours", "clients"]
    {
        assert!(errors.contains(name), "{name} in {errors}");
    }
}

#[test]
fn variables_have_priority_over_the_file() {
    let variables = |name: &str| (name == "EHI_SANDBOX").then(|| "true".to_owned());
    let settings = Settings::parse("base_url = \"http://127.0.0.1:1\"\nsandbox = false", variables, None);
    assert!(settings.expect("valid").sandbox);
}

#[test]
fn a_misspelt_variable_is_named() {
    let names = ["EHI_SANBOX", "EHI_SANDBOX", "EHI_LOG", "EHI_LIMITS_CONNECTIONS", "EHI_RECORDS", "HOME"];
    let unknown = unknown_variables(names.into_iter().map(str::to_owned));
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(unknown[0].starts_with("EHI_SANBOX: "), "{unknown:?}");
}

#[test]
fn a_public_sandbox_needs_a_setting() {
    assert!(parse("base_url = \"https://ehi.example.org\"\nsandbox = true").is_err());
    assert!(
        parse("base_url = \"https://ehi.example.org\"\nsandbox = true\nsandbox_in_public = true").is_ok()
    );
    assert!(parse("base_url = \"http://[::1]:8888\"\nsandbox = true").is_ok());
    assert!(parse("base_url = \"http://localhost.example.org\"\nsandbox = true").is_err());
}

#[test]
fn a_base_url_is_encrypted_unless_it_is_on_loopback() {
    for (base_url, is_valid) in [
        ("https://ehi.example.org", true),
        ("HTTPS://ehi.example.org/path", true),
        ("http://localhost:8888", true),
        ("http://ehi.localhost", true),
        ("http://127.0.0.1:3000", true),
        ("http://[::1]", true),
        ("http://ehi.example.org", false),
        ("HTTP://ehi.example.org", false),
        ("http://192.168.1.7:8888", false),
        ("http://0.0.0.0:8888", false),
        ("http://localhost.example.org", false),
        ("http://ehi", false),
        ("ftp://localhost", false),
        ("https://ehi.example.org?a=b", false),
    ] {
        let parsed = parse(&format!("base_url = \"{base_url}\""));
        assert_eq!(parsed.is_ok(), is_valid, "{base_url}");
        let is_secure = base_url.to_ascii_lowercase().starts_with("https:");
        assert!(
            parsed.is_ok_and(|settings| settings.secure_cookies() == is_secure) || !is_valid,
            "{base_url}"
        );
    }
    let problem = parse("base_url = \"http://ehi.example.org\"").expect_err("not encrypted").to_string();
    assert!(problem.contains("base_url") && problem.contains("proxy"), "{problem}");
}

#[test]
fn the_path_of_a_base_url_does_not_begin_like_a_route() {
    for (path, is_valid) in [
        ("", true),
        ("/", true),
        ("/ehi", true),
        ("/fhir-export", true),
        ("/ehi/fhir", true),
        ("/FHIR", true),
    ]
    .into_iter()
    .chain([("/fhir", false), ("/fhir/", false), ("/jobs/ehi", false), ("/auto-approve", false)])
    {
        let parsed = parse(&format!("base_url = \"https://ehi.example.org{path}\""));
        assert_eq!(parsed.is_ok(), is_valid, "{path}");
        assert!(parsed.is_ok() || parsed.is_err_and(|problem| problem.to_string().contains("begins like")));
    }
}

#[test]
fn fhir_bases_are_exact() {
    let settings = parse("base_url = \"http://localhost:1\"\nsandbox = true").expect("valid");
    for (url, is_base) in [
        ("http://localhost:1/fhir", true),
        ("http://localhost:1/fhir/", true),
        ("http://localhost:1/auto-approve/no-form/4_0_0", true),
        ("http://localhost:1/fhir/r4", true),
        ("http://localhost:1", false),
        ("http://localhost:1/fhir/r5", false),
        ("http://localhost:1.evil/fhir", false),
    ] {
        assert_eq!(settings.is_fhir_base(url), is_base, "{url}");
    }
}
