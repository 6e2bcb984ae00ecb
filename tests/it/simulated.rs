//! The simulated AWS keeps the contracts that the real adapters keep over the real one: what is shown over it is worth
//! something. `aws` runs the same contracts over an emulator that others wrote.

use std::sync::Arc;

use contract::FixedClock;
use domain::clock::Clock;
use domain::ports::files::{read_all, write_all};
use domain::request::SizeClass;
use jiff::SignedDuration;
use platform::Platform;
use tests::simulated::platform::{LAKE_BUCKET, dead_letters, platform, random, sdk};
use tests::simulated::{Client, Simulation, Stage, run};

fn client() -> Client {
    Client::new(&Simulation::new(), Stage::Outside)
}

#[test]
fn jobs_keep_the_contract() {
    run(async { contract::jobs(platform(&client(), "", random(1)).await.jobs().expect("the port")).await });
}

#[test]
fn files_keep_the_contract() {
    run(async {
        contract::files(&*platform(&client(), "", random(1)).await.files().expect("the port")).await;
    });
}

#[test]
fn records_keep_the_contract() {
    run(async {
        let client = client();
        let clock = Arc::new(client.simulation().clock());
        let lake = aws::files_at(&sdk(&client).await, &format!("s3://{LAKE_BUCKET}"), clock);
        let lake = lake.expect("a lake");
        contract::records(
            &*platform(&client, "", random(1)).await.records().expect("the port"),
            async |path, bytes| {
                write_all(&*lake, path, bytes.to_vec()).await.expect("written");
            },
        )
        .await;
    });
}

#[test]
fn expiring_entries_keep_the_contract() {
    run(async {
        let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let client = client();
        let grants = tests::simulated::platform::with_clock(&client, Arc::new(clock.clone()), random(1))
            .await
            .expiring()
            .expect("the port");
        contract::expiring(grants, &clock as &dyn Clock, |by| clock.advance(by)).await;
    });
}

#[test]
fn the_audit_trail_keeps_the_contract() {
    run(async {
        let clock = FixedClock::at("2026-03-01T12:00:00Z".parse().expect("a time"));
        let client = client();
        let now = Arc::new(clock.clone());
        let platform = tests::simulated::platform::with_clock(&client, now, random(1)).await;
        let log = platform.audit().expect("the port");
        contract::audit(log, "run", &clock, |by| clock.advance(by)).await;
    });
}

#[test]
fn the_queue_keeps_the_contract() {
    run(async {
        let platform = platform(&client(), "", random(1)).await;
        let inbox = platform.inbox(SizeClass::Large, &dead_letters()).expect("a queue");
        let queue = Large(platform.queue().expect("the port"));
        contract::queue(&queue, &inbox, SignedDuration::from_secs(2), async |by: SignedDuration| {
            tokio::time::sleep(by.try_into().expect("a wait")).await;
        })
        .await;
    });
}

/// Whatever the size, the large queue.
struct Large(Arc<dyn domain::ports::queue::Queue>);

#[async_trait::async_trait]
impl domain::ports::queue::Queue for Large {
    async fn send(&self, _: SizeClass, tasks: &[domain::task::Task]) -> domain::error::Result<()> {
        self.0.send(SizeClass::Large, tasks).await
    }
}

/// Uploading tools compress objects and leave their names as they are.
#[test]
fn shared_resources_are_found_in_an_object_whose_header_alone_says_that_it_is_compressed() {
    run(async {
        let client = client();
        let line = |number: u32| format!("{{\"resourceType\":\"Organization\",\"id\":\"o{number}\"}}\n");
        let lines = (0..2_000).map(line).collect::<Vec<_>>().concat();
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut compressed, lines.as_bytes()).expect("compressed");
        let compressed = compressed.finish().expect("compressed");
        client.simulation().store("Patient/a/a.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"a\"}");
        client.simulation().store_encoded("shared/all.ndjson", compressed, Some("gzip"));
        let records = platform(&client, "", random(1)).await.records().expect("the port");
        let wanted = ["Organization/o0", "Organization/o7", "Organization/o1999"].map(str::to_owned);
        let found = records.supporting(&wanted.into()).await.expect("found");
        let mut lines: Vec<_> =
            found.lines.iter().map(|found| String::from_utf8_lossy(&found.line).into_owned()).collect();
        lines.sort();
        let expected =
            ["o0", "o1999", "o7"].map(|id| format!("{{\"resourceType\":\"Organization\",\"id\":\"{id}\"}}"));
        assert_eq!(lines, expected);
        assert!(found.damaged.is_empty(), "{:?}", found.damaged);
    });
}

