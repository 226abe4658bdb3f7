//! The `Idempotency-Key` header: what passes is bounded and holds nothing that a log or a header would trip over.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mendline::idempotency::IdempotencyKey;

fuzz_target!(|text: &str| {
    if text.parse::<IdempotencyKey>().is_ok() {
        assert!((1..=255).contains(&text.len()));
        assert!(text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    }
});
