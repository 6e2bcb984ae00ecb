//! Compiles the catalogues (`languages/*.ftl`) into tables, so that a Lambda function contains no Fluent parser and reads no file at its
//! cold start.

mod plurals;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, VariantKey};
use fluent_syntax::parser;

use self::plurals::Plurals;

/// The directories of catalogues, and the files that are generated from them. The tests use languages with other plural forms.
const SOURCES: [(&str, &str); 2] =
    [("languages", "catalogues.rs"), ("src/catalogue/languages", "test_catalogues.rs")];

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "Cargo passes paths to a build script in environment variables, and reads its output"
)]
fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("Cargo sets it"));
    let target = PathBuf::from(env::var("OUT_DIR").expect("Cargo sets it"));
    for (directory, generated) in SOURCES {
        println!("cargo::rerun-if-changed={directory}");
        let code = catalogues(&root.join(directory));
        fs::write(target.join(generated), code).expect("Cargo's directory can be written");
    }
}

/// Returns the catalogues of a directory as a Rust expression, sorted by tag.
fn catalogues(directory: &Path) -> String {
    let entries = fs::read_dir(directory).expect("the directory of the catalogues");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ftl"));
    files.sort();
    let all: String = files.iter().map(|file| catalogue(file)).collect();
    format!("&[\n{all}]\n")
}

/// Returns a catalogue as a Rust expression, with the messages sorted by key.
fn catalogue(file: &Path) -> String {
    let shown = file.display();
    let text = fs::read_to_string(file).expect("a catalogue is UTF-8");
    let resource = parser::parse(text.as_str());
    let resource = resource.unwrap_or_else(|(_, errors)| panic!("{shown} is not Fluent: {errors:?}"));
    let tag = file.file_stem().and_then(|stem| stem.to_str()).expect("the name of the file is a tag");
    let plurals = Plurals::of(tag);
    let forms = plurals.names();
    let mut messages = Vec::new();
    for entry in &resource.body {
        match entry {
            Entry::Message(message) => {
                let key = message.id.name;
                let value = message.value.as_ref();
                let value = value.unwrap_or_else(|| panic!("{shown}: the message '{key}' has no text"));
                messages.push((key, pieces(value, &forms, &format!("{shown}: the message '{key}'"))));
            }
            Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
            Entry::Term(_) | Entry::Junk { .. } => panic!("{shown} has an entry that is not a message"),
        }
    }
    messages.sort();
    if let Some(twice) = messages.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        panic!("{shown} has the message '{}' twice", twice[0].0);
    }
    let mut code = format!("Catalogue {{ tag: {tag:?}, plurals: {}, messages: &[\n", plurals.code());
    for (key, value) in messages {
        writeln!(code, "({key:?}, {value}),").expect("writing to a String cannot fail");
    }
    code + "] },\n"
}

/// Returns a pattern as a Rust expression. `forms` are the plural forms of the language.
fn pieces(pattern: &Pattern<&str>, forms: &BTreeSet<String>, at: &str) -> String {
    let piece = |element: &PatternElement<&str>| match element {
        PatternElement::TextElement { value }
        | PatternElement::Placeable {
            expression: Expression::Inline(InlineExpression::StringLiteral { value }),
        } => format!("Piece::Text({value:?})"),
        PatternElement::Placeable {
            expression: Expression::Inline(InlineExpression::VariableReference { id }),
        } => format!("Piece::Variable({:?})", id.name),
        PatternElement::Placeable {
            expression: Expression::Select { selector: InlineExpression::VariableReference { id }, variants },
        } => {
            let mut cases = String::new();
            let mut other = String::new();
            for variant in variants {
                let value = pieces(&variant.value, forms, at);
                match variant.key {
                    _ if variant.default => other = value,
                    VariantKey::Identifier { name } if !forms.contains(name) => {
                        panic!("{at}: the language has no plural form [{name}]; use numbers and {forms:?}")
                    }
                    VariantKey::NumberLiteral { value: case } | VariantKey::Identifier { name: case } => {
                        write!(cases, "({case:?}, {value}),").expect("writing to a String cannot fail");
                    }
                }
            }
            format!("Piece::Select {{ variable: {:?}, cases: &[{cases}], other: {other} }}", id.name)
        }
        PatternElement::Placeable { .. } => {
            panic!(
                "{at} has an unsupported expression in braces; use a variable or a selection by a variable"
            )
        }
    };
    let all: Vec<_> = pattern.elements.iter().map(piece).collect();
    format!("&[{}]", all.join(", "))
}
