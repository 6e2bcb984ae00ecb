//! Hooks around the calls of the records port, which only reads.

use std::collections::BTreeSet;
use std::ops::Range;

use async_trait::async_trait;
use domain::error::{Result, Store};
use domain::ids::PatientId;
use domain::ports::records::{
    Area, BlockReader, CohortPage, Entries, Entry, Member, Part, Parts, Records, Supporting,
};

use super::{Hook, Made, Port, Stream};

impl<H: Hook> Port<dyn Records, H> {
    async fn read<T: Send>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.call(Store::Records, call).await
    }

    async fn reader(
        &self,
        opened: impl Future<Output = Result<Box<dyn BlockReader>>> + Send,
    ) -> Result<Box<dyn BlockReader>> {
        let inner = self.read(opened).await?;
        Ok(match self.hook.follows(Store::Records) {
            true => Box::new(Stream { inner, hook: self.hook.clone() }),
            false => inner,
        })
    }
}

#[async_trait]
impl<H: Hook> Records for Port<dyn Records, H> {
    async fn member(&self, patient: &PatientId) -> Result<Option<Member>> {
        self.read(self.inner.member(patient)).await
    }

    async fn members(&self, after: Option<&str>, count: usize) -> Result<CohortPage> {
        self.read(self.inner.members(after, count)).await
    }

    fn entries(&self, after: Option<&PatientId>) -> Box<dyn Entries> {
        let inner = self.inner.entries(after);
        match self.hook.follows(Store::Records) {
            true => Box::new(Stream { inner, hook: self.hook.clone() }),
            false => inner,
        }
    }

    async fn parts(&self, patient: &PatientId) -> Result<Parts> {
        self.read(self.inner.parts(patient)).await
    }

    async fn parts_of(&self, patients: &[PatientId]) -> Result<Vec<Parts>> {
        self.read(self.inner.parts_of(patients)).await
    }

    async fn open_records(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        match self.hook.record(patient, part).await {
            Some(record) => Ok(record),
            None => self.reader(self.inner.open_records(patient, part)).await,
        }
    }

    async fn open_document(&self, patient: &PatientId, part: &Part) -> Result<Box<dyn BlockReader>> {
        self.reader(self.inner.open_document(patient, part)).await
    }

    async fn area(&self, area: Area) -> Result<Vec<Part>> {
        self.read(self.inner.area(area)).await
    }

    async fn area_from(&self, area: Area, first: &str, count: usize) -> Result<Vec<Part>> {
        self.read(self.inner.area_from(area, first, count)).await
    }

    async fn area_head(&self, area: Area, name: &str, bytes: usize) -> Result<Vec<u8>> {
        let head = self.read(self.inner.area_head(area, name, bytes)).await?;
        self.hook.head(&head);
        Ok(head)
    }

    async fn open_area(&self, area: Area, name: &str) -> Result<Box<dyn BlockReader>> {
        self.reader(self.inner.open_area(area, name)).await
    }

    async fn index(&self, file: &str, range: Option<Range<u64>>) -> Result<Option<Vec<u8>>> {
        self.read(self.inner.index(file, range)).await
    }

    async fn supporting(&self, references: &BTreeSet<String>) -> Result<Supporting> {
        self.read(self.inner.supporting(references)).await
    }

    async fn provenance(&self, targets: &BTreeSet<String>) -> Result<BTreeSet<(String, String)>> {
        self.read(self.inner.provenance(targets)).await
    }
}

#[async_trait]
impl<H: Hook> Entries for Stream<dyn Entries, H> {
    async fn next(&mut self) -> Result<Option<Entry>> {
        self.hook.call(Made::to(Store::Records), self.inner.next()).await
    }
}

#[async_trait]
impl<H: Hook> BlockReader for Stream<dyn BlockReader, H> {
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>> {
        self.hook.call(Made::to(Store::Records), self.inner.read(buffer)).await
    }
}
