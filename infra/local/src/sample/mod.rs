//! `ehi sample`: writes seeded synthetic patients in the lake layout. They are similar to those of Synthea, with about 380 resources and
//! 470 kB for each patient. The same seed always gives the same bytes.

mod billing;
mod clinical;
mod observations;
mod patient;
mod random;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use domain::ports::records::Area;
use storage::layout::PATIENTS;

use self::patient::Writer;
use self::random::Random;
use crate::Failure;

#[derive(Args)]
pub struct Options {
    /// The number of patients
    #[arg(long, value_name = "N")]
    pub patients: u64,
    /// The seed of the random values; the same seed gives the same patients
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// The records directory to fill
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
}

pub fn run(options: &Options) -> Result<(), Failure> {
    let bar = indicatif::ProgressBar::new(options.patients);
    let bytes = write(options.patients, options.seed, &options.into, &bar)?;
    bar.finish_and_clear();
    eprintln!("Wrote {} patients, {bytes} bytes, to {}", options.patients, options.into.display());
    Ok(())
}

/// The number of practitioners that the patients share.
const PRACTITIONERS: u64 = 200;
/// The number of organizations that the patients share.
const ORGANIZATIONS: u64 = 50;

/// Writes the sample, and returns the number of bytes of the patients' records.
pub fn write(patients: u64, seed: u64, into: &Path, bar: &indicatif::ProgressBar) -> Result<u64, Failure> {
    let groups = into.join(Area::Groups.directory());
    create_directory(&groups)?;
    write_shared(seed, into)?;
    let mut group = create(&groups.join("everyone.json"))?;
    write!(
        group,
        "{{\"resourceType\":\"Group\",\"id\":\"everyone\",\"active\":true,\"type\":\"person\",\"actual\":true,\"name\":\"All sample patients\",\"quantity\":{patients},\"member\":["
    )?;
    let mut writer = Writer::default();
    let mut total = 0;
    for number in 0..patients {
        let mut random = Random::new(seed, number);
        let record = writer.record(&mut random, number);
        let directory = into.join(PATIENTS).join(&record.id);
        create_directory(&directory)?;
        let path = directory.join("records.ndjson");
        std::fs::write(&path, record.lines).map_err(|error| Failure::of_path(&path, &error))?;
        total += record.lines.len() as u64;
        let comma = if number == 0 { "" } else { "," };
        write!(group, "{comma}{{\"entity\":{{\"reference\":\"Patient/{}\"}}}}", record.id)?;
        bar.inc(1);
    }
    group.write_all(b"]}\n")?;
    group.flush()?;
    Ok(total)
}

fn create_directory(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| Failure::of_path(path, &error))
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    File::create(path).map(BufWriter::new).map_err(|error| Failure::of_path(path, &error))
}

fn write_shared(seed: u64, into: &Path) -> Result<(), Failure> {
    let shared = into.join(Area::Shared.directory());
    create_directory(&shared)?;
    let mut practitioners = create(&shared.join("Practitioner.ndjson"))?;
    for number in 0..PRACTITIONERS {
        let mut random = Random::new(seed ^ 0x5052_4143, number);
        let (given, family) = (random.given(), random.family());
        writeln!(
            practitioners,
            "{{\"resourceType\":\"Practitioner\",\"id\":\"practitioner-{number}\",\"identifier\":[{{\"system\":\"http://hl7.org/fhir/sid/us-npi\",\"value\":\"{}\"}}],\"active\":true,\"name\":[{{\"family\":\"{family}\",\"given\":[\"{given}\"],\"prefix\":[\"Dr.\"]}}],\"telecom\":[{{\"system\":\"phone\",\"value\":\"555-0{number:03}\",\"use\":\"work\"}}],\"address\":[{{\"line\":[\"1 Sample Street\"],\"city\":\"Boston\",\"state\":\"MA\",\"postalCode\":\"02101\",\"country\":\"US\"}}]}}",
            provider_identifier(123_000_000 + number)
        )?;
    }
    let mut organizations = create(&shared.join("Organization.ndjson"))?;
    for number in 0..ORGANIZATIONS {
        let mut random = Random::new(seed ^ 0x4f52_4741, number);
        writeln!(
            organizations,
            "{{\"resourceType\":\"Organization\",\"id\":\"organization-{number}\",\"identifier\":[{{\"system\":\"http://hl7.org/fhir/sid/us-npi\",\"value\":\"{}\"}}],\"active\":true,\"type\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/organization-type\",\"code\":\"prov\",\"display\":\"Healthcare Provider\"}}]}}],\"name\":\"{} Clinic\",\"telecom\":[{{\"system\":\"phone\",\"value\":\"555-1{number:03}\"}}],\"address\":[{{\"line\":[\"2 Sample Street\"],\"city\":\"{}\",\"state\":\"MA\",\"postalCode\":\"02101\",\"country\":\"US\"}}]}}",
            provider_identifier(456_000_000 + number),
            random.family(),
            random.city()
        )?;
    }
    practitioners.flush()?;
    Ok(organizations.flush()?)
}

/// Returns a National Provider Identifier: nine digits and a check digit. The check digit is that of Luhn's formula for the
/// digits after the prefix 80840.
fn provider_identifier(digits: u64) -> u64 {
    // The prefix always adds 24 to the sum.
    let (mut sum, mut rest, mut doubled) = (24, digits, true);
    while rest > 0 {
        let digit = if doubled { rest % 10 * 2 } else { rest % 10 };
        sum += digit / 10 + digit % 10;
        (rest, doubled) = (rest / 10, !doubled);
    }
    digits * 10 + (10 - sum % 10) % 10
}
