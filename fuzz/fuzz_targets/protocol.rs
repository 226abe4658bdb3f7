//! Drafts of protocols, as clinics upload them: structure, then texts, parted by lines of four percent signs. Nothing may
//! make the loader fall over, and what it lets through has words and can be compared.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mendline::domain::protocol::{self, File, Files, MOST_FAULTS, Side};

/// The few facts that the seeds refer to, so that most of the time goes into the draft.
const FACTS: File<'static> =
    File { name: "facts.toml", text: include_str!("../../src/domain/protocol/sample/facts.toml") };
const PARTING: &str = "\n%%%%\n";
const NAMES: [&str; 3] = ["en.toml", "de.toml", "fr.toml"];

fuzz_target!(|text: &str| {
    let mut parts = text.split(PARTING);
    let structure = parts.next().unwrap_or_default();
    let texts: Vec<_> = NAMES.iter().zip(parts).map(|(name, text)| File { name, text }).collect();
    let files = Files { structure: File { name: "protocol.toml", text: structure }, texts, facts: FACTS };
    let _ = protocol::heading(structure);
    let _ = protocol::renamed(structure, "renamed", 1);
    match protocol::load(&files) {
        Ok(version) => {
            let texts = version.texts.get(&version.structure.base_locale);
            let texts = texts.expect("a version without words in its base language");
            let side = || Side { version: &version, texts };
            assert!(protocol::diff(side(), side()).is_empty(), "a version differs from itself");
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            let files = files.texts.len() + 2;
            assert!(faults.len() <= (MOST_FAULTS + 1) * files, "{} faults", faults.len());
        }
    }
});
