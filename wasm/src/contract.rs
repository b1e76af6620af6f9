//! Holds the browser against the contract of all platforms.

use alloc::string::String;

use downlink_driver::contract::{self, Sight, Stage};
use js_sys::{Array, Promise, futures};
use wasm_bindgen::prelude::*;

use crate::platform::BrowserPlatform;

/// Checks all clauses against a server, and one address that refuses connections.
///
/// Returns an array of pairs: the clause's name, and how it was broken; `null` if it was kept.
#[wasm_bindgen(js_name = checkContract)]
pub fn check_contract(server: String, refusing: String) -> Promise {
    let stage = Stage::new(BrowserPlatform::default(), Sight::Veiled, server, refusing);

    futures::future_to_promise(async move {
        let verdict = Array::new();
        for clause in contract::clauses() {
            let breach = match clause.check(&stage).await {
                Ok(()) => JsValue::NULL,
                Err(breach) => breach.0.into(),
            };
            verdict.push(&Array::of(&[clause.name.into(), breach]));
        }

        Ok(verdict.into())
    })
}
