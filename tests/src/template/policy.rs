//! The permissions of a function in the template, and calls as IAM evaluates them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Deployed;

/// A call as IAM evaluates it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    pub action: String,
    /// The ARN.
    pub resource: String,
    /// The `s3:prefix` of a listing.
    pub prefix: Option<String>,
}

/// One statement of a policy. All statements of the template have the effect `Allow`.
#[derive(Debug)]
pub struct Statement {
    pub sid: String,
    pub actions: Vec<String>,
    /// ARNs, which may contain `*`.
    pub resources: Vec<String>,
    /// A pattern that `s3:prefix` must match.
    pub prefix: Option<String>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Policy(pub Vec<Statement>);

impl Policy {
    /// Returns the policy of a function, as it is deployed.
    pub fn of_function(deployed: &Deployed, function: &Value) -> Self {
        let policies = deployed.evaluate(&function["Properties"]["Policies"]);
        let [policy] = policies.as_array().map(Vec::as_slice).unwrap_or_default() else {
            panic!("not one policy: {policies}")
        };
        Self(policy["Statement"].as_array().expect("statements").iter().map(Statement::of).collect())
    }

    pub fn allows(&self, access: &Access) -> bool {
        self.0.iter().any(|statement| statement.allows(access))
    }

    /// Returns the actions and resources of the policy that none of these calls needs.
    pub fn unused(&self, accesses: &BTreeSet<Access>) -> Vec<String> {
        let mut unused = Vec::new();
        for statement in &self.0 {
            let used: Vec<_> = accesses.iter().filter(|access| statement.allows(access)).collect();
            let is_used = |action: &&String| used.iter().any(|access| access.action == **action);
            let actions = statement.actions.iter().filter(|action| !is_used(action));
            let is_reached =
                |resource: &&String| used.iter().any(|access| is_like(&access.resource, resource));
            let resources = statement.resources.iter().filter(|resource| !is_reached(resource));
            // A statement that no call uses is reported by its actions only.
            let resources = resources.filter(|_| !used.is_empty());
            unused.extend(actions.chain(resources).map(|what| format!("{}: {what}", statement.sid)));
        }
        unused
    }
}

impl Statement {
    fn of(statement: &Value) -> Self {
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        let prefix = statement.get("Condition").map(|condition| {
            let prefix = &condition["StringLike"]["s3:prefix"];
            prefix.as_str().unwrap_or_else(|| panic!("this condition is not evaluated here: {statement}"))
        });
        Self {
            sid: statement["Sid"].as_str().expect("a name").to_owned(),
            actions: one_or_more(&statement["Action"]),
            resources: one_or_more(&statement["Resource"]),
            prefix: prefix.map(str::to_owned),
        }
    }

    fn allows(&self, access: &Access) -> bool {
        let is_of_prefix = self
            .prefix
            .as_ref()
            .is_none_or(|pattern| access.prefix.as_ref().is_some_and(|prefix| is_like(prefix, pattern)));
        is_of_prefix
            && self.actions.contains(&access.action)
            && self.resources.iter().any(|pattern| is_like(&access.resource, pattern))
    }
}

fn one_or_more(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |all| all.iter().map(text).collect())
}

/// Returns whether a text matches a pattern with `*`.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(text) = text.strip_prefix(head) else { return false };
    text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| is_like(&text[at..], rest))
}
