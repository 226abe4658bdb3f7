//! Tests of the loader: every sort of fault is found, all at once, with its line.

use super::sample::{FACTS, STRUCTURE, TEXTS, files, version};
use super::*;
use proptest::prelude::*;

/// Loads the sample with `find` replaced and returns the faults as lines of text.
fn faults(find: &str, replace: &str) -> Vec<String> {
    assert!(STRUCTURE.contains(find), "the sample does not contain {find:?}");
    let changed = STRUCTURE.replacen(find, replace, 1);
    load(&files(&changed)).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn line_of(text: &str) -> usize {
    1 + STRUCTURE.lines().position(|line| line.contains(text)).unwrap()
}

#[test]
fn the_sample_is_sound() {
    if let Err(faults) = load(&files(STRUCTURE)) {
        panic!("{faults:#?}");
    }
}

#[test]
fn each_rule_of_validation_has_its_fault() {
    let cases = [
        ("key = \"make_up\"\nkind", "colour = 1\nkey = \"make_up\"\nkind", "unknown key `colour` in items[4]"),
        (
            "[[items]]\nkey = \"tone\"",
            "[[items]]\nkey = \"tone\"\nkind = \"faq\"\nproduct_decision = true\n\n[[items]]\nkey = \"tone\"",
            "`tone` is named twice in items",
        ),
        ("from = \"PT1H\", to = \"PT24H\"", "from = \"PT24H\", to = \"PT1H\"", "`to` is before `from`"),
        ("from_day = 1, to_day = 2 }", "from_day = 2, to_day = 1 }", "`to_day` is before `from_day`"),
        ("\"11:00\" }, { from = \"19:00\"", "\"19:30\" }, { from = \"19:00\"", "overlapping windows"),
        (
            "hours = 2, from = \"08:00\", to = \"18:00\"",
            "hours = 11, from = \"08:00\", to = \"18:00\"",
            "longer than its",
        ),
        ("days = [1, 3, 7, 10]", "days = [1, 3, 7, 11]", "longer than its window: day 11"),
        ("offset = \"PT1H\", from_day = 3", "offset = \"PT4H\", from_day = 3", "a reminder outside its window"),
        ("offset = \"PT1H\", from_day = 3", "offset = \"PT1H\", from_day = 2", "a reminder outside its window"),
        ("basis = \"elapsed\", to = \"PT72H\"", "basis = \"elapsed\"", "a restriction needs a bound or a cap"),
        (
            "basis = \"elapsed\", to = \"PT72H\"",
            "basis = \"elapsed\", from = \"PT1H\", to = \"PT72H\"",
            "begins with the treatment",
        ),
        ("to = \"PT4H\" }\nsoft = { to = \"PT48H\" }", "to = \"PT55H\" }", "must not score"),
        (
            "basis = \"elapsed\", to = \"PT4H\" }\nsoft = { to = \"PT48H\" }",
            "basis = \"local_day\", from_day = 0, to_day = 3 }",
            "must not score",
        ),
        ("links = [\"retinoids\"]", "links = [\"retinol\"]", "links to `retinol`, which does not exist"),
        ("evidence = [\"M01\"]", "", "needs evidence, or `product_decision = true`"),
        ("evidence = [\"M01\"]", "evidence = [\"M99\"]", "evidence `M99` is no known fact"),
        ("facts = [\"M18\"]", "facts = [\"M18\", \"M01\"]", "yet an item carries it"),
        ("weight = 2", "weight = 0", "must be between 1 and 100"),
        ("from = \"PT1H\", to = \"PT24H\"", "from = \"PT1H\", to = \"P1M\"", "months or years"),
        ("minimum = \"P7D\", until", "minimum = \"P15D\", until", "`cap` is before `minimum`"),
        ("until = \"flaking_ended\", cap = \"P14D\"", "until = \"x\", cap = \"P14D\"", "condition `x`"),
        ("soft = { to = \"PT48H\" }", "soft = { to = \"PT3H\" }", "the soft bound is before the hard one"),
        ("range = { min = \"PT24H\"", "range = { min = \"PT96H\"", "`max` is before `min`"),
        ("{ key = \"calming\", from_day = 1 }", "{ key = \"calming\", from_day = 8 }", "does not start after"),
        ("field = \"breathing_trouble\", is = true", "field = \"blisters\", is = true", "which no check-in asks"),
        ("field = \"pain\", at_least = 2", "field = \"pain\", at_least = 4", "must be between 1 and 3"),
        ("field = \"pus\", is = \"coloured\"", "field = \"pus\", is = \"green\"", "one of: none, clear, coloured"),
        ("before = \"P10D\"", "before = \"P6D\"", "`before` is not after `after`"),
        ("level = \"routine\"", "level = \"none\"", "a rule's level is"),
        ("advice = \"call_now\"", "advice = \"shout\"", "missing text: advice `shout`"),
        ("actor = \"clinic\"", "actor = \"clinic\"\ncounts = true", "what the clinic does never counts"),
        ("kind = \"as_needed\" }", "kind = \"as_needed\" }\ncounts = true", "cannot count"),
        ("kind = \"daily\"", "kind = \"weekly\"", "`weekly` is none of"),
        ("while = \"outdoors\"", "while = \"asleep\"", "no mode a patient can switch on"),
        ("kind = \"follow_up\"", "kind = \"product_advice\"", "entries of this kind send no alerts"),
        ("base_locale = \"en\"", "base_locale = \"en\"\nalerts_a_day = 2", "3 alerts on day 3"),
        ("interval_max = \"P6W\"", "interval_max = \"P3W\"", "`interval_max` is before `interval_min`"),
    ];
    let mut missed = Vec::new();
    for (find, replace, expected) in cases {
        let found = faults(find, replace);
        if found.len() != 1 || !found[0].contains(expected) {
            missed.push((expected, found));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn all_faults_come_at_once_in_order_with_their_lines() {
    let broken = STRUCTURE
        .replace("weight = 2", "weight = 0\nheight = 3")
        .replace("links = [\"retinoids\"]", "links = [\"nowhere\"]")
        .replace("version = 1", "version = \"one\"\nversion = 1");
    let found = load(&files(&broken)).unwrap_err();
    let shift = 1;
    let lines: Vec<_> = found.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [2, 3, line_of("weight = 2") + shift, line_of("weight = 2") + shift + 1], "{found:#?}");
    let without_version = STRUCTURE
        .replace("weight = 2", "weight = 0\nheight = 3")
        .replace("links = [\"retinoids\"]", "links = [\"nowhere\"]");
    let found = load(&files(&without_version)).unwrap_err();
    let lines: Vec<_> = found.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [line_of("links ="), line_of("weight = 2"), line_of("weight = 2") + 1], "{found:#?}");
}

#[test]
fn missing_base_text_is_found_and_so_is_text_for_nothing() {
    let texts = TEXTS
        .replace("why = \"They irritate.\", ", "")
        .replace("compress = {", "compression = {")
        .replace("\"clear\", ", "")
        .replace("none = { title = \"Nothing on our list\"", "nil = { title = \"Nothing on our list\"");
    let mut files = files(STRUCTURE);
    files.texts = vec![File { name: "en.toml", text: &texts }];
    let found: Vec<_> = load(&files).unwrap_err().into_iter().map(|fault| fault.reason).collect();
    for expected in [
        "missing text: why of item `retinoids`",
        "missing text: item `compress`",
        "text for item `compression`, which does not exist",
        "check-in field `pus` takes 3 anchors, not 2",
        "missing text: advice `none`",
    ] {
        assert!(found.iter().any(|reason| reason == expected), "{found:#?} lacks {expected}");
    }
    assert_eq!(found.len(), 5, "{found:#?}");
    files.texts.clear();
    assert!(load(&files).unwrap_err()[0].reason.contains("missing base text"));
}

#[test]
fn a_fact_that_cites_an_unknown_source_is_a_fault() {
    let facts = FACTS.replacen("source = \"S0\"", "source = \"S7\"", 1);
    let mut files = files(STRUCTURE);
    files.facts.text = &facts;
    let found = load(&files).unwrap_err();
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("facts.toml:6: fact M01 cites unknown source `S7`"), "{found:?}");
}

#[test]
fn another_language_may_be_partial_and_is_served_only_once_reviewed() {
    let german = "locale = \"de\"\nname = \"Muster\"\n[items]\ncleanse = { title = \"Reinigen\" }\n";
    let mut files = files(STRUCTURE);
    files.texts.push(File { name: "de.toml", text: german });
    let version = load(&files).unwrap();
    assert_eq!(version.texts_for(&["de-CH", "en"], |_| false).locale, "en");
    let texts = version.texts_for(&["de-CH"], |_| true);
    assert_eq!(texts.locale, "de");
    assert_eq!(version.item_text(texts, "cleanse").unwrap().title, "Reinigen");
    assert_eq!(version.item_text(texts, "make_up").unwrap().title, "Make-up");
}

#[test]
fn too_many_items_and_too_many_bytes_are_refused() {
    let many: String = (0..=MOST_ITEMS)
        .map(|n| format!("[[items]]\nkey = \"q{n}\"\nkind = \"faq\"\nproduct_decision = true\n"))
        .collect();
    let structure = format!("{STRUCTURE}\n{many}");
    let found = load(&files(&structure)).unwrap_err();
    assert!(found.iter().any(|fault| fault.reason.contains("more than the 500")), "{:?}", found.first());
    let long = format!("{STRUCTURE}\n#{}", "x".repeat(MOST_BYTES));
    assert!(load(&files(&long)).unwrap_err()[0].reason.contains("bytes are more than"));
}

#[test]
fn the_canonical_rendering_ignores_comments_order_and_spelling_and_reads_back_the_same() {
    let original = version();
    let canonical = original.canonical().unwrap();
    let respelt = STRUCTURE
        .replace("to = \"PT72H\" }", "to = \"P3D\" } # three days")
        .replace("key = \"tone\"\nkind = \"milestone\"", "kind = \"milestone\"\nkey = \"tone\"");
    assert_eq!(load(&files(&respelt)).unwrap().canonical().unwrap(), canonical);
    let other = STRUCTURE.replace("to = \"PT72H\" }", "to = \"PT71H\" }");
    assert_ne!(load(&files(&other)).unwrap().canonical().unwrap(), canonical);

    let (structure, texts) = canonical.split_once("# texts\n").unwrap();
    let mut again = files(structure);
    again.texts = vec![File { name: "en.toml", text: texts }];
    assert_eq!(load(&again).unwrap(), original);
}

proptest! {
    #[test]
    fn no_mutilation_of_a_protocol_makes_the_loader_panic(
        cut in 0usize..STRUCTURE.len(), length in 0usize..60, insert in "\\PC{0,8}",
    ) {
        let end = (cut + length).min(STRUCTURE.len());
        let mut text = STRUCTURE.to_owned();
        text.replace_range(cut..end, &insert);
        let _ = load(&files(&text));
    }
}
