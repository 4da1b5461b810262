#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../support/hostile.rs"]
#[allow(dead_code)]
mod hostile;

fuzz_target!(|text: &str| hostile::ledger(text));
