//! Uses the SDK's clients directly, for requests that no adapter makes.

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use tests::simulated::names::JOBS_TABLE;
use tests::simulated::platform::sdk;
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
    get.send().await.expect("a response").item.and_then(|item| item.get("chosen").cloned())
}

#[test]
fn unknown_requests_and_those_that_dynamodb_refuses_are_refused() {
    run(async {
        let client = client().await;
        let refused = [
            update(&client, "a", "SET chosen = list_append(chosen, :v)")
                .expression_attribute_values(":v", number(1)),
            update(&client, "a", "DELETE chosen :v").expression_attribute_values(":v", number(1)),
            // `status` is a reserved word.
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
fn expressions_have_their_meaning_in_dynamodb() {
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
fn a_transaction_is_idempotent_and_conflicts_with_others() {
    run(async {
        let client = client().await;
        let transact = |token: &str, value: &str| {
            client.transact_write_items().client_request_token(token).transact_items(put("a", value))
        };
        transact("one", "first").send().await.expect("done");
        // Both run at the same time: the other one has locked the row.
        let (one, other) = tokio::join!(transact("two", "second").send(), transact("three", "third").send());
        let lost = other.expect_err("a conflict").into_service_error();
        one.expect("done");
        assert!(lost.is_transaction_canceled_exception(), "{lost:?}");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        transact("one", "first").send().await.expect("repeated");
        assert_eq!(value_of(&client, "a").await, Some(text("second")), "nothing was written again");
        transact("one", "another").send().await.expect_err("another one with the same token");
        let two = client.transact_write_items().transact_items(put("b", "x")).transact_items(put("b", "y"));
        two.send().await.expect_err("two operations on one item");
    });
}

#[test]
fn a_hot_key_is_throttled_and_counted() {
    run(async {
        let simulation = Simulation::new();
        let client = DynamoDb::new(&sdk(&Client::new(&simulation, Stage::Chunk)).await);
        // Sixty writes of 300 units arrive at once: the capacity is 1,000 units per second, and the retries wait for a few seconds.
        let large = text(&"x".repeat(300_000));
        let writes = (0..60).map(|_| {
            update(&client, "hot", "SET chosen = :v").expression_attribute_values(":v", large.clone()).send()
        });
        let done = futures_util::future::join_all(writes).await;
        assert!(done.iter().any(Result::is_err), "the SDK's retries cannot hide this load");
        assert!(done.iter().filter(|done| done.is_ok()).count() >= 4);
        let hottest = simulation.meter(|meter| meter.hottest(&["jobs"], &[Stage::Chunk])).expect("a key");
        assert_eq!(hottest.key, "jobs hot (writes)");
        assert!(hottest.percent > 10.0, "{}", hottest.percent);
    });
}
