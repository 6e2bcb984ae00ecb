//! Reads `template.yaml` like CloudFormation: as YAML whose tags are intrinsic functions.
//!
//! The document becomes JSON in which each tag has its long form: `!Ref Name` is `{"Ref": "Name"}`, and `!Sub text` is
//! `{"Fn::Sub": "text"}`. [`Deployed`] evaluates these functions.

mod deployed;
mod expression;
mod pattern;
mod policy;
mod routes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

pub use self::deployed::Deployed;
pub use self::expression::evaluate;
pub use self::pattern::matches_pattern;
pub use self::policy::{Access, Policy, Statement};
pub use self::routes::Routes;

/// See the [module](self).
#[derive(Clone)]
pub struct Template(Arc<Value>);

impl Template {
    /// Returns the template of the project, which is read once.
    pub fn load() -> Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        let read = || {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
            Self::parse(&std::fs::read_to_string(path).expect("a template"))
        };
        TEMPLATE.get_or_init(read).clone()
    }

    pub fn parse(text: &str) -> Self {
        let documents = Yaml::load_from_str(text).expect("YAML");
        let [document] = &documents[..] else { panic!("{} documents", documents.len()) };
        Self(Arc::new(json_of(document)))
    }

    pub fn document(&self) -> &Value {
        &self.0
    }

    /// Returns the resources of a type, by their logical id.
    pub fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let all = self.0["Resources"].as_object().expect("resources");
        let of_kind = all.iter().filter(|(_, resource)| resource["Type"] == kind);
        of_kind.map(|(id, resource)| (id.as_str(), resource)).collect()
    }

    /// Returns the Lambda functions by their logical id, with the crate of each.
    pub fn functions(&self) -> BTreeMap<&str, (&str, &Value)> {
        let functions = self.resources("AWS::Serverless::Function").into_iter();
        functions
            .map(|(id, function)| {
                let binary = &function["Metadata"]["BuildProperties"]["Binary"];
                (id, (binary.as_str().expect("the name of a crate"), function))
            })
            .collect()
    }

    /// Returns the properties of the functions that serve requests.
    pub fn serving(&self) -> BTreeMap<&str, &Value> {
        let serves = |binary: &str| ehi::server::FUNCTIONS.iter().any(|(name, ..)| *name == binary);
        let serving = self.functions().into_iter().filter(|(_, (binary, _))| serves(binary));
        serving.map(|(id, (_, function))| (id, &function["Properties"])).collect()
    }
}

fn json_of(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(scalar) => json_of_scalar(scalar),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(entries) => {
            let entry = |(name, value): (&Yaml<'_>, &Yaml<'_>)| (name_of(name), json_of(value));
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, argument) => json!({ intrinsic(&tag.suffix): json_of(argument) }),
        other => panic!("CloudFormation has no {other:?}"),
    }
}

fn json_of_scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(is) => json!(is),
        Scalar::Integer(number) => json!(number),
        Scalar::FloatingPoint(number) => json!(number.into_inner()),
        Scalar::String(text) => json!(text),
    }
}

/// Returns the name of a member; `None:` is a text and not a null.
fn name_of(name: &Yaml<'_>) -> String {
    match json_of(name) {
        Value::String(name) => name,
        other => other.to_string(),
    }
}

/// Returns the long form of a tag (CloudFormation, intrinsic function reference).
fn intrinsic(tag: &str) -> String {
    match tag {
        "Ref" | "Condition" => tag.to_owned(),
        _ => format!("Fn::{tag}"),
    }
}
