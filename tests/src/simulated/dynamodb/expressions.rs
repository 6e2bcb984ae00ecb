//! Condition, filter, update and projection expressions: the part of DynamoDB's language that the adapters use. Unknown
//! expressions are refused, so that they are added here instead of being misread.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::items::Attribute;

/// The reason why DynamoDB would refuse the request, or why this simulation does not support it.
pub(crate) type Invalid = String;

#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Path(String),
    Value(Attribute),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
pub(crate) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Exists(String),
    BeginsWith(String, Attribute),
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
}

/// The value that a SET clause assigns.
#[derive(Debug, Clone)]
pub(crate) enum Assigned {
    Plain(Operand),
    Plus(Operand, Operand),
    Minus(Operand, Operand),
    IfNotExists(String, Operand),
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Set(String, Assigned),
    Add(String, Attribute),
    Remove(String),
}

/// The names and values that a request gives to its expressions, and which of them were used.
pub(crate) struct Bindings<'r> {
    names: &'r BTreeMap<String, String>,
    values: &'r BTreeMap<String, Attribute>,
    used: RefCell<BTreeSet<String>>,
}

impl<'r> Bindings<'r> {
    pub(crate) fn new(names: &'r BTreeMap<String, String>, values: &'r BTreeMap<String, Attribute>) -> Self {
        Self { names, values, used: RefCell::default() }
    }

    /// Refuses names and values that no expression uses, as DynamoDB does.
    pub(crate) fn check_used(&self) -> Result<(), Invalid> {
        let used = self.used.borrow();
        match self.names.keys().chain(self.values.keys()).find(|name| !used.contains(*name)) {
            Some(unused) => Err(format!("unused in expressions: {unused}")),
            None => Ok(()),
        }
    }

    pub(crate) fn condition(&self, text: &str) -> Result<Condition, Invalid> {
        let mut parser = Parser::new(self, text)?;
        let condition = parser.either()?;
        parser.end()?;
        Ok(condition)
    }

    pub(crate) fn update(&self, text: &str) -> Result<Vec<Step>, Invalid> {
        let mut parser = Parser::new(self, text)?;
        let steps = parser.steps()?;
        parser.end()?;
        Ok(steps)
    }

    pub(crate) fn projection(&self, text: &str) -> Result<Vec<String>, Invalid> {
        text.split(',').map(|path| self.path(path.trim())).collect()
    }

    fn path(&self, token: &str) -> Result<String, Invalid> {
        if let Some(name) = self.names.get(token) {
            self.used.borrow_mut().insert(token.to_owned());
            return Ok(name.clone());
        }
        let is_plain =
            !token.is_empty() && token.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !is_plain {
            return Err(format!("not a path of one attribute: {token}"));
        }
        if RESERVED.contains(&token.to_ascii_uppercase().as_str()) {
            return Err(format!("Attribute name is a reserved keyword; reserved keyword: {token}"));
        }
        Ok(token.to_owned())
    }

    fn value(&self, token: &str) -> Result<Attribute, Invalid> {
        let value = self.values.get(token).ok_or_else(|| format!("no such value: {token}"))?;
        self.used.borrow_mut().insert(token.to_owned());
        Ok(value.clone())
    }
}

/// Reserved words of DynamoDB, which no expression may use as a name: those that are plausible names of attributes here.
const RESERVED: [&str; 52] = [
    "ACTION",
    "AGENT",
    "BATCH",
    "BLOCK",
    "BUCKET",
    "COUNT",
    "COUNTER",
    "CURSOR",
    "DATA",
    "DATE",
    "DURATION",
    "END",
    "ERROR",
    "FILE",
    "FINISH",
    "FIRST",
    "FOUND",
    "GROUP",
    "HASH",
    "INDEX",
    "ITEM",
    "ITEMS",
    "KEY",
    "KEYS",
    "LAST",
    "LENGTH",
    "LIMIT",
    "LIST",
    "LOG",
    "NAME",
    "NEXT",
    "OPEN",
    "OUTPUT",
    "OWNER",
    "PARTITION",
    "PATH",
    "RANGE",
    "REQUEST",
    "RESOURCE",
    "RESULT",
    "SIZE",
    "START",
    "STATE",
    "STATUS",
    "TIME",
    "TIMESTAMP",
    "TOKEN",
    "TOTAL",
    "TTL",
    "USER",
    "VALUE",
    "VALUES",
];

struct Parser<'b, 'r> {
    bindings: &'b Bindings<'r>,
    tokens: Vec<String>,
    at: usize,
}

impl<'b, 'r> Parser<'b, 'r> {
    fn new(bindings: &'b Bindings<'r>, text: &str) -> Result<Self, Invalid> {
        Ok(Self { bindings, tokens: tokens(text)?, at: 0 })
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek().eq_ignore_ascii_case(word)
    }

