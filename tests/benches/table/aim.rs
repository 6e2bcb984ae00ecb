//! The aim of a row of the table, and whether the measured value meets it.

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Aim {
    text: String,
    /// `None` if there is no aim.
    is_met: Option<bool>,
    is_required: bool,
}

impl Aim {
    /// Describes a row without an aim.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Compares a measured value with the least that is aimed at.
    pub(crate) fn at_least(aim: f64, unit: &str, measured: f64) -> Self {
        Self::of(format!("{aim} {unit}"), measured >= aim)
    }

    /// Compares a measured value with the most that is aimed at. It is not rounded: 6.001 MB are more than 6 MB.
    pub(crate) fn at_most(aim: f64, unit: &str, measured: f64) -> Self {
        Self::of(format!("{aim} {unit}"), measured <= aim)
    }

    /// Compares a ratio, as it is printed, with the least that is aimed at.
    pub(crate) fn ratio_at_least(aim: f64, ratio: f64) -> Self {
        Self::of(format!("{aim:.2}"), printed(ratio) >= printed(aim))
    }

    /// Compares a ratio, as it is printed, with the most that is aimed at.
    pub(crate) fn ratio_at_most(aim: f64, ratio: f64) -> Self {
        Self::of(format!("{aim:.2}"), printed(ratio) <= printed(aim))
    }

    /// Joins two aims, which are met together.
    pub(crate) fn and(self, other: Self) -> Self {
        let is_met = self.is_met.zip(other.is_met).map(|(one, other)| one && other);
        let is_required = self.is_required || other.is_required;
        Self { text: format!("{}, and {}", self.text, other.text), is_met, is_required }
    }

    /// Lets the command fail if the aim is missed. That is for values that do not depend on the machine.
    pub(crate) fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    fn of(text: String, is_met: bool) -> Self {
        Self { text, is_met: Some(is_met), is_required: false }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the mark in the column `met`.
    pub(crate) fn mark(&self) -> &'static str {
        match self.is_met {
            None => "",
            Some(true) => "yes",
            Some(false) => "MISSED",
        }
    }

    /// Returns whether the command must fail.
    pub(crate) fn fails(&self) -> bool {
        self.is_required && self.is_met == Some(false)
    }
}

/// Returns a ratio with the two decimals with which it is printed.
fn printed(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}
