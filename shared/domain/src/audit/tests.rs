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
