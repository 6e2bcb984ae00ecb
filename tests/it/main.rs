//! One test binary; the modules mirror the functions, and what crosses them comes after.

mod admin;
mod attached;
mod authorize;
mod bulk;
mod cleanup;
mod client;
mod customize;
mod download;
mod kick_off;
mod metadata;
mod openid;
mod outages;
mod status;

mod aws;
mod contract;
mod crash;
mod damaged;
mod deployment;
mod documents;
mod generator;
mod house;
mod kept;
mod ledger;
mod load;
mod logs;
mod prefix;
mod program;
mod sample;
mod spelling;
mod strangers;
mod supporting;
mod surface;
mod synthea;
mod template;
mod tokens;
