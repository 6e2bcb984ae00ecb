//! `ehi sample`: seeded synthetic patients in the lake layout, shaped like Synthea's: about 380 resources and 470 kB
//! a patient. The same seed gives the same bytes.

mod patient;
mod random;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use self::patient::Writer;
use self::random::Random;
use crate::Failure;

#[derive(Args)]
pub struct Options {
    /// How many patients
    #[arg(long, value_name = "N")]
    pub patients: u64,
    /// Another seed gives other patients
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

/// Practitioners and organizations that the patients share.
const PRACTITIONERS: u64 = 200;
const ORGANIZATIONS: u64 = 50;

/// Writes the sample; answers the bytes of the patients' records.
pub fn write(patients: u64, seed: u64, into: &Path, bar: &indicatif::ProgressBar) -> Result<u64, Failure> {
    std::fs::create_dir_all(into.join("Group"))?;
    write_shared(seed, into)?;
    let mut group = std::io::BufWriter::new(std::fs::File::create(into.join("Group/everyone.json"))?);
    write!(
        group,
        "{{\"resourceType\":\"Group\",\"id\":\"everyone\",\"active\":true,\"type\":\"person\",\"actual\":true,\"name\":\"All sample patients\",\"quantity\":{patients},\"member\":["
    )?;
    let mut writer = Writer::default();
    let mut total = 0;
    for number in 0..patients {
        let mut random = Random::new(seed, number);
        let record = writer.record(&mut random, number);
        let directory = into.join("Patient").join(&record.id);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("records.ndjson"), record.lines)?;
        total += record.lines.len() as u64;
        let comma = if number == 0 { "" } else { "," };
        write!(group, "{comma}{{\"entity\":{{\"reference\":\"Patient/{}\"}}}}", record.id)?;
        bar.inc(1);
    }
    group.write_all(b"]}\n")?;
    group.flush()?;
    Ok(total)
}

fn write_shared(seed: u64, into: &Path) -> Result<(), Failure> {
    let shared = into.join("shared");
    std::fs::create_dir_all(&shared)?;
    let mut practitioners =
        std::io::BufWriter::new(std::fs::File::create(shared.join("Practitioner.ndjson"))?);
    for number in 0..PRACTITIONERS {
        let mut random = Random::new(seed ^ 0x5052_4143, number);
        let (given, family) = (random.given(), random.family());
        writeln!(
            practitioners,
            "{{\"resourceType\":\"Practitioner\",\"id\":\"practitioner-{number}\",\"identifier\":[{{\"system\":\"http://hl7.org/fhir/sid/us-npi\",\"value\":\"{}\"}}],\"active\":true,\"name\":[{{\"family\":\"{family}\",\"given\":[\"{given}\"],\"prefix\":[\"Dr.\"]}}]}}",
            9_990_000_000_u64 + number
        )?;
    }
    let mut organizations =
        std::io::BufWriter::new(std::fs::File::create(shared.join("Organization.ndjson"))?);
    for number in 0..ORGANIZATIONS {
        let mut random = Random::new(seed ^ 0x4f52_4741, number);
        writeln!(
            organizations,
            "{{\"resourceType\":\"Organization\",\"id\":\"organization-{number}\",\"active\":true,\"type\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/organization-type\",\"code\":\"prov\",\"display\":\"Healthcare Provider\"}}]}}],\"name\":\"{} Clinic\",\"address\":[{{\"city\":\"{}\",\"state\":\"MA\",\"country\":\"US\"}}]}}",
            random.family(),
            random.city()
        )?;
    }
    practitioners.flush()?;
    Ok(organizations.flush()?)
}
