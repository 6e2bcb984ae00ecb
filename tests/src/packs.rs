//! Reads the content of an export's packs.

use domain::chunk::ChunkResult;
use domain::ids::{ChunkId, JobId};
use domain::pack::{Location, PackRange, pack_key};
use platform::Platform;
use serde_json::Value;
use storage::packs;

/// Returns the job id at the end of a path.
pub fn job_id(path: &str) -> JobId {
    JobId::parse(path.rsplit('/').next().expect("a segment")).expect("an id")
}

/// Returns the recorded result of each finished chunk of a job.
pub async fn results(platform: &dyn Platform, job: &str) -> Vec<(ChunkId, ChunkResult)> {
    let chunks = platform.jobs().expect("the port").chunks(&job_id(job), 0..1_000).await.expect("chunks");
    chunks.into_iter().filter_map(|stored| Some((stored.chunk.id, stored.result?))).collect()
}

/// Returns the names of the attachments in a job's packs, read without the code that the server uses for that.
pub async fn attachments_in_packs(platform: &dyn Platform, job: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (chunk, result) in results(platform, job).await {
        let Some(index) = result.attachments else { continue };
        let key = pack_key(&job_id(job), chunk, &result.attempt);
        let place = PackRange { offset: index.offset, length: index.length, gzip: false };
        let location = Location { key, place: Some(place) };
        let bytes =
            packs::read(&*platform.files().expect("the port"), &location, 1 << 20).await.expect("an index");
        let entries: Vec<Value> = serde_json::from_slice(&bytes).expect("JSON");
        names.extend(entries.iter().map(|entry| entry[0].as_str().expect("a name").to_owned()));
    }
    names
}
