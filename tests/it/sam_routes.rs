//! The routes of `sam local start-api`, as SAM's own code reads them from `template.yaml`.

use std::io::Write;
use std::process::{Command, Stdio};

use tests::deployed::variable;
use tests::template::Template;

use crate::house::root;
use crate::template::assert_is;

#[test]
#[ignore = "cargo xtask test installs SAM"]
fn sam_local_calls_the_function_that_has_the_route() -> tests::Result {
    let requests: Vec<_> = ehi::server::routes()
        .into_iter()
        .map(|(function, route)| (function, format!("{} {}", route.method, route.path)))
        .collect();
    let mut python = Command::new(variable("EHI_TEST_SAM"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/it/sam_routes.py"))
        .arg(root().join("template.yaml"))
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a Python with aws-sam-cli");
    let lines: Vec<_> = requests.iter().map(|(_, request)| request.as_str()).collect();
    let mut stdin = python.stdin.take().expect("piped");
    stdin.write_all(lines.join("\n").as_bytes()).expect("Python reads");
    drop(stdin);
    let output = python.wait_with_output().expect("Python runs");
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout)?;
    let functions: Vec<_> = printed.lines().collect();
    assert_eq!(functions.len(), requests.len());
    let template = Template::load();
    for ((expected, request), function) in requests.iter().zip(functions) {
        assert_is(&template, function, expected, request);
    }
    Ok(())
}
