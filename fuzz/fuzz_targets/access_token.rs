//! Access tokens: none that this server did not sign is believed, however it looks, and none makes the reading fall over.
#![no_main]

use std::sync::LazyLock;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use mendline::auth::keys::Keys;
use mendline::auth::token::Tokens;
use mendline::config::{Config, Vars};

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    // Keys that nothing was ever signed with, made anew for each machine.
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/fuzz/keys");
    std::fs::create_dir_all(dir).unwrap();
    let vars = [("MENDLINE_DATA_DIR".to_owned(), dir.to_owned())];
    let config = Config::read(Vars::from_map(vars.into())).unwrap();
    Tokens::new(Keys::load(&config).unwrap(), "https://mendline.example")
});

fuzz_target!(|text: &str| {
    let now = DateTime::from_timestamp(1_770_000_000, 0).unwrap();
    assert!(TOKENS.verify(text, now).is_err(), "believed without a signature");
});
