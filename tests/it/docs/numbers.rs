//! Numbers in the documentation are those of the code.

use tests::fuzz::TARGETS;
use tests::template::Template;

use super::page;
use crate::house::{functions, root};

fn word(number: usize) -> &'static str {
    const WORDS: [&str; 21] = [
        "no",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    WORDS[number]
}

#[test]
fn the_pages_name_the_numbers_of_functions_alarms_and_readers() {
    let template = Template::load();
    let (all, serving) = (template.functions().len(), template.serving().len());
    // Some alarms exist only if the stack sends mails to patients, or to staff, or shifts traffic.
    let alarms = template.resources("AWS::CloudWatch::Alarm").into_values();
    let (of_shifts, others): (Vec<_>, Vec<_>) =
        alarms.partition(|alarm| alarm["Condition"] == "WatchesShifts");
    let (of_mails, others): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|alarm| alarm["Condition"].as_str().is_some_and(|name| name.contains("Mails")));
    let (of_staff, always): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|alarm| alarm["Condition"] == "HasStaffEmail");
    let default =
        |size: &str| tests::text(&template.document()["Parameters"][format!("{size}Concurrency")]["Default"]);
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    for (text, sentence) in [
        (page("aws.md"), format!("{} Lambda functions ({} serve requests;", word(all), word(serving))),
        (page("aws.md"), format!("The {} functions that serve requests", word(serving))),
        (page("aws.md"), format!("{} alarms on one SNS topic", word(always.len()))),
        (page("aws.md"), format!("with `StaffEmail` {} more", word(of_staff.len()))),
        (page("aws.md"), format!("with `PatientMail` {} more", word(of_mails.len()))),
        (page("aws.md"), format!("with `TrafficShift` {} that sends no message", word(of_shifts.len()))),
        (
            page("aws.md"),
            format!(
                "`SmallConcurrency` ({}) and `LargeConcurrency` ({})",
                default("Small"),
                default("Large")
            ),
        ),
        (page("benchmarks.md"), format!("needs {} builds,", word(functions().len()))),
        (readme, format!("fuzzes {} readers", word(TARGETS.len()))),
    ] {
        assert!(text.contains(&sentence), "no page says '{sentence}'");
    }
}

/// The limit is private to the function, so it is read in its source.
#[test]
fn the_pages_name_the_number_of_patients_on_a_page() {
    let source = std::fs::read_to_string(root().join("functions/admin/src/patients.rs")).expect("a source");
    let (_, rest) = source.split_once("PageLimits { patients: ").expect("the limits");
    let number = rest.split(',').next().expect("a number");
    for (name, sentence) in [
        ("api.md", format!("A page has {number} patients")),
        ("records.md", format!("for a page of {number} patients")),
    ] {
        assert!(page(name).contains(&sentence), "{name} does not say '{sentence}'");
    }
}
