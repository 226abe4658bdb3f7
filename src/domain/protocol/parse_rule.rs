//! From TOML to triage rules.

use super::parse::{duration, inner_name};
use super::read::Table;
use super::rule::{Level, Rule, Test, When};
use crate::domain::symptoms::{Answer, Field, centi};

pub(super) fn rule(table: Table<'_, '_>) -> Option<Rule> {
    let key = inner_name(&table, "key");
    let level: Option<Level> = table.need("level", table.parsed("level"));
    if level == Some(Level::None) {
        table.fault_in("level", "a rule's level is routine, soon, urgent or emergency");
    }
    let advice = inner_name(&table, "advice");
    let after = duration(&table, "after");
    let before = duration(&table, "before");
    let recheck = duration(&table, "recheck");
    let when = table.need("when", table.table("when").and_then(when));
    let evidence = table.strings("evidence");
    let product_decision = table.boolean("product_decision").unwrap_or(false);
    table.finish();
    Some(Rule {
        key: key?,
        level: level?,
        advice: advice?,
        after,
        before,
        recheck,
        when: when?,
        evidence,
        product_decision,
    })
}

fn when(table: Table<'_, '_>) -> Option<When> {
    for key in ["all", "any"] {
        if table.has(key) {
            let tables = table.tables(key);
            let (wanted, parts) = (tables.len(), tables.into_iter().filter_map(when).collect::<Vec<_>>());
            if wanted == 0 {
                table.fault_in(key, format!("`{key}` needs at least one part"));
            }
            table.finish();
            let whole = wanted > 0 && parts.len() == wanted;
            return whole.then_some(if key == "all" { When::All { all: parts } } else { When::Any { any: parts } });
        }
    }
    let field = table.need("field", table.parsed("field"));
    let test = field.and_then(|field| test(&table, field));
    table.finish();
    test.map(When::Test)
}

fn test(table: &Table<'_, '_>, field: Field) -> Option<Test> {
    let given = ["at_least", "is", "rising"].into_iter().filter(|key| table.has(key)).collect::<Vec<_>>();
    match (field.answer(), given.as_slice()) {
        (Answer::Scale, ["at_least"]) => {
            table.integer("at_least", 1, 3).map(|at_least| Test::AtLeast { field, at_least })
        }
        (Answer::Scale, ["rising"]) => table.integer("rising", 1, 3).map(|rising| Test::Rising { field, rising }),
        (Answer::YesNo, ["is"]) => table.boolean("is").map(|is| Test::Is { field, is }),
        (Answer::Choice(words), ["is"]) => {
            let is = table.string("is")?;
            if !words.contains(&is.as_str()) {
                table.fault_in("is", format!("`{field}` is one of: {}", words.join(", ")));
            }
            Some(Test::Word { field, is })
        }
        (Answer::Temperature, ["at_least"]) => {
            let at_least = table.number("at_least").and_then(centi);
            if !at_least.is_some_and(|centi| (3000..=4500).contains(&centi)) {
                table.fault_in("at_least", "a body temperature lies between 30 and 45 degrees Celsius");
            }
            at_least.map(|at_least| Test::Warm { field, at_least })
        }
        (answer, _) => {
            let tests = match answer {
                Answer::Scale => "one of `at_least` and `rising`",
                Answer::YesNo | Answer::Choice(_) => "`is`",
                Answer::Temperature => "`at_least`",
            };
            for key in given {
                let _ = table.has(key);
            }
            table.fault(format!("a test of `{field}` takes {tests}"));
            None
        }
    }
}
