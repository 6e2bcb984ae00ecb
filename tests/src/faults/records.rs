//! Reading records.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::error::{Result, Store};
use domain::ids::PatientId;
use domain::ports::records::{
    Area, BlockReader, CohortPage, Entries, Entry, Member, Part, Parts, Records, Supporting,
};

use super::Faults;

/// Reading records is no call of the crash tests, which count those that change something; it is one of an outage.
pub(super) struct FaultyRecords {
    pub(super) inner: Arc<dyn Records>,
    pub(super) faults: Arc<Faults>,
}

struct FaultyEntries {
    inner: Box<dyn Entries>,
    pub(super) faults: Arc<Faults>,
}

#[async_trait]
impl Entries for FaultyEntries {
    async fn next(&mut self) -> Result<Option<Entry>> {
        self.faults.call(Store::Records, false, self.inner.next()).await
    }
}

impl FaultyRecords {
    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.faults.outage.is_none() {
            return call.await;
        }
        self.faults.call(Store::Records, false, call).await
    }

    fn reader(&self, inner: Box<dyn BlockReader>) -> Box<dyn BlockReader> {
        match self.faults.outage {
            Some(_) => Box::new(FaultyReader { inner, faults: self.faults.clone() }),
            None => inner,
        }
    }
}

#[async_trait]
impl Records for FaultyRecords {
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>> {
        self.call(self.inner.member(patient)).await
    }

    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage> {
        self.call(self.inner.members(after, count)).await
    }

    fn entries(&self, after: Option<&PatientId>) -> Box<dyn Entries> {
        let inner = self.inner.entries(after);
        match self.faults.outage {
            Some(_) => Box::new(FaultyEntries { inner, faults: self.faults.clone() }),
            None => inner,
        }
    }

    async fn parts(&self, patient: &PatientId) -> Result<Parts> {
        self.call(self.inner.parts(patient)).await
    }

    async fn parts_of(&self, patients: &[PatientId]) -> Result<Vec<Parts>> {
        self.call(self.inner.parts_of(patients)).await
    }

    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        Ok(self.reader(self.call(self.inner.open_records(patient, part)).await?))
    }

    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        Ok(self.reader(self.call(self.inner.open_document(patient, part)).await?))
    }

    async fn area(&self, area: Area) -> Result<Vec<Part>> {
        self.call(self.inner.area(area)).await
    }

    async fn open_area(&self, area: Area, name: &str) -> Result<Box<dyn BlockReader>> {
        Ok(self.reader(self.call(self.inner.open_area(area, name)).await?))
    }

    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting> {
        self.call(self.inner.supporting(references)).await
    }

    async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        self.call(self.inner.provenance(targets)).await
    }
}

struct FaultyReader {
    inner: Box<dyn BlockReader>,
    pub(super) faults: Arc<Faults>,
}

#[async_trait]
impl BlockReader for FaultyReader {
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        self.faults.clone().call(Store::Records, false, self.inner.read(buffer)).await
    }
}
