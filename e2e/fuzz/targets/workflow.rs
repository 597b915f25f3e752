//! A file as it comes from outside: read, judged, compiled. Nothing may panic, and what compiles must start.
#![no_main]

use std::sync::{Arc, LazyLock};

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::read::{self, Limits};
use aob_engine::registry::Registry;
use aob_engine::route;
use aob_engine::state::{IrSet, decode, encode};
use aob_engine::step::{Now, Refusal, StartRequest};
use libfuzzer_sys::fuzz_target;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::builtin);

fuzz_target!(|text: &[u8]| {
    let documents = match read::documents(text, &Limits::default()) {
        Ok(documents) => documents,
        Err(found) => {
            assert!(!found.is_empty(), "a refusal says why");
            return;
        }
    };
    for document in documents {
        let Ok(ir) = compile(&document.value, &REGISTRY, &Ceiling::default()) else { continue };
        let input = Arc::new(serde_json::json!({}));
        let run = "run_00000000000000000000000000".into();
        let request = StartRequest::new(run, "default".into(), input, "user:fuzz".into());
        let irs = IrSet::new(0, Arc::new(ir));
        match route::start(&irs, 0, &request, Now { time: 1, epoch: 1 }) {
            Ok(step) => assert_eq!(decode(&encode(&step.state)).as_ref(), Ok(&step.state)),
            Err(Refusal::Start(_)) => {}
            Err(refusal) => panic!("what compiles starts: {refusal}"),
        }
    }
});
