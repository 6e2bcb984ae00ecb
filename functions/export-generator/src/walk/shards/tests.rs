use std::collections::BTreeMap;

use domain::error::Kind;
use domain::filter::Verdict;
use domain::ports::records::SharedLine;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const PREFIX: &str = "exports/job/000000.0-attempt/references/";

/// A graph of organizations, and those to which records refer. Some of these references are only of resources that were left out.
type Graph = (Vec<Vec<u8>>, Vec<(u8, bool)>);

fn graph() -> impl Strategy<Value = Graph> {
    let edges = prop::collection::vec(prop::collection::vec(0..40_u8, 0..4), 40);
    (edges, prop::collection::vec((0..40_u8, any::<bool>()), 1..12))
}

/// Returns the organizations that are reached, each with whether an exported resource refers to it, by a search in memory.
fn reached((edges, roots): &Graph) -> BTreeMap<String, bool> {
    let mut known: BTreeMap<u8, bool> = BTreeMap::new();
    let mut open = roots.clone();
    while let Some((number, is_exported)) = open.pop() {
        if known.get(&number).is_none_or(|known| is_exported && !known) {
            known.insert(number, is_exported);
            open.extend(edges[usize::from(number)].iter().map(|next| (*next, is_exported)));
        }
    }
    known.into_iter().map(|(number, is_exported)| (format!("Organization/{number}"), is_exported)).collect()
}

/// The organization as `shared/` has it.
fn found(reference: &str, edges: &[Vec<u8>]) -> SharedLine {
    let number: usize = reference.rsplit('/').next().and_then(|id| id.parse().ok()).expect("a number");
    let to = edges[number].iter().map(|next| json!({ "reference": format!("Organization/{next}") }));
    let line = json!({ "resourceType": "Organization", "id": number.to_string(), "extension": to.collect::<Vec<_>>() });
    SharedLine {
        reference: reference.to_owned(),
        line: line.to_string().into_bytes(),
        duplicates: 0,
        earlier: Vec::new(),
        is_whole: true,
        is_of_patient: false,
    }
}

/// Follows the references of a graph, and checks the number of those in memory. If `pauses`, another invocation continues after each step.
/// Returns the final decisions: whether each organization is exported.
async fn followed(graph: &Graph, sizes: ShardSizes, pauses: bool) -> BTreeMap<String, bool> {
    let platform = crate::spool::tests::platform();
    let files = platform.files();
    let (edges, roots) = graph;
    let mut sources = Vec::new();
    for (number, (root, is_exported)) in roots.iter().enumerate() {
        let (key, mark) = (format!("{PREFIX}source-{number}"), if *is_exported { "" } else { "~" });
        write_all(&*files, &key, format!("{mark}Organization/{root}\n").into_bytes()).await.expect("written");
        sources.push(Location::object(key));
    }
    let mut decided = BTreeMap::new();
    let mut checkpoint = Checkpoint::beginning(&sources);
    for invocation in 0.. {
        let prefix = format!("{PREFIX}{invocation}/");
        let mut shards =
            Shards::open(&*files, prefix, sizes, checkpoint, BTreeSet::new()).await.expect("opened");
        loop {
            match shards.next(3).await.expect("a step") {
                Step::Read => {}
                Step::Fetch(batch) => {
                    for reference in batch {
                        let by = shards.walk.referred_by(&reference).expect("it is not settled");
                        let verdict = match by {
                            ReferredBy::Exported => Verdict::Keep,
                            ReferredBy::LeftOut => Verdict::PassOver(domain::ledger::Reason::Since),
                        };
                        shards.walk.settle(&found(&reference, edges), &verdict);
                        let is_exported = by == ReferredBy::Exported;
                        let before = decided.insert(reference, is_exported);
                        assert!(before.is_none_or(|before| is_exported && !before), "decided again");
                    }
                }
                Step::Done => {
                    let passed_over = &shards.walk.passed_over().by_reason;
                    let left_out = decided.values().filter(|is_exported| !**is_exported).count();
                    assert_eq!(passed_over.values().sum::<u64>(), left_out as u64);
                    return decided;
                }
            }
            shards.bound().await.expect("bounded");
            assert!(shards.walk.known.len() <= sizes.references, "{} in memory", shards.walk.known.len());
            assert!(shards.walk.unsent() <= sizes.messages, "{} messages", shards.walk.unsent());
            if pauses {
                break;
            }
        }
        let key = shards.checkpoint(Vec::new()).await.expect("a checkpoint");
        // An attempt that dies after this does not change the files of the checkpoint.
        let again = Checkpoint::read(&*files, &key).await.expect("a checkpoint");
        let lost =
            Shards::open(&*files, format!("{PREFIX}lost-{invocation}/"), sizes, again, BTreeSet::new());
        let _ = lost.await.expect("opened").next(3).await.expect("a step");
        checkpoint = Checkpoint::read(&*files, &key).await.expect("a checkpoint");
    }
    unreachable!("the loop returns")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn all_references_are_followed_with_few_in_memory(
        graph in graph(), references in 1..12_usize, messages in 1..6_usize, pauses: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let found = followed(&graph, ShardSizes { references, messages }, pauses).await;
            assert_eq!(found, reached(&graph));
        });
    }
}

