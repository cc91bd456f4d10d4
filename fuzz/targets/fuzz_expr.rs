//! Filter expressions, and what they make of a document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use regimen_corpus::fuzz::Expressions;
use regimen_fuzz::{at_zero, run, text};

fuzz_target!(|data: &[u8]| {
    thread_local! {
        static EXPRESSIONS: Expressions = Expressions::new();
    }
    let (expression, rest) = at_zero(data);
    let (document, metadata) = at_zero(rest);
    let (expression, document, metadata) = (text(expression), text(document), text(metadata));
    EXPRESSIONS.with(|expressions| {
        run(64 << 20, || {
            expressions.holds(&expression, &document, &metadata);
        });
    });
});
