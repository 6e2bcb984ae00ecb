//! The HTTP client of one function, which records its AWS calls. It responds to calls for secrets, roles and events itself; the simulation
//! responds to the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use domain::clock::Clock;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::response::SimulatedResponse;
use super::{Client, access};
use crate::template::Access;

/// The accesses that each function needed, by its logical id.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<BTreeMap<String, BTreeSet<Access>>>>);

impl Record {
    pub fn of(&self, function: &str) -> BTreeSet<Access> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(function).cloned().unwrap_or_default()
    }

    fn add(&self, function: &str, accesses: impl IntoIterator<Item = Access>) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.entry(function.to_owned()).or_default().extend(accesses);
    }
}

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    pub(super) function: String,
    pub(super) client: Client,
    pub(super) record: Record,
    /// The settings file, as the secret has it.
    pub(super) settings: Arc<str>,
}

impl Recorder {
    /// Returns the response to a call for secrets, roles or events; `None` if the simulation responds.
    fn own_response(&self, request: &HttpRequest, body: &[u8]) -> Option<SimulatedResponse> {
        if request.uri().starts_with("https://sts.") {
            return Some(self.assumed());
        }
        match request.headers().get("x-amz-target")? {
            "secretsmanager.GetSecretValue" => {
                Some(self.secret(&serde_json::from_slice(body).unwrap_or_default()))
            }
            "AWSEvents.PutEvents" => Some(SimulatedResponse::json(
                200,
                &json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "1" }] }),
            )),
            _ => None,
        }
    }

    /// Returns a secret that was never rotated.
    fn secret(&self, request: &Value) -> SimulatedResponse {
        if request["VersionStage"] == "AWSPREVIOUS" {
            return SimulatedResponse::json(
                400,
                &json!({ "__type": "ResourceNotFoundException", "Message": "no such version" }),
            );
        }
        let is_settings = request["SecretId"].as_str().is_some_and(|id| id.ends_with("SettingsSecret"));
        let text = if is_settings { self.settings.to_string() } else { "k".repeat(64) };
        SimulatedResponse::json(
            200,
            &json!({ "SecretString": text, "VersionId": "1", "CreatedDate": 1_700_000_000 }),
        )
    }

    fn assumed(&self) -> SimulatedResponse {
        let expires = self.client.simulation().clock().now() + SignedDuration::from_hours(1);
        SimulatedResponse::xml(
            200,
            format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                 <Credentials><AccessKeyId>signer</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
                 <SessionToken>token</SessionToken><Expiration>{expires}</Expiration></Credentials>\
                 </AssumeRoleResult></AssumeRoleResponse>"
            ),
        )
    }

    async fn call(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let body = request.body().bytes().map(<[u8]>::to_vec).unwrap_or_default();
        let needed = access::of_request(&request, &body).ok_or_else(|| {
            ConnectorError::other(format!("unknown to IAM: {}", request.uri()).into(), None)
        })?;
        self.record.add(&self.function, needed.iter().cloned());
        if let Some(response) = self.own_response(&request, &body) {
            return Ok(response.for_sdk());
        }
        let response = HttpConnector::call(&self.client, request).await?;
        if response.status().as_u16() == 404 {
            self.record.add(&self.function, access::to_know_that_it_is_missing(&needed));
        }
        Ok(response)
    }
}

impl HttpClient for Recorder {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().call(request))
    }
}