    /// Takes the next token if it is this word; returns whether it is.
    fn took(&mut self, word: &str) -> bool {
        let is_it = self.is_word(word);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, word: &str) -> Result<(), Invalid> {
        if self.took(word) { Ok(()) } else { Err(format!("'{word}' expected at '{}'", self.peek())) }
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        self.at += 1;
        token
    }

    fn end(&self) -> Result<(), Invalid> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(format!("unknown: '{}'", self.peek())) }
    }

    fn either(&mut self) -> Result<Condition, Invalid> {
        let mut condition = self.both()?;
        while self.took("OR") {
            condition = Condition::Or(condition.into(), self.both()?.into());
        }
        Ok(condition)
    }

    fn both(&mut self) -> Result<Condition, Invalid> {
        let mut condition = self.single()?;
        while self.took("AND") {
            condition = Condition::And(condition.into(), self.single()?.into());
        }
        Ok(condition)
    }

    fn single(&mut self) -> Result<Condition, Invalid> {
        if self.took("NOT") {
            return Ok(Condition::Not(self.single()?.into()));
        }
        if self.took("(") {
            let condition = self.either()?;
            self.expect(")")?;
            return Ok(condition);
        }
        for function in ["attribute_exists", "attribute_not_exists", "begins_with"] {
            if self.is_word(function) {
                return self.function();
            }
        }
        let left = self.operand()?;
        if self.took("BETWEEN") {
            let low = self.operand()?;
            self.expect("AND")?;
            return Ok(Condition::Between(left, low, self.operand()?));
        }
        if self.took("IN") {
            self.expect("(")?;
            let mut list = vec![self.operand()?];
            while self.took(",") {
                list.push(self.operand()?);
            }
            self.expect(")")?;
            return Ok(Condition::In(left, list));
        }
        let comparator = match self.next().as_str() {
            "=" => Comparator::Equal,
            "<>" => Comparator::NotEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            other => return Err(format!("not a comparison: '{other}'")),
        };
        Ok(Condition::Compare(left, comparator, self.operand()?))
    }

    fn function(&mut self) -> Result<Condition, Invalid> {
        let name = self.next().to_ascii_lowercase();
        self.expect("(")?;
        let token = self.next();
        let path = self.bindings.path(&token)?;
        let condition = match name.as_str() {
            "attribute_exists" => Condition::Exists(path),
            "attribute_not_exists" => Condition::Not(Condition::Exists(path).into()),
            _ => {
                self.expect(",")?;
                let token = self.next();
                Condition::BeginsWith(path, self.bindings.value(&token)?)
            }
        };
        self.expect(")")?;
        Ok(condition)
    }

    fn operand(&mut self) -> Result<Operand, Invalid> {
        let token = self.next();
        if token.starts_with(':') {
            return self.bindings.value(&token).map(Operand::Value);
        }
        self.bindings.path(&token).map(Operand::Path)
    }

    fn steps(&mut self) -> Result<Vec<Step>, Invalid> {
        let mut steps = Vec::new();
        while !self.peek().is_empty() {
            let clause = self.next().to_ascii_uppercase();
            loop {
                steps.push(self.step(&clause)?);
                if !self.took(",") {
                    break;
                }
            }
        }
        if steps.is_empty() { Err("an update without a clause".to_owned()) } else { Ok(steps) }
    }

    fn step(&mut self, clause: &str) -> Result<Step, Invalid> {
        let token = self.next();
        let path = self.bindings.path(&token)?;
        match clause {
            "SET" => {
                self.expect("=")?;
                Ok(Step::Set(path, self.assigned()?))
            }
            "ADD" => {
                let token = self.next();
                Ok(Step::Add(path, self.bindings.value(&token)?))
            }
            "REMOVE" => Ok(Step::Remove(path)),
            other => Err(format!("unknown clause of an update: {other}")),
        }
    }

    fn assigned(&mut self) -> Result<Assigned, Invalid> {
        if self.took("if_not_exists") {
            self.expect("(")?;
            let token = self.next();
            let path = self.bindings.path(&token)?;
            self.expect(",")?;
            let otherwise = self.operand()?;
            self.expect(")")?;
            return Ok(Assigned::IfNotExists(path, otherwise));
        }
        let first = self.operand()?;
        if self.took("+") {
            return Ok(Assigned::Plus(first, self.operand()?));
        }
        if self.took("-") {
            return Ok(Assigned::Minus(first, self.operand()?));
        }
        Ok(Assigned::Plain(first))
    }
}

fn tokens(text: &str) -> Result<Vec<String>, Invalid> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_whitespace() {
            continue;
        }
        let mut token = String::from(letter);
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '#' | ':') {
            while let Some(next) = letters.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                token.push(next);
            }
        } else if matches!(letter, '<' | '>') {
            while let Some(next) = letters.next_if(|next| matches!(next, '=' | '>')) {
                token.push(next);
            }
        } else if !matches!(letter, '(' | ')' | ',' | '=' | '+' | '-') {
            return Err(format!("unknown in an expression: {text}"));
        }
        tokens.push(token);
    }
    Ok(tokens)
}
