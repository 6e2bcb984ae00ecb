//! Delivers the messages of the queues to their functions, like the poller of Lambda, because `sam local` does not poll queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::attended::Attended;
use crate::emulator::{Aws, Deployed, Emulator};
use crate::root;

/// The JMESPath expression of the event that a function receives (Lambda, using Lambda with Amazon SQS).
const EVENT: &str = "{Records: Messages[].{messageId: MessageId, receiptHandle: ReceiptHandle, body: Body, attributes: Attributes}}";

pub(crate) struct Pump {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// The service of the functions. It ends after the thread.
    _functions: Attended,
}

/// A queue, and the function that handles its messages.
struct Mapping {
    queue: String,
    function: &'static str,
}

impl Pump {
    /// Starts the deliveries. `functions` serves the functions of the template on a loopback port.
    pub(crate) fn start(
        emulator: &Emulator,
        deployed: &Deployed,
        functions: Attended,
        port: u16,
    ) -> Result<Self, String> {
        let mappings = [
            Mapping {
                queue: deployed.output("SmallQueueUrl")?.to_owned(),
                function: "SmallGeneratorFunction",
            },
            Mapping {
                queue: deployed.output("LargeQueueUrl")?.to_owned(),
                function: "LargeGeneratorFunction",
            },
        ];
        let aws = emulator.aws()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for mapping in &mappings {
                    if let Err(problem) = deliver(&aws, mapping, port) {
                        eprintln!("{}: {problem}", mapping.function);
                        std::thread::sleep(Duration::from_secs(1));
                    }
                }
            }
        });
        Ok(Self { stop, thread: Some(thread), _functions: functions })
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Delivers one message, if there is one, and removes it when the function has processed it.
fn deliver(aws: &Aws, mapping: &Mapping, port: u16) -> Result<(), String> {
    let queue = mapping.queue.as_str();
    let event = aws.json(&[
        "sqs",
        "receive-message",
        "--queue-url",
        queue,
        "--attribute-names",
        "All",
        "--query",
        EVENT,
    ])?;
    let Some(receipt) = text_of(&event, "receiptHandle") else { return Ok(()) };
    let name = queue.rsplit('/').next().unwrap_or_default();
    let source = format!("\"eventSourceARN\": \"arn:aws:sqs:us-east-1:000000000000:{name}\", \"messageId\":");
    let directory = root().join("target/sam-local");
    let (request, response) = (directory.join("event.json"), directory.join("response.json"));
    let event = event.replacen("\"messageId\":", &source, 1);
    std::fs::write(&request, event).map_err(|error| format!("{}: {error}", request.display()))?;
    let (endpoint, payload) = (format!("http://127.0.0.1:{port}"), format!("fileb://{}", request.display()));
    aws.json(&[
        "lambda",
        "invoke",
        "--endpoint-url",
        &endpoint,
        "--function-name",
        mapping.function,
        "--payload",
        &payload,
        &response.display().to_string(),
    ])?;
    let response =
        std::fs::read_to_string(&response).map_err(|error| format!("{}: {error}", response.display()))?;
    match response.split_whitespace().collect::<String>().as_str() {
        r#"{"batchItemFailures":[]}"# => {
            aws.json(&["sqs", "delete-message", "--queue-url", queue, "--receipt-handle", &receipt]).map(drop)
        }
        // The queue delivers the message again.
        response => Err(format!("the function returned {response}")),
    }
}

/// Returns the text of a JSON member. The text must not have escapes.
fn text_of(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\": \""))?;
    rest.split('"').next().map(str::to_owned)
}