#[test]
fn large_files_go_up_in_parts() {
    run(async {
        let client = client();
        let files = platform(&client, "", random(1)).await.files().expect("the port");
        let large: Vec<u8> = (0..=u8::MAX).cycle().take(20_000_000).collect();
        let mut writer = files.create("parts/large").await.expect("created");
        for piece in large.chunks(300_000) {
            writer.write(piece.to_vec()).await.expect("written");
        }
        assert!(client.simulation().has_open_uploads());
        writer.finish().await.expect("finished");
        assert_eq!(client.simulation().meter(|meter| meter.calls(&[], &["UploadPart"])), 3);
        assert!(!client.simulation().has_open_uploads());
        assert_eq!(read_all(&*files, "parts/large", large.len()).await.expect("read"), large);
    });
}

/// The clients of the SDK themselves, for what no adapter does.
mod dynamodb {
    use aws_sdk_dynamodb::Client as DynamoDb;
    use aws_sdk_dynamodb::error::ProvideErrorMetadata;
    use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
    use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
    use tests::simulated::platform::{JOBS_TABLE, sdk};
    use tests::simulated::{Client, Simulation, Stage, run};

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn number(number: u64) -> AttributeValue {
        AttributeValue::N(number.to_string())
    }

    async fn client() -> DynamoDb {
        DynamoDb::new(&sdk(&Client::new(&Simulation::new(), Stage::Outside)).await)
    }

    fn update(client: &DynamoDb, job: &str, expression: &str) -> UpdateItemFluentBuilder {
        client
            .update_item()
            .table_name(JOBS_TABLE)
            .key("job_id", text(job))
            .key("part", text("row"))
            .update_expression(expression)
    }

    fn put(job: &str, value: &str) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(JOBS_TABLE)
            .item("job_id", text(job))
            .item("part", text("row"))
            .item("chosen", text(value));
        TransactWriteItem::builder().put(put.build().expect("a put")).build()
    }

    async fn value_of(client: &DynamoDb, job: &str) -> Option<AttributeValue> {
        let get = client.get_item().table_name(JOBS_TABLE).key("job_id", text(job)).key("part", text("row"));
        get.send().await.expect("an answer").item.and_then(|item| item.get("chosen").cloned())
    }

    #[test]
    fn what_it_does_not_know_or_dynamodb_refuses_is_refused() {
        run(async {
            let client = client().await;
            let refused = [
                update(&client, "a", "SET chosen = list_append(chosen, :v)")
                    .expression_attribute_values(":v", number(1)),
                update(&client, "a", "DELETE chosen :v").expression_attribute_values(":v", number(1)),
                // Reserved.
                update(&client, "a", "SET status = :v").expression_attribute_values(":v", number(1)),
                update(&client, "a", "SET chosen = :missing"),
                update(&client, "a", "SET chosen = chosen + :v").expression_attribute_values(":v", number(1)),
                update(&client, "a", "SET chosen = :v")
                    .expression_attribute_values(":v", number(1))
                    .expression_attribute_values(":unused", number(1)),
                update(&client, "a", "SET chosen = :v")
                    .expression_attribute_values(":v", text(&"x".repeat(500_000))),
                update(&client, "a", "SET part = :v").expression_attribute_values(":v", text("other")),
            ];
            for (place, update) in refused.into_iter().enumerate() {
                let error = update.send().await.expect_err("refused");
                assert_eq!(error.code(), Some("ValidationException"), "{place}: {error:?}");
            }
            assert_eq!(value_of(&client, "a").await, None, "nothing was written");
        });
    }

    #[test]
    fn expressions_mean_what_they_mean_to_dynamodb() {
        run(async {
            let client = client().await;
            let set = |expression: &str, value| {
                update(&client, "a", expression).expression_attribute_values(":v", value)
            };
            set("SET chosen = if_not_exists(chosen, :v)", number(5)).send().await.expect("set");
            set("SET chosen = if_not_exists(chosen, :v)", number(9)).send().await.expect("set");
            set("ADD chosen :v, counted :v", number(2)).send().await.expect("added");
            set("SET chosen = chosen - :v", number(3)).send().await.expect("set");
            assert_eq!(value_of(&client, "a").await, Some(number(4)));
            let conditions = [
                ("chosen = :v AND attribute_exists(counted)", 4, true),
                ("chosen > :v OR attribute_not_exists(counted)", 4, false),
                ("NOT (chosen > :v) AND begins_with(part, :row)", 4, true),
                ("chosen BETWEEN :v AND :v", 4, true),
                ("chosen IN (:v, :row)", 5, false),
                ("missing < :v", 4, false),
                ("missing <> :v", 4, true),
            ];
            for (condition, value, holds) in conditions {
                let mut update = set("SET chosen = :v", number(value)).condition_expression(condition);
                if condition.contains(":row") {
                    update = update.expression_attribute_values(":row", text("ro"));
                }
                assert_eq!(update.send().await.is_ok(), holds, "{condition}");
                set("SET chosen = :v", number(4)).send().await.expect("reset");
            }
        });
    }

    #[test]
    fn a_transaction_is_known_again_and_stands_in_the_way_of_others() {
        run(async {
            let client = client().await;
            let transact = |token: &str, value: &str| {
                client.transact_write_items().client_request_token(token).transact_items(put("a", value))
            };
            transact("one", "first").send().await.expect("done");
            // At the same time: the other one holds the row.
            let (one, other) =
                tokio::join!(transact("two", "second").send(), transact("three", "third").send());
            let lost = other.expect_err("in the way").into_service_error();
            one.expect("done");
            assert!(lost.is_transaction_canceled_exception(), "{lost:?}");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            transact("one", "first").send().await.expect("known again");
            assert_eq!(value_of(&client, "a").await, Some(text("second")), "nothing was written again");
            transact("one", "another").send().await.expect_err("another one with the same token");
            let two =
                client.transact_write_items().transact_items(put("b", "x")).transact_items(put("b", "y"));
            two.send().await.expect_err("two operations on one item");
        });
    }

    #[test]
    fn a_hot_key_is_throttled_and_counted() {
        run(async {
            let simulation = Simulation::new();
            let client = DynamoDb::new(&sdk(&Client::new(&simulation, Stage::Chunk)).await);
            // Sixty times 300 units, in one moment: a second takes 1,000, and the retries wait for a few seconds.
            let large = text(&"x".repeat(300_000));
            let writes = (0..60).map(|_| {
                update(&client, "hot", "SET chosen = :v")
                    .expression_attribute_values(":v", large.clone())
                    .send()
            });
            let done = futures_util::future::join_all(writes).await;
            assert!(done.iter().any(Result::is_err), "more than the SDK's retries could hide");
            assert!(done.iter().filter(|done| done.is_ok()).count() >= 4);
            let hottest = simulation.meter(|meter| meter.hottest(&["jobs"], &[Stage::Chunk])).expect("a key");
            assert_eq!(hottest.key, "jobs hot (writes)");
            assert!(hottest.percent > 10.0, "{}", hottest.percent);
        });
    }
}

