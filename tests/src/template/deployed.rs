//! The template as it is deployed: with values for its parameters and names for its resources.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Template;

/// The values of the pseudo parameters in the tests.
const PSEUDO_PARAMETERS: [(&str, &str); 5] = [
    ("AWS::Region", "us-east-1"),
    ("AWS::AccountId", "000000000000"),
    ("AWS::Partition", "aws"),
    ("AWS::URLSuffix", "amazonaws.com"),
    ("AWS::StackName", "simulated"),
];

/// See the [module](self).
pub struct Deployed {
    template: Template,
    parameters: BTreeMap<String, String>,
    /// The value of `Ref` for a resource, if it is not the logical id.
    names: BTreeMap<String, String>,
}

impl Deployed {
    /// Returns the template with the defaults of the parameters, except for those given here.
    pub fn new(template: Template, parameters: &[(&str, &str)], names: &[(&str, String)]) -> Self {
        let declared = template.document()["Parameters"].as_object().expect("parameters");
        let default = |(name, parameter): (&String, &Value)| (name.clone(), text(&parameter["Default"]));
        let mut values: BTreeMap<_, _> = declared.iter().map(default).collect();
        for (name, value) in parameters {
            assert!(values.insert((*name).to_owned(), (*value).to_owned()).is_some(), "no parameter {name}");
        }
        let names = names.iter().map(|(id, name)| ((*id).to_owned(), name.clone())).collect();
        Self { template, parameters: values, names }
    }

    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Evaluates the intrinsic functions in a part of the template, and removes values that are `AWS::NoValue`.
    pub fn evaluate(&self, value: &Value) -> Value {
        match value {
            Value::Object(members) => match members.iter().next() {
                Some((function, argument)) if members.len() == 1 && is_intrinsic(function) => {
                    self.call(function, argument)
                }
                _ => Value::Object(self.members(members)),
            },
            Value::Array(items) => {
                items.iter().map(|item| self.evaluate(item)).filter(|item| !item.is_null()).collect()
            }
            other => other.clone(),
        }
    }

    fn members(&self, members: &Map<String, Value>) -> Map<String, Value> {
        let evaluated = members.iter().map(|(name, value)| (name.clone(), self.evaluate(value)));
        evaluated.filter(|(_, value)| !value.is_null()).collect()
    }

    fn call(&self, function: &str, argument: &Value) -> Value {
        match function {
            "Ref" => self.reference(&text(argument)),
            "Fn::GetAtt" => json!(self.attribute(&text(argument))),
            "Fn::Sub" => json!(self.substitute(argument)),
            "Fn::If" => {
                let [condition, then, otherwise] = arguments(argument) else { panic!("{argument}") };
                self.evaluate(if self.condition(&text(condition)) { then } else { otherwise })
            }
            "Condition" => json!(self.condition(&text(argument))),
            "Fn::Equals" => {
                let [one, other] = arguments(argument) else { panic!("{argument}") };
                json!(text(&self.evaluate(one)) == text(&self.evaluate(other)))
            }
            "Fn::Not" => json!(!self.all(argument)),
            "Fn::And" => json!(self.all(argument)),
            "Fn::Or" => json!(arguments(argument).iter().any(|one| self.evaluate(one) == json!(true))),
            other => panic!("{other} is not evaluated here"),
        }
    }

    fn all(&self, argument: &Value) -> bool {
        arguments(argument).iter().all(|one| self.evaluate(one) == json!(true))
    }

    fn condition(&self, name: &str) -> bool {
        let condition = &self.template.document()["Conditions"][name];
        self.evaluate(condition).as_bool().unwrap_or_else(|| panic!("no condition {name}"))
    }

    fn reference(&self, name: &str) -> Value {
        if name == "AWS::NoValue" {
            return Value::Null;
        }
        if let Some(value) = self.parameters.get(name) {
            return json!(value);
        }
        json!(pseudo_parameter(name).map_or_else(|| self.name(name), str::to_owned))
    }

    /// Returns the name of a resource in its service.
    fn name(&self, id: &str) -> String {
        self.names.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// Evaluates `Id.Attribute` of a resource. The template uses ARNs, and the names of queues.
    fn attribute(&self, path: &str) -> String {
        let (id, attribute) = path.split_once('.').unwrap_or_else(|| panic!("no attribute: {path}"));
        let name = self.name(id);
        let last = name.rsplit('/').next().unwrap_or_default();
        let kind = &self.template.document()["Resources"][id]["Type"];
        let in_region =
            |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:000000000000:{rest}");
        match (kind.as_str().unwrap_or_default(), attribute) {
            ("AWS::SQS::Queue", "QueueName") => last.to_owned(),
            ("AWS::SQS::Queue", "Arn") => in_region("sqs", last),
            ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{name}"),
            ("AWS::DynamoDB::Table", "Arn") => in_region("dynamodb", &format!("table/{name}")),
            ("AWS::DynamoDB::Table", "StreamArn") => in_region("dynamodb", &format!("table/{name}/stream/1")),
            ("AWS::SecretsManager::Secret", "Id") => in_region("secretsmanager", &format!("secret:{name}")),
            // CloudFormation shortens the names of roles, so nothing may rely on the name of the stack in them.
            ("AWS::IAM::Role", "Arn") => {
                let path = &self.template.document()["Resources"][id]["Properties"]["Path"];
                let path = if path.is_null() { "/".to_owned() } else { text(&self.evaluate(path)) };
                format!("arn:aws:iam::000000000000:role{path}{}-1", &name[..4])
            }
            (kind, _) => panic!("{path} of a {kind} is not evaluated here"),
        }
    }

    /// Replaces `${Name}` and `${Id.Attribute}` in a text. If the argument is a list, its second element has further names.
    fn substitute(&self, argument: &Value) -> String {
        let (pattern, own) = match argument {
            Value::Array(both) => (text(&both[0]), both[1].as_object().map(|own| self.members(own))),
            other => (text(other), None),
        };
        let mut pieces = pattern.split("${");
        let mut substituted = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').expect("a name in braces");
            let value = match own.as_ref().and_then(|own| own.get(name)) {
                Some(value) => text(value),
                None if name.contains('.') => self.attribute(name),
                None => text(&self.reference(name)),
            };
            substituted += &value;
            substituted += rest;
        }
        substituted
    }
}

fn arguments(argument: &Value) -> &[Value] {
    argument.as_array().unwrap_or_else(|| panic!("no list: {argument}"))
}

fn is_intrinsic(name: &str) -> bool {
    name == "Ref" || name == "Condition" || name.starts_with("Fn::")
}

fn pseudo_parameter(name: &str) -> Option<&'static str> {
    PSEUDO_PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Converts a scalar into the text that CloudFormation compares and substitutes.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(_) | Value::Array(_) => panic!("no scalar: {value}"),
        other => other.to_string(),
    }
}
