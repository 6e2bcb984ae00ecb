//! Writes claims and the payments for them.

use std::fmt::Write;

use super::patient::{Visit, Writer};
use super::random::Random;

impl Writer {
    pub(super) fn claim(&mut self, random: &mut Random, visit: &Visit, prescription: Option<&str>) {
        self.begin(random, "Claim", visit);
        let kind = if prescription.is_some() { "pharmacy" } else { "institutional" };
        let _ = write!(
            self.lines,
            ",\"status\":\"active\",\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"{kind}\"}}]}},\"use\":\"claim\",\"patient\":{{\"reference\":\"Patient/{}\"}},\"billablePeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"created\":\"{}\",\"provider\":{{\"reference\":\"Organization/organization-{}\"}},\"priority\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/processpriority\",\"code\":\"normal\"}}]}}",
            visit.patient, visit.at, visit.at, visit.at, visit.organization
        );
        if let Some(prescription) = prescription {
            let _ = write!(
                self.lines,
                ",\"prescription\":{{\"reference\":\"MedicationRequest/{prescription}\"}}"
            );
        }
        let _ = writeln!(
            self.lines,
            ",\"insurance\":[{{\"sequence\":1,\"focal\":true,\"coverage\":{{\"display\":\"Synthetic Insurance\"}}}}],\"item\":[{{\"sequence\":1,\"productOrService\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"185349003\",\"display\":\"Encounter for check up (procedure)\"}}],\"text\":\"Encounter for check up (procedure)\"}},\"encounter\":[{{\"reference\":\"Encounter/{}\"}}]}}],\"total\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}",
            visit.encounter,
            random.below(2000),
            random.below(100)
        );
    }

    pub(super) fn benefit(&mut self, random: &mut Random, visit: &Visit) {
        self.begin(random, "ExplanationOfBenefit", visit);
        let _ = write!(
            self.lines,
            ",\"contained\":[{{\"resourceType\":\"ServiceRequest\",\"id\":\"referral\",\"status\":\"completed\",\"intent\":\"order\",\"subject\":{{\"reference\":\"Patient/{}\"}},\"requester\":{{\"reference\":\"Practitioner/practitioner-{}\"}},\"performer\":[{{\"reference\":\"Practitioner/practitioner-{}\"}}]}},{{\"resourceType\":\"Coverage\",\"id\":\"coverage\",\"status\":\"active\",\"type\":{{\"text\":\"Synthetic Insurance\"}},\"beneficiary\":{{\"reference\":\"Patient/{}\"}},\"payor\":[{{\"display\":\"Synthetic Insurance\"}}]}}],\"identifier\":[{{\"system\":\"https://bluebutton.cms.gov/resources/variables/clm_id\",\"value\":\"{}\"}},{{\"system\":\"https://bluebutton.cms.gov/resources/identifier/claim-group\",\"value\":\"99999999999\"}}],\"status\":\"active\",\"type\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claim-type\",\"code\":\"professional\"}}]}},\"use\":\"claim\",\"patient\":{{\"reference\":\"Patient/{}\"}},\"billablePeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"created\":\"{}\",\"insurer\":{{\"display\":\"Synthetic Insurance\"}},\"provider\":{{\"reference\":\"Practitioner/practitioner-{}\"}},\"referral\":{{\"reference\":\"#referral\"}},\"outcome\":\"complete\",\"careTeam\":[{{\"sequence\":1,\"provider\":{{\"reference\":\"Practitioner/practitioner-{}\"}},\"role\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/claimcareteamrole\",\"code\":\"primary\",\"display\":\"Primary Care Practitioner\"}}]}}}}],\"insurance\":[{{\"focal\":true,\"coverage\":{{\"reference\":\"#coverage\",\"display\":\"Synthetic Insurance\"}}}}],\"item\":[",
            visit.patient,
            visit.practitioner,
            visit.practitioner,
            visit.patient,
            random.below(10_000_000_000),
            visit.patient,
            visit.at,
            visit.at,
            visit.at,
            visit.practitioner,
            visit.practitioner
        );
        let items = 1 + random.below(3);
        for item in 1..=items {
            let comma = if item == 1 { "" } else { "," };
            let _ = write!(
                self.lines,
                "{comma}{{\"sequence\":{item},\"category\":{{\"coding\":[{{\"system\":\"https://bluebutton.cms.gov/resources/variables/line_cms_type_srvc_cd\",\"code\":\"1\",\"display\":\"Medical care\"}}]}},\"productOrService\":{{\"coding\":[{{\"system\":\"http://snomed.info/sct\",\"code\":\"185349003\",\"display\":\"Encounter for check up (procedure)\"}}],\"text\":\"Encounter for check up (procedure)\"}},\"servicedPeriod\":{{\"start\":\"{}\",\"end\":\"{}\"}},\"locationCodeableConcept\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/ex-serviceplace\",\"code\":\"19\",\"display\":\"Off Campus-Outpatient Hospital\"}}]}},\"net\":{{\"value\":{}.{:02},\"currency\":\"USD\"}},\"adjudication\":[",
                visit.at,
                visit.at,
                random.below(900),
                random.below(100)
            );
            for (index, name) in [
                "line_coinsrnc_amt",
                "line_prvdr_pmt_amt",
                "line_sbmtd_chrg_amt",
                "line_alowd_chrg_amt",
                "line_bene_ptb_ddctbl_amt",
            ]
            .iter()
            .enumerate()
            {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(
                    self.lines,
                    "{comma}{{\"category\":{{\"coding\":[{{\"system\":\"https://bluebutton.cms.gov/resources/codesystem/adjudication\",\"code\":\"https://bluebutton.cms.gov/resources/variables/{name}\",\"display\":\"Line amount\"}}]}},\"amount\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}",
                    random.below(500),
                    random.below(100)
                );
            }
            self.lines.push_str("]}");
        }
        let _ = writeln!(
            self.lines,
            "],\"total\":[{{\"category\":{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/adjudication\",\"code\":\"submitted\",\"display\":\"Submitted Amount\"}}],\"text\":\"Submitted Amount\"}},\"amount\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}],\"payment\":{{\"amount\":{{\"value\":{}.{:02},\"currency\":\"USD\"}}}}}}",
            random.below(1000),
            random.below(100),
            random.below(1000),
            random.below(100)
        );
    }
}