/// What a walk through a lake finds, and the LISTs that it makes.
mod walks {
    use std::collections::BTreeSet;

    use domain::ids::PatientId;
    use domain::ports::records::{Entry, Member};
    use futures_util::FutureExt;
    use platform::Platform;
    use proptest::prelude::*;
    use tests::simulated::platform::{platform, random};
    use tests::simulated::{Client, Simulation, Stage, run};

    /// The patients behind one of them, and the LISTs that it took to find them.
    fn walked(
        patients: &[String],
        page: usize,
        holes: bool,
        after: Option<&PatientId>,
    ) -> (Vec<String>, u64) {
        run(async {
            let client = Client::new(&Simulation::new(), Stage::Outside);
            for patient in patients {
                client.simulation().store(&format!("Patient/{patient}/records.ndjson"), "{}");
            }
            client.simulation().page(page);
            if holes {
                client.simulation().holes();
            }
            let records = platform(&client, "", random(1)).await.records().expect("the port");
            let (mut walk, mut found) = (records.entries(after), Vec::new());
            while let Some(entry) = walk.next().await.expect("an entry") {
                let Entry::Patient(Member { patient, .. }) = entry else { panic!("a stray") };
                found.push(patient.to_string());
            }
            (found, client.simulation().meter(|meter| meter.calls(&[], &["ListObjectsV2"])))
        }
        .boxed_local())
    }

    fn ids_of(shape: &str) -> impl Strategy<Value = BTreeSet<String>> {
        prop::collection::btree_set(prop::string::string_regex(shape).expect("a pattern"), 1..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn every_patient_is_found_once_and_in_order(
            patients in prop_oneof![
                ids_of("[0-9a-f]{8}-[0-9a-f]{4}"), ids_of("[0-9]{1,3}"), ids_of("(clinic|ward)-00[0-9]{3}"),
                ids_of("[A-Za-z0-9.-]{1,4}"), ids_of("(0{12}|z)[a-c]{0,5}"),
            ],
            page in 1_usize..20,
            after in any::<prop::sample::Index>(),
            holes in any::<bool>(),
        ) {
            // The order in which S3 lists them.
            let mut patients: Vec<_> = patients.into_iter().filter(|id| PatientId::parse(id).is_ok()).collect();
            patients.sort_by_key(|id| format!("{id}/"));
            prop_assume!(!patients.is_empty());
            let pages = patients.len() as u64 / page as u64;
            let (found, lists) = walked(&patients, page, false, None);
            prop_assert_eq!(&found, &patients);
            prop_assert_eq!(&walked(&patients, page, true, None).0, &patients);
            prop_assert!(lists <= pages + pages / 4 + 24, "{} LIST for {} pages", lists, pages);
            let after = after.index(patients.len());
            let (found, _) = walked(&patients, page, holes, Some(&PatientId::parse(&patients[after]).expect("an id")));
            prop_assert_eq!(&found[..], &patients[after + 1..]);
        }
    }

    #[test]
    fn most_lists_are_of_full_pages() {
        let patients: Vec<_> = (0..5_000).map(|number| format!("p{number:05}")).collect();
        let (found, lists) = walked(&patients, 100, false, None);
        assert_eq!(found, patients);
        assert!(lists <= 58, "{lists} LIST for 50 pages");
        assert_eq!(walked(&patients[..99], 100, false, None).1, 1, "a small lake");
    }
}

/// Exports of lakes that are made by a formula.
mod scale {
    use std::collections::BTreeMap;

