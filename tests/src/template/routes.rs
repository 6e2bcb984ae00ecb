//! Finds the route of API Gateway that a request takes.

use std::collections::BTreeMap;

use super::Template;

/// How closely a route matches: first whether it has no greedy part, then the number of literal segments.
type Closeness = (bool, usize);

/// Returns how closely the path of a route matches the path of a request; `None` if it does not match.
fn closeness(route: &str, path: &str) -> Option<Closeness> {
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    let mut literal = 0;
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some((true, literal)),
            (Some(part), Some(_)) if part.ends_with("+}") => return Some((false, literal)),
            (Some(part), Some(_)) if part.starts_with('{') => {}
            (Some(part), Some(segment)) if part == segment => literal += 1,
            _ => return None,
        }
    }
}

/// The routes of the template: `ANY /path` or `$default`, with the logical id of each route's function.
pub struct Routes(BTreeMap<String, String>);

impl Template {
    pub fn routes(&self) -> Routes {
        let routes = self.resources("AWS::ApiGatewayV2::Route").into_values().map(|route| {
            let properties = &route["Properties"];
            let key = properties["RouteKey"].as_str().expect("a key").to_owned();
            let target = properties["Target"]["Fn::Sub"].as_str().expect("a target");
            let integration = target.strip_prefix("integrations/${").and_then(|rest| rest.strip_suffix('}'));
            let integration = integration.unwrap_or_else(|| panic!("{key} leads to {target}"));
            (key, self.function_of(integration))
        });
        Routes(routes.collect())
    }

    /// Returns the function that an integration calls.
    fn function_of(&self, integration: &str) -> String {
        let uri = &self.document()["Resources"][integration]["Properties"]["IntegrationUri"];
        let arn = uri["Fn::If"][2]["Fn::GetAtt"].as_str().unwrap_or_else(|| panic!("{integration}: {uri}"));
        arn.strip_suffix(".Arn").unwrap_or_else(|| panic!("{integration}: {arn}")).to_owned()
    }
}

impl Routes {
    /// Returns the logical id of the function that a request reaches.
    pub fn function(&self, method: &str, path: &str) -> &str {
        let best = self.0.iter().filter_map(|(key, function)| {
            let (of, pattern) = key.split_once(' ')?;
            let is_of_method = of == "ANY" || of == method;
            is_of_method.then_some((closeness(pattern, path)?, of != "ANY", function))
        });
        best.max().map_or_else(|| &self.0["$default"], |(.., function)| function)
    }
}
