use super::*;

#[test]
fn the_names_of_actions_and_outcomes_are_those_of_their_json() {
    for action in Action::ALL {
        assert_eq!(serde_json::to_value(action).expect("JSON"), action.name());
        assert_eq!(Action::named(action.name()), Some(*action));
    }
    for outcome in Outcome::ALL {
        assert_eq!(serde_json::to_value(outcome).expect("JSON"), outcome.name());
        assert_eq!(Outcome::named(outcome.name()), Some(outcome));
    }
}

#[test]
fn a_text_from_outside_is_cut_at_a_character() {
    assert_eq!(Actor::staff(&"é".repeat(200)).id, "é".repeat(127));
    assert_eq!(Actor::staff("").id, "unknown");
}

#[test]
fn an_event_with_many_patients_has_several_entries() {
    let patients =
        |count: usize| (0..count).map(|number| PatientId::parse(&format!("p{number}")).expect("an id"));
    for (count, sizes) in
        [(0, vec![0]), (1, vec![1]), (50, vec![50]), (51, vec![50, 1]), (120, vec![50, 50, 20])]
    {
        let event = Event::new(Actor::server(), Action::Download).about("Patient.ndjson");
        let entries = event.clone().showing(patients(count)).entries();
        assert_eq!(entries.iter().map(|entry| entry.shown.len()).collect::<Vec<_>>(), sizes);
        let named: Vec<_> = entries.iter().flat_map(|entry| entry.shown.clone()).collect();
        assert_eq!(named, patients(count).collect::<Vec<_>>());
        for entry in entries {
            assert_eq!(Event { shown: Vec::new(), ..entry }, event);
        }
    }
}

/// An entry of a version without populations is read, and written, as it was.
#[test]
fn an_entry_without_a_population_keeps_its_canonical_form() {
    let event = Event::new(Actor::server(), Action::Download);
    let text = serde_json::to_string(&event).expect("JSON");
    assert!(!text.contains("population"), "{text}");
    assert_eq!(serde_json::from_str::<Event>(&text).expect("an event"), event);
    let group = event.of_group(&crate::ids::GroupId::parse("ward-7").expect("an id"));
    let text = serde_json::to_string(&group).expect("JSON");
    assert!(text.contains(r#""population":{"group":"ward-7"}"#), "{text}");
    assert_eq!(serde_json::from_str::<Event>(&text).expect("an event"), group);
}
