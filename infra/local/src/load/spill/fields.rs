//! The fields of a record in a stream: numbers, texts and lists of texts.

use super::damaged;
use crate::Failure;

/// Appends a number.
pub(in crate::load) fn put_number(buffer: &mut Vec<u8>, number: u64) {
    buffer.extend_from_slice(&number.to_le_bytes());
}

/// Appends a text and its length.
pub(in crate::load) fn put_text(buffer: &mut Vec<u8>, text: &[u8]) {
    put_number(buffer, text.len() as u64);
    buffer.extend_from_slice(text);
}

/// Reads the fields of records in the order in which they were written.
#[derive(Clone, Copy)]
pub(in crate::load) struct Fields<'a>(pub(in crate::load) &'a [u8]);

impl<'a> Fields<'a> {
    pub(in crate::load) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::load) fn number(&mut self) -> Result<u64, Failure> {
        let (number, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    pub(in crate::load) fn text(&mut self) -> Result<&'a [u8], Failure> {
        let length = usize::try_from(self.number()?).map_err(|_| damaged())?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(text)
    }

    /// Reads a list of texts.
    pub(in crate::load) fn texts(&mut self) -> Result<Vec<&'a [u8]>, Failure> {
        (0..self.number()?).map(|_| self.text()).collect()
    }
}

/// Appends a list of texts.
pub(in crate::load) fn put_texts<T: AsRef<[u8]>>(buffer: &mut Vec<u8>, texts: &[T]) {
    put_number(buffer, texts.len() as u64);
    for text in texts {
        put_text(buffer, text.as_ref());
    }
}
