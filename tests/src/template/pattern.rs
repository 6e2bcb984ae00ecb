//! The patterns with which EventBridge and the mappings of Lambda select events (EventBridge, event patterns; Lambda, event filtering).

use serde_json::Value;

/// Returns whether an event matches a pattern: for each list of values in the pattern, the event has one of them at the same place. The
/// operators of patterns, such as `prefix`, are not evaluated here.
pub fn matches_pattern(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(members) => {
            members.iter().all(|(name, pattern)| matches_pattern(pattern, &event[name.as_str()]))
        }
        Value::Array(values) => {
            let operator = values.iter().find(|value| !value.is_string());
            assert!(operator.is_none(), "this is not evaluated here: {pattern}");
            values.contains(event)
        }
        other => panic!("no pattern: {other}"),
    }
}
