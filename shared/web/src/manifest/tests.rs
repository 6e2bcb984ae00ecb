mod parts;

use domain::choices::{Authorization, Choices};
use domain::selection::Selection;
use domain::sensitive::Sensitive;
use domain::states::Queued;

use super::*;

const TEXT: &str = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";

/// Returns the extension of the manifest of a job with these choices, in both forms.
fn extensions(choices: Option<Choices>, selection: Option<Selection>) -> [Value; 2] {
    let settings = Settings::parse("base_url = \"http://localhost\"", |_| None, None);
    let settings = settings.expect("a base URL is all that settings need");
    [false, true].map(|manifest_v4| {
        let Job::Queued(Queued { mut header }) = contract::job(1, "a") else { panic!("another state") };
        header.request.choices = choices.clone();
        header.request.selection = selection.clone();
        header.request.output.manifest_v4 = manifest_v4;
        let (job, transaction_time) = (Job::Queued(Queued { header }), Timestamp::UNIX_EPOCH);
        let page = Page { job: &job, transaction_time, files: &[], next: None, signer: None };
        page.to_json(&settings)["extension"].take()
    })
}

#[test]
fn the_notice_about_alcohol_and_drugs_is_in_both_forms_of_the_extension() {
    let with = |category: Option<Sensitive>| {
        let given = Authorization { given: true, ..Authorization::default() };
        let authorizations = category.into_iter().map(|category| (category, given.clone())).collect();
        Some(Choices { authorizations, ..Choices::default() })
    };
    for (choices, selection, is_there) in [
        (with(Some(Sensitive::AlcoholAndDrug)), None, true),
        (with(Some(Sensitive::Hiv)), None, false),
        (with(None), None, false),
        // The complete record, without a form.
        (None, None, true),
        (None, Some(Selection::default()), false),
    ] {
        let [object, array] = extensions(choices, selection);
        assert_eq!(object.get("notice"), is_there.then(|| json!(TEXT)).as_ref(), "{object}");
        let found = array.as_array().expect("an array").iter().find(|extension| extension["url"] == "notice");
        assert_eq!(
            found,
            is_there.then(|| json!({ "url": "notice", "valueString": TEXT })).as_ref(),
            "{array}"
        );
    }
}