/// The records of many chunks refer to the same organizations, which are more than a shard has.
#[tokio::test]
async fn equal_references_of_many_files_do_not_fill_the_checkpoint() {
    const SOURCES: usize = 60;
    let platform = crate::spool::tests::platform();
    let files = platform.files();
    let text: String = (0..40)
        .flat_map(|number| [format!("~Organization/{number}\n"), format!("Organization/{number}\n")])
        .collect();
    let mut sources = Vec::new();
    for number in 0..SOURCES {
        let key = format!("{PREFIX}source-{number}");
        write_all(&*files, &key, text.clone().into_bytes()).await.expect("written");
        sources.push(Location::object(key));
    }
    let sizes = ShardSizes { references: 4, messages: 2 };
    let mut shards =
        Shards::open(&*files, format!("{PREFIX}0/"), sizes, Checkpoint::beginning(&sources), BTreeSet::new())
            .await
            .expect("opened");
    let mut most = 0;
    while !matches!(shards.next(3).await.expect("a step"), Step::Fetch(_)) {
        shards.bound().await.expect("bounded");
        most = most.max(shards.pieces() + shards.inbox.len());
    }
    // The bound, and what a step adds; without the bound there were more than a thousand.
    assert!(most <= 100, "{most} parts of files of messages");
    assert!(shards.sources.is_empty(), "all files are read before the first resource is fetched");
}

#[test]
fn a_reference_is_sent_once_with_its_strongest_mention() {
    let mut walk = Walk { span: Span::default().halves().expect("halves").0, ..Walk::default() };
    let elsewhere =
        (0..1_000).map(|number| format!("Organization/{number}")).find(|name| !walk.span.has(name));
    let elsewhere = elsewhere.expect("one of the other half");
    for mention in
        [references::Mention::LeftOut, references::Mention::Exported, references::Mention::InRecord]
    {
        walk.send(&elsewhere, News::Mentioned(mention));
    }
    assert_eq!(walk.unsent(), 1);
    assert_eq!(walk.take_messages(), [Message(elsewhere, News::Mentioned(references::Mention::Exported))]);
    assert_eq!(walk.unsent(), 0);
}

#[test]
fn a_checkpoint_that_could_not_be_read_is_refused_when_it_is_written() {
    assert!(fitting(vec![b' '; MAX_CHECKPOINT]).is_ok());
    let error = fitting(vec![b' '; MAX_CHECKPOINT + 1]).expect_err("too large");
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("export fewer patients"), "{error}");
}

#[test]
fn messages_of_a_newer_version_are_no_defect() {
    let message = Message::read(br#"["Organization/1","teleport"]"#).expect_err("an unknown kind");
    assert_eq!(message.kind(), Kind::Newer);
    let broken = Message::read(b"[").expect_err("no JSON");
    assert_eq!(broken.kind(), Kind::Defect);
}
