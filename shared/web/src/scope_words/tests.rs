use super::*;

#[test]
fn each_meaning_appears_once_and_in_order() {
    let lines = |text: &str| scopes_in_words(&Scopes::parse(text), &Words::default());
    assert_eq!(
        lines("offline_access openid patient/$ehi-export fhirUser patient/*.rs launch/patient profile"),
        [
            "Know who you are",
            "Know whose record this is",
            "Read your health record",
            "Get a copy of your record; you choose the parts",
            "Do this later too, until you stop it in \"Apps with access\"",
        ]
    );
    assert_eq!(
        lines("patient/Observation.read patient/Observation.rs patient/Condition.r"),
        ["Read your illnesses", "Read your test results and measures"]
    );
    assert_eq!(lines("patient/Basic.rs"), ["Read your Basic"]);
    assert_eq!(lines("patient/Observation.cud"), ["Something else: patient/Observation.cud"]);
}
