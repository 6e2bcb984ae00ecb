//! List prices of us-east-1 without free tiers, in dollars, as published in 2025.

/// The prices of a GB-second of a function on arm64, and of a million of its requests.
pub const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
pub const LAMBDA_MILLION_REQUESTS: f64 = 0.20;
/// The price of a GB-second of a function's ephemeral storage. The first 512 MB are free.
pub const LAMBDA_STORAGE_GB_SECOND: f64 = 0.000_000_030_9;
/// The prices of a million units, on demand.
pub const DYNAMODB_MILLION_READS: f64 = 0.125;
pub const DYNAMODB_MILLION_WRITES: f64 = 0.625;
/// The prices of a thousand PUT, COPY, POST or LIST requests, and of a thousand GET and other requests. DELETE and abort requests are free.
pub const S3_THOUSAND_PUTS: f64 = 0.005;
pub const S3_THOUSAND_GETS: f64 = 0.000_4;
/// The price of a gigabyte for a day, at $0.023 a month.
pub const S3_GB_DAY: f64 = 0.023 / 30.0;
/// The prices of a million requests, and what is added for messages with a group, which those of all exports have.
pub const SQS_MILLION_REQUESTS: f64 = 0.40;
pub const SQS_MILLION_GROUPED: f64 = 0.10;
pub const LOGS_GB: f64 = 0.50;
