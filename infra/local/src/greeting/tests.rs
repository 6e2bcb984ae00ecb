use super::*;

fn settings(text: &str) -> Settings {
    Settings::parse(text, |_| None, Some("http://127.0.0.1:8888")).expect("settings")
}

#[test]
fn only_commands_that_work_are_suggested() {
    let with_client = settings(
        "sandbox = true\n[[clients]]\nid = \"test_client_id\"\nscopes = \"patient/*.rs\"\nredirect_uris = [\"http://127.0.0.1/callback\"]",
    );
    let without = settings("sandbox = true");
    let started = |settings, patient, service_key| Started {
        settings,
        passwords: &[],
        state: Path::new("state"),
        service_key,
        patient,
        program: "./ehi",
    };
    let key = Some(Path::new("state/key.json"));
    let all = greeting(&started(&with_client, Some("p1"), key));
    assert!(all.contains("./ehi export --patient p1 ") && all.contains("--key state/key.json"), "{all}");
    for (settings, patient, key) in
        [(&with_client, None, None), (&without, Some("p1"), None), (&without, None, None)]
    {
        let text = greeting(&started(settings, patient, key));
        assert!(!text.contains("Try it") && !text.contains("export --"), "{text}");
    }
}
