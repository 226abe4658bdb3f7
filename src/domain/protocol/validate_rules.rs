//! Faults in triage rules, conditions and references to facts.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::parse::Parsed;
use super::read::Doc;
use super::version::Structure;
use crate::domain::symptoms::{Answer, Field};

pub(super) fn rules(doc: &Doc<'_>, parsed: &Parsed, structure: &Structure) {
    let asked: BTreeSet<Field> = structure.check_in_fields.iter().copied().collect();
    if asked.len() < structure.check_in_fields.len() {
        doc.fault("check_in_fields", "a field is asked twice");
    }
    for (rule, path) in structure.triage.iter().zip(&parsed.rule_paths) {
        if rule.after.zip(rule.before).is_some_and(|(after, before)| before <= after) {
            doc.fault(path, format!("rule `{}`: `before` is not after `after`", rule.key));
        }
        if rule.evidence.is_empty() && !rule.product_decision {
            doc.fault(path, format!("rule `{}`: needs evidence or `product_decision = true`", rule.key));
        }
        for test in rule.when.tests() {
            if !asked.contains(&test.field()) {
                let when = format!("{path}.when");
                doc.fault(&when, format!("rule `{}` reads `{}`, which no check-in asks", rule.key, test.field()));
            }
        }
    }
    for (index, condition) in structure.conditions.iter().enumerate() {
        let path = format!("conditions[{index}].field");
        if condition.field.answer() == Answer::Temperature {
            doc.fault(&path, "a temperature is never absent: no condition can wait for it");
        }
        if !asked.contains(&condition.field) {
            doc.fault(&path, format!("`{}` waits for `{}`, which no check-in asks", condition.key, condition.field));
        }
    }
}

pub(super) fn evidence(doc: &Doc<'_>, parsed: &Parsed, structure: &Structure, facts: &Facts) {
    let items = structure.items.iter().zip(&parsed.item_paths).map(|(item, path)| (&item.evidence, path));
    let rules = structure.triage.iter().zip(&parsed.rule_paths).map(|(rule, path)| (&rule.evidence, path));
    let mut carried = BTreeSet::new();
    for (evidence, path) in items.chain(rules) {
        let mut here = BTreeSet::new();
        for (index, id) in evidence.iter().enumerate() {
            let place = format!("{path}.evidence[{index}]");
            if !facts.facts.contains_key(id) {
                doc.fault(&place, format!("evidence `{id}` is no known fact"));
            }
            if !here.insert(id) {
                doc.fault(&place, format!("evidence `{id}` is named twice"));
            }
        }
        carried.extend(evidence);
    }
    for (index, entry) in structure.not_carried.iter().enumerate() {
        for (position, id) in entry.facts.iter().enumerate() {
            let place = format!("not_carried[{index}].facts[{position}]");
            if !facts.facts.contains_key(id) {
                doc.fault(&place, format!("`{id}` is no known fact"));
            }
            if carried.contains(id) {
                doc.fault(&place, format!("`{id}` is listed as not carried, yet an item carries it"));
            }
        }
    }
}
