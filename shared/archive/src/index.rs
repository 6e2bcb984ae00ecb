//! `index.html` of the ZIP: a page that a person reads without a network and without script. For each type it has the count, the
//! days and a table of the main fields, of the first resources. It is written as the files are read.

use std::collections::BTreeMap;

use askama::Template;
use domain::error::{Error, Result};
use futures_util::TryStreamExt;
use serde_json::Value;
use storage::packs;
use web::pages::{ZipHead, ZipKind, ZipRow, ZipRows, ZipSection, ZipTail};

use crate::checkpoint::Facts;
use crate::lines::Lines;
use crate::make::{Maker, data_path};
use crate::row::{Row, day};
use crate::titles::{days_in_words, type_name};
use crate::writer::Archive;

/// The maximum number of rows of a type; the file has the others.
const MAX_ROWS: usize = 1000;
/// The maximum number of attachments in the list.
const MAX_ATTACHMENTS: usize = 1000;

fn rendered(template: &impl Template) -> Result<Vec<u8>> {
    Ok(template.render().map_err(Error::internal)?.into_bytes())
}

impl Maker {
    pub(crate) async fn write_index(
        &self,
        archive: &mut Archive,
        facts: &BTreeMap<String, Facts>,
    ) -> Result<()> {
        // The page stays far below 4 GiB by the limits above.
        archive.begin("index.html", Some(0), true);
        archive.write(&rendered(&self.head(facts))?).await?;
        for (kind, of_kind) in facts {
            let (title, is_named) = type_name(kind, &self.words);
            let section = ZipSection {
                kind: kind.clone(),
                title,
                is_named,
                lead: self.lead(of_kind),
                files: self.data_of(kind).map(|named| data_path(&named.name)).collect(),
                columns: ["date", "what", "value", "id"].map(|column| self.text(&format!("zip-{column}"))),
            };
            archive.write(&rendered(&section)?).await?;
            self.write_rows(archive, kind).await?;
            archive.write(b"</tbody></table></div></section>\n").await?;
        }
        let attachments = self.plan.attachments.iter().take(MAX_ATTACHMENTS);
        let tail = ZipTail {
            title: self.text("zip-attachments"),
            attachments: attachments.map(|attachment| attachment.name.clone()).collect(),
            more: (self.plan.attachments.len() > MAX_ATTACHMENTS).then(|| self.text("zip-more-attachments")),
        };
        archive.write(&rendered(&tail)?).await?;
        archive.end().map(|_| ())
    }

    fn text(&self, key: &str) -> String {
        self.words.text(key, &[])
    }

    fn head(&self, facts: &BTreeMap<String, Facts>) -> ZipHead {
        let kinds = facts.iter().map(|(kind, of_kind)| {
            let (title, is_named) = type_name(kind, &self.words);
            ZipKind {
                kind: kind.clone(),
                title,
                is_named,
                count: self.words.number(of_kind.count),
                days: self.days(of_kind),
            }
        });
        ZipHead {
            language: self.words.language.tag(),
            direction: self.words.direction(),
            title: self.title.clone(),
            patient: self.patient(),
            lead: self.text("zip-lead"),
            notice: self.plan.needs_notice().then(|| self.text("notice-part-2")),
            contents: self.text("my-contents"),
            columns: ["my-what", "my-count", "zip-days"].map(|key| self.text(key)),
            kinds: kinds.collect(),
        }
    }

    /// Returns in words the period from the first to the last day.
    fn days(&self, facts: &Facts) -> String {
        match &facts.days {
            None => String::new(),
            Some((first, last)) => days_in_words(first, last, &self.words),
        }
    }

    /// Returns the sentence that says how many of all rows are shown.
    fn lead(&self, facts: &Facts) -> String {
        let count = self.words.number(facts.count);
        match facts.count > MAX_ROWS as u64 {
            true => {
                let most = self.words.number(MAX_ROWS as u64);
                self.words.text("zip-first", &[("most", &most), ("count", &count)])
            }
            false => self.words.text("zip-all", &[("count", &count)]),
        }
    }

    /// Writes the rows of a type. Reads its files a second time, so that only a piece of them is in memory.
    async fn write_rows(&self, archive: &mut Archive, kind: &str) -> Result<()> {
        let mut left = MAX_ROWS;
        for named in self.data_of(kind) {
            let mut bytes = packs::open(&*self.files, &named.file.location(), None).await?;
            let mut lines = Lines::default();
            while let Some(piece) = bytes.try_next().await? {
                if left == 0 {
                    return Ok(());
                }
                let mut rows = Vec::new();
                lines.feed(&piece, |line| {
                    if left > 0 {
                        left -= 1;
                        rows.push(self.row(line));
                    }
                });
                if !rows.is_empty() {
                    archive.write(&rendered(&ZipRows { rows })?).await?;
                }
            }
        }
        Ok(())
    }

    fn row(&self, line: &[u8]) -> ZipRow {
        let resource = serde_json::from_slice::<Value>(line).unwrap_or_default();
        let Row { date, what, value, id } = Row::of(&resource);
        ZipRow { date: self.words.partial(day(&date)), what, value, id }
    }
}
