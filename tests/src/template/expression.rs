//! The expressions of alarms, as far as the template has them (CloudWatch, metric math).

use std::iter::Peekable;
use std::str::SplitWhitespace;

/// Returns the value of an expression; 1 and 0 are true and false. `metrics` returns the value of a metric, if it has one.
///
/// `*` binds more closely than a comparison, which binds more closely than `AND`.
pub fn evaluate(expression: &str, metrics: &dyn Fn(&str) -> Option<u64>) -> u64 {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace(',', " , ");
    let mut reader = Reader { words: spaced.split_whitespace().peekable(), metrics };
    let value = reader.conjunction();
    assert_eq!(reader.words.next(), None, "this is not evaluated here: {expression}");
    value.expect("a value")
}

struct Reader<'e> {
    words: Peekable<SplitWhitespace<'e>>,
    metrics: &'e dyn Fn(&str) -> Option<u64>,
}

impl Reader<'_> {
    fn conjunction(&mut self) -> Option<u64> {
        let mut value = self.comparison();
        while self.words.next_if(|word| *word == "AND").is_some() {
            let other = self.comparison();
            value = value.zip(other).map(|(one, other)| u64::from(one > 0 && other > 0));
        }
        value
    }

    fn comparison(&mut self) -> Option<u64> {
        let value = self.product();
        let Some(sign) = self.words.next_if(|word| [">", ">="].contains(word)) else { return value };
        let other = self.product();
        value.zip(other).map(|(one, other)| u64::from(if sign == ">" { one > other } else { one >= other }))
    }

    fn product(&mut self) -> Option<u64> {
        let mut value = self.value();
        while self.words.next_if(|word| *word == "*").is_some() {
            let other = self.value();
            value = value.zip(other).map(|(one, other)| one * other);
        }
        value
    }

    fn value(&mut self) -> Option<u64> {
        match self.words.next().expect("a value") {
            "IF" => {
                let [condition, then, otherwise] = self.arguments();
                if condition? > 0 { then } else { otherwise }
            }
            "FILL" => {
                let [metric, value] = self.arguments();
                metric.or(value)
            }
            word => word.parse().ok().or_else(|| (self.metrics)(word)),
        }
    }

    fn arguments<const N: usize>(&mut self) -> [Option<u64>; N] {
        self.expect("(");
        let arguments = std::array::from_fn(|index| {
            if index > 0 {
                self.expect(",");
            }
            self.conjunction()
        });
        self.expect(")");
        arguments
    }

    fn expect(&mut self, sign: &str) {
        assert_eq!(self.words.next(), Some(sign));
    }
}