    use domain::pack::SMALL;
    use tests::simulated::Stage;
    use tests::simulated::lake::Lake;
    use tests::simulated::scale::{Figures, Plan, WORK, simulate};

    fn figures(patients: u64, mean_bytes: u64, chunk_bytes: u64, modelled: bool) -> Figures {
        let lake = Lake { patients, mean_bytes, shared: 8, seed: 7 };
        let plan = Plan { lake, concurrency: 50, chunk_bytes, modelled, partitions: 4 };
        simulate(plan).expect("an export")
    }

    /// Requests by stage and operation.
    fn counts(figures: &Figures) -> BTreeMap<(Stage, &'static str), u64> {
        figures.meter.counts()
    }

    #[test]
    fn the_model_counts_what_a_chunk_really_does() {
        // Files of one type that are larger than what a pack takes, and of another that are larger than a part.
        let (real, modelled) =
            (figures(60, 400_000, 24_000_000, false), figures(60, 400_000, 24_000_000, true));
        let bytes = 24_000_000_u64;
        assert!(bytes * 46 / 100 > 8 << 20 && bytes / 100 < SMALL as u64, "the lake has files of each kind");
        assert_eq!(counts(&real), counts(&modelled));
    }

    /// The first column of the table in `infra/docs/cost.md`: exactly these requests, and no more.
    #[test]
    fn a_thousand_patients_take_the_requests_that_their_cost_is_reckoned_with() {
        let lake = Lake { patients: 1_000, mean_bytes: 470_000, shared: 500, seed: 7 };
        let plan =
            Plan { lake, concurrency: 500, chunk_bytes: 128 * 1024 * 1024, modelled: true, partitions: 4 };
        let figures = simulate(plan).expect("an export");
        assert_eq!(figures.chunks, 5);
        let stage = |stage, operation| figures.calls(&[stage], &[operation]);
        assert_eq!(stage(Stage::Plan, "ListObjectsV2"), 1, "the lake is listed once");
        assert_eq!(stage(Stage::Chunk, "ListObjectsV2"), 4, "once a chunk");
        assert_eq!(stage(Stage::Chunk, "GetObject"), 1_000, "once a patient");
        assert_eq!(
            stage(Stage::Finish, "GetObject"),
            1_006,
            "once a line of shared/, and what refers to them"
        );
        let ours = [Stage::Delivery, Stage::Plan, Stage::Chunk, Stage::Finish];
        let all = |operations: &[&str]| figures.calls(&ours, operations);
        let puts = ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"];
        assert_eq!(all(&puts), 125);
        assert_eq!(all(&["GetItem", "BatchGetItem", "Query"]), 31);
        assert_eq!(all(&["PutItem", "UpdateItem", "TransactWriteItems"]), 13);
        assert_eq!(all(&["SendMessage", "SendMessageBatch"]), 4);
        assert_eq!(figures.meter.throttled(), 0);
    }

    /// Ten times the patients are ten times the requests, and no key gets hotter than a tenth of what it can take.
    #[test]
    fn requests_grow_as_the_patients_do() {
        let (small, large) = (figures(500, 470_000, 12 << 20, true), figures(5_000, 470_000, 12 << 20, true));
        let requests = |figures: &Figures| counts(figures).values().sum::<u64>();
        assert!(
            requests(&large) <= 10 * requests(&small) * 11 / 10,
            "{} {}",
            requests(&small),
            requests(&large)
        );
        let hottest = large.hottest_key(&WORK).expect("a key");
        assert!(hottest.percent < 10.0, "{hottest:?}");
        let lists = large.calls(&[Stage::Plan], &["ListObjectsV2"]);
        assert!((5..=8).contains(&lists), "{lists} LIST for 5 pages");
    }
}
