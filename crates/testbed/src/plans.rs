//! The plans by which databases ran statements, as they log them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Deserializer, Value};

/// How a statement was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its text, without values.
    pub statement: String,
    /// What was done for it, from the outside to the inside.
    pub nodes: Vec<Node>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// How far inside it is.
    pub depth: usize,
    /// What is done, in the database's own words.
    pub what: String,
    /// The table that it is done to.
    pub table: Option<String>,
    /// The index that it goes by.
    pub index: Option<String>,
    /// Whether all of the table, or all of the index, is gone through.
    pub is_scan: bool,
}

impl Plan {
    /// Whether all of this table is read.
    #[must_use]
    pub fn scans(&self, table: &str) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| node.is_scan && node.table.as_deref() == Some(table))
    }
}

/// One line for each node, below the beginning of the statement.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.statement.get(..90).unwrap_or(&self.statement))?;
        for node in &self.nodes {
            write!(f, "\n{:1$}{2}", "", 2 * node.depth + 4, node.what)?;
            for (word, name) in [("on", &node.table), ("by", &node.index)] {
                if let Some(name) = name {
                    write!(f, " {word} {name}")?;
                }
            }
        }
        Ok(())
    }
}

/// Each statement once with each of its plans.
#[must_use]
pub fn different(plans: Vec<Plan>) -> BTreeMap<String, Vec<Plan>> {
    let mut different: BTreeMap<String, Vec<Plan>> = BTreeMap::new();
    for plan in plans {
        let known = different.entry(plan.statement.clone()).or_default();
        if !known.contains(&plan) {
            known.push(plan);
        }
    }
    different
}

/// What PostgreSQL's `auto_explain` has logged as JSON.
pub(crate) fn of_postgres(log: &str) -> Vec<Plan> {
    let logged = log.split(" plan:\n").skip(1);
    let plans = logged.filter_map(|text| Deserializer::from_str(text).into_iter().next()?.ok());
    let read = |plan: Value| {
        let mut nodes = Vec::new();
        node(plan.get("Plan")?, 0, &mut nodes);
        let statement = on_one_line(plan.get("Query Text")?.as_str()?);
        Some(Plan { statement, nodes })
    };
    plans.filter_map(read).collect()
}

fn node(plan: &Value, depth: usize, nodes: &mut Vec<Node>) {
    let word = |name| plan.get(name).and_then(Value::as_str);
    let what = word("Node Type").unwrap_or("?");
    let operation = word("Operation").filter(|_| what == "ModifyTable");
    nodes.push(Node {
        depth,
        what: operation.unwrap_or(what).to_owned(),
        table: word("Relation Name").map(ToOwned::to_owned),
        index: word("Index Name").map(ToOwned::to_owned),
        is_scan: what == "Seq Scan",
    });
    let inside = plan.get("Plans").and_then(Value::as_array);
    for plan in inside.into_iter().flatten() {
        node(plan, depth + 1, nodes);
    }
}

/// What MariaDB has logged as slow, with `log_slow_verbosity` set to explain it.
pub(crate) fn of_mariadb(log: &str) -> Vec<Plan> {
    let mut plans = Vec::new();
    let (mut nodes, mut statement) = (Vec::new(), Vec::new());
    for line in log.lines().chain(["#"]) {
        if let Some(told) = line.strip_prefix('#') {
            let text = without_values(&statement.join(" "));
            if !text.is_empty() {
                let (statement, nodes) = (text, std::mem::take(&mut nodes));
                plans.push(Plan { statement, nodes });
            }
            statement.clear();
            nodes.extend(told.strip_prefix(" explain: ").and_then(row));
        } else if !(line.starts_with("SET timestamp=") || line.starts_with("use ")) {
            statement.push(line.trim_end_matches(';'));
        }
    }
    plans
}

/// `id, select_type, table, type, possible_keys, key, ..`.
fn row(told: &str) -> Option<Node> {
    let cells: Vec<_> = told.split('\t').collect();
    let cell = |at: usize| cells.get(at).copied().filter(|cell| *cell != "NULL");
    let how = cell(3).filter(|how| *how != "type");
    let table = cell(2).filter(|table| *table != "table");
    // The first row is the head.
    let what = match (how, cell(0)? == "id") {
        (_, true) => return None,
        _ if cell(1) == Some("INSERT") => "insert",
        (Some(how), _) => how,
        // Nothing was there, or there is no table.
        (None, _) => cells.last()?,
    };
    Some(Node {
        depth: 0,
        what: what.to_owned(),
        table: table.map(ToOwned::to_owned),
        index: cell(5).map(ToOwned::to_owned),
        // Where rows are put, nothing is read.
        is_scan: matches!(how, Some("ALL" | "index")) && cell(1) != Some("INSERT"),
    })
}

/// The text of a statement with `?` where there are strings, numbers or nothing.
fn without_values(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                while let Some(inside) = letters.next() {
                    match inside {
                        '\\' => drop(letters.next()),
                        '\'' if letters.next_if_eq(&'\'').is_none() => break,
                        _ => {}
                    }
                }
                plain.push('?');
            }
            '0'..='9' | '-' if !plain.ends_with(|before: char| is_of_name(before)) => {
                while letters.next_if(|next| is_of_name(*next)).is_some() {}
                plain.push('?');
            }
            _ => plain.push(letter),
        }
    }
    let words = plain.split_whitespace();
    let words: Vec<_> = words.map(|word| word.replace("NULL", "?")).collect();
    words.join(" ").replace("_binary?", "?").replace("X?", "?")
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
