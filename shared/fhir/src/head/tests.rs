use super::*;
use crate::facts::Days;

fn days(line: &str) -> Option<(String, String)> {
    let mut plain = Plain::default();
    let (_, facts) = head_and_facts(line.as_bytes(), &mut plain).expect("a resource");
    let text = |bytes: [u8; 10]| String::from_utf8(bytes.to_vec()).expect("ASCII");
    facts.days.map(|days| (text(days.first), text(days.last)))
}

#[test]
fn the_type_is_read_from_the_root_at_any_position() {
    let line = br#"{"contained":[{"resourceType":"Practitioner","id":"x"}],"id":"a","resourceType":"Claim"}"#;
    let plain = &mut Plain::default();
    assert_eq!(head(line, plain), Ok(Head { text: line, resource_type: "Claim", id: Some("a") }));
    for line in [
        r#"{"contained":[{"resourceType":"Practitioner"}]}"#,
        r#"{"resourceType":"../x"}"#,
        r#"{"resourceType":"Pat\\ient"}"#,
        r#"{"resourceType":7}"#,
    ] {
        assert_eq!(head(line.as_bytes(), &mut Plain::default()), Err(NotAResource::NoType), "{line}");
    }
}

#[test]
fn every_spelling_has_the_same_head_facts_and_members() {
    let plain = br#"{"resourceType":"Observation","id":"o-1","meta":{"security":[{"code":"HIV"}]},"category":[{"coding":[{"code":"laboratory"}]}],"effectiveDateTime":"2020-05-06"}"#;
    let spelled = br#"{ "resource\u0054ype":"\u004fbservation","\u0069d":"o\u002d1","m\u0065ta":{"\u0073ecurity":[{"c\u006fde":"\u0048IV"}]},"categ\u006fry":[{"coding":[{"code":"\u006caboratory"}]}],"effectiveDat\u0065Time":"\u0032020-05-06"}"#;
    let (room, other) = (&mut Plain::default(), &mut Plain::default());
    let (head, facts) = head_and_facts(plain, room).expect("a resource");
    let (spelled_head, spelled_facts) = head_and_facts(spelled, other).expect("a resource");
    assert_eq!((spelled_head.resource_type, spelled_head.id), (head.resource_type, head.id));
    assert_eq!(
        (&spelled_facts.labels, &spelled_facts.categories, spelled_facts.days),
        (&facts.labels, &facts.categories, facts.days)
    );
    let (room, other) = (&mut Plain::default(), &mut Plain::default());
    let (_, members) = head_and_members(plain, room).expect("a resource");
    let (head, spelled_members) = head_and_members(spelled, other).expect("a resource");
    let of = |text: &[u8], members: &Members<'_>| {
        members.iter().map(|(key, value)| (key.to_vec(), text[value.clone()].to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(of(head.text, &spelled_members), of(plain, &members));
}

#[test]
fn a_repeated_member_is_named() {
    for (line, name) in [
        (r#"{"resourceType":"Claim","meta":{},"meta":{"security":[{"code":"HIV"}]}}"#, "meta"),
        (r#"{"resourceType":"Claim","meta":{},"m\u0065ta":{}}"#, "meta"),
        (r#"{"resourceType":"Claim","a":[{"b":1,"\u0062":1}]}"#, "b"),
    ] {
        let repeated = Err(NotAResource::Repeated(name.to_owned()));
        assert_eq!(head(line.as_bytes(), &mut Plain::default()), repeated, "{line}");
        assert!(head_and_facts(line.as_bytes(), &mut Plain::default()).is_err(), "{line}");
        assert!(head_and_members(line.as_bytes(), &mut Plain::default()).is_err(), "{line}");
    }
}

#[test]
fn labels_of_contained_resources_are_read_and_unreadable_labels_are_recorded() {
    for (line, labels, unreadable) in [
        (r#"{"meta":{"security":[{"code":"HIV"},{}]}}"#, &["HIV"][..], false),
        (r#"{"meta":{"security":{"code":" hiv\n"}}}"#, &[" hiv\n"], false),
        (r#"{"meta":null,"contained":[{"meta":{"security":[{"code":"R"}]}}]}"#, &["R"], false),
        (r#"{"entry":[{"resource":{"contained":[{"meta" : {"security":[{"code":"V"}]}}]}}]}"#, &["V"], false),
        (r#"{"parameter":[{"part":[{"resource":{"meta":{"security":[{"code":"V"}]}}}]}]}"#, &["V"], false),
        (r#"{"contained":[{"text":"\"meta\":{"},"meta"]}"#, &[], false),
        (r#"{"meta":{"security":null}}"#, &[], false),
        (r#"{"meta":{"security":[null]}}"#, &[], false),
        (r#"{"meta":{"security":"HIV"}}"#, &[], true),
        (r#"{"meta":{"security":[{"code":7}]}}"#, &[], true),
        (r#"{"meta":{"security":[{"code":"\ud800"}]}}"#, &[], true),
        (r#"{"meta":{"security":[{"display":"HIV"}]}}"#, &[], true),
        (r#"{"meta":{"security":[{"coding":[{"code":"HIV"}]}]}}"#, &[], true),
        (r#"{"meta":{"security":[[{"code":"HIV"}]]}}"#, &[], true),
        (r#"{"meta":[{"security":[{"code":"HIV"}]}]}"#, &[], true),
        (r#"{"contained":[{"meta":7}]}"#, &[], true),
        (r#"{"securityLabel":[{"coding":[{"code":"R"},{"code":"PSY"}]}]}"#, &["R", "PSY"], false),
        (r#"{"securityLabel":{"coding":{"code":"R"}}}"#, &["R"], false),
        (r#"{"securityLabel":[{"code":"R"},null,{}]}"#, &["R"], false),
        (r#"{"securityLabel":[{"text":"confidential"}]}"#, &[], true),
        (r#"{"securityLabel":[{"coding":[{"display":"R"}]}]}"#, &[], true),
        (r#"{"securityLabel":[{"coding":[]}]}"#, &[], true),
        (r#"{"securityLabel":[7]}"#, &[], true),
        (r#"{"confidentiality":"V"}"#, &["V"], false),
        (r#"{"confidentiality":7}"#, &[], true),
        (r#"{"confidentiality":null}"#, &[], false),
        (r#"{"contained":[{"securityLabel":[{"coding":[{"code":"V"}]}]}]}"#, &["V"], false),
        (r#"{"entry":[{"resource":{"confidentiality":"R"}}]}"#, &["R"], false),
    ] {
        let line = line.replacen('{', "{\"resourceType\":\"Basic\",", 1);
        let plain = &mut Plain::default();
        let (_, facts) = head_and_facts(line.as_bytes(), plain).expect("a resource");
        assert_eq!(
            (&facts.labels[..], facts.has_unreadable_label),
            (&labels.iter().map(|label| Cow::Borrowed(*label)).collect::<Vec<_>>()[..], unreadable),
            "{line}"
        );
    }
}

#[test]
fn facts_are_codes_labels_and_days() {
    let line =
        br#"{"resourceType":"Observation","meta":{"security":[{"system":"s","code":"HIV"},{"code":"R"}]},
        "category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"code":"not this"}]},
        "issued":"2021-01-01T00:00:00Z","effectiveDateTime":"2020-05-06T01:02:03Z"}"#;
    let plain = &mut Plain::default();
    let (_, facts) = head_and_facts(line, plain).expect("a resource");
    assert_eq!(facts.labels, ["HIV", "R"]);
    assert_eq!(facts.categories, ["laboratory"]);
    assert_eq!(facts.days, Days::of(b"2020-05-06"));
}

#[test]
fn periods_and_conditions_cover_all_their_days() {
    let pair = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
    assert_eq!(
        days(r#"{"resourceType":"Encounter","period":{"start":"2020-01-02T03:04:05Z"}}"#),
        pair("2020-01-02", "9999-12-31")
    );
    assert_eq!(days(r#"{"resourceType":"Encounter","period":{}}"#), None);
    assert_eq!(
        days(r#"{"resourceType":"Condition","recordedDate":"2019","onsetDateTime":"2018-03"}"#),
        pair("2018-03-01", "9999-12-31")
    );
    assert_eq!(
        days(r#"{"resourceType":"Condition","abatementDateTime":"2018-04-05","onsetDateTime":"2018-03-01"}"#),
        pair("2018-03-01", "2018-04-05")
    );
    assert_eq!(
        days(
            r#"{"resourceType":"DocumentReference","date":"2022-01-01T00:00:00Z","context":{"period":{"start":"2020-01-01","end":"2020-02"}}}"#
        ),
        pair("2020-01-01", "2020-02-31")
    );
    assert_eq!(days(r#"{"resourceType":"Patient","birthDate":"1970-01-01"}"#), None);
}

#[test]
fn what_only_begins_lasts_until_its_end() {
    let pair = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
    for (members, expected) in [
        (r#""recordedDate":"2015-03-01""#, pair("2015-03-01", "9999-12-31")),
        (r#""recordedDate":"2015","abatementDateTime":"2016-02""#, pair("2015-01-01", "2016-02-31")),
        (
            r#""recordedDate":"2015","abatementPeriod":{"start":"2016","end":"2017"}"#,
            pair("2015-01-01", "2017-12-31"),
        ),
        (r#""abatementDateTime":"2016-02-03""#, pair("0000-01-01", "2016-02-03")),
        (r#""startDate":"2015-03-01","statusDate":"2016-01-01""#, pair("2015-03-01", "9999-12-31")),
        (r#""authoredOn":"2015-03-01""#, pair("2015-03-01", "2015-03-01")),
    ] {
        assert_eq!(days(&format!("{{\"resourceType\":\"Condition\",{members}}}")), expected, "{members}");
    }
}

#[test]
fn each_type_has_its_own_date() {
    for (resource_type, members) in [
        ("MedicationDispense", r#""whenPrepared":"2019-01-01","whenHandedOver":"2020-05-06T10:00:00Z""#),
        ("Appointment", r#""created":"2019-01-01","start":"2020-05-06T10:00:00Z""#),
        ("Specimen", r#""receivedTime":"2021-01-01","collection":{"collectedDateTime":"2020-05-06"}"#),
        ("Specimen", r#""receivedTime":"2020-05-06""#),
        ("DeviceUseStatement", r#""recordedOn":"2021-01-01","timingDateTime":"2020-05-06""#),
        ("Provenance", r#""recorded":"2021-01-01","occurredDateTime":"2020-05-06""#),
        ("AuditEvent", r#""recorded":"2020-05-06T00:00:00.000Z""#),
        ("Immunization", r#""recorded":"2021-01-01","occurrenceDateTime":"2020-05-06""#),
        ("Communication", r#""received":"2021-01-01","sent":"2020-05-06""#),
        ("DetectedIssue", r#""identifiedDateTime":"2020-05-06""#),
        ("MedicationStatement", r#""dateAsserted":"2020-05-06""#),
        ("VisionPrescription", r#""created":"2021-01-01","dateWritten":"2020-05-06""#),
        ("NutritionOrder", r#""dateTime":"2020-05-06""#),
        ("ChargeItem", r#""enteredDate":"2020-05-06""#),
        ("Task", r#""authoredOn":"2021","executionPeriod":{"start":"2020-05-06","end":"2020-05-06"}"#),
        ("Account", r#""servicePeriod":{"start":"2020-05-06","end":"2020-05-06"}"#),
        ("AdverseEvent", r#""recordedDate":"2021-01-01","date":"2020-05-06""#),
    ] {
        let found = days(&format!("{{\"resourceType\":\"{resource_type}\",{members}}}"));
        assert_eq!(found, Some(("2020-05-06".to_owned(), "2020-05-06".to_owned())), "{resource_type}");
    }
}

#[test]
fn each_end_is_as_exact_as_the_resource_states_it() {
    for (members, first, last) in [
        (r#""period":{"end":"2019-02"}"#, None, Some("2019-02")),
        (r#""period":{"end":"2019"}"#, None, Some("2019")),
        (r#""period":{"start":"2019"}"#, Some("2019"), None),
        (r#""period":{"start":"0000","end":"2019-03-04T00:00:00Z"}"#, Some("0000"), Some("2019-03-04")),
        (r#""onsetDateTime":"2019""#, Some("2019"), None),
        (r#""onsetDateTime":"2019-01","abatementDateTime":"2020""#, Some("2019-01"), Some("2020")),
        (r#""date":"2019-02""#, Some("2019-02"), Some("2019-02")),
        (r#""date":"2019-02-03T10:00:00Z""#, Some("2019-02-03"), Some("2019-02-03")),
    ] {
        let line = format!("{{\"resourceType\":\"Basic\",{members}}}");
        let mut plain = Plain::default();
        let (_, facts) = head_and_facts(line.as_bytes(), &mut plain).expect("a resource");
        let days = facts.days.expect("days");
        assert_eq!((days.stated_first(), days.stated_last()), (first, last), "{line}");
    }
}
