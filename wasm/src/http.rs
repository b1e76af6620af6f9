//! HTTP requests with streamed answers, by `fetch`.

use alloc::{string::String, vec::Vec};

use downlink_core::{Head, HttpRequest, IoError, Method, Payload};
use downlink_driver::Port;
use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, ReadableStreamReadResult, Request,
    RequestCache, RequestCredentials, RequestInit, RequestRedirect, Response,
};

/// Makes a request and reports its answer, each chunk as it arrives.
pub(crate) async fn exchange(request: HttpRequest, port: &mut Port) -> Result<(), IoError> {
    let abort = Abort::new().map_err(|_| IoError::Hidden)?;
    let request = convert(&request, &abort).map_err(|_| IoError::Url)?;
    let answer: Response = fetch(&request)
        .await
        .map_err(|_| IoError::Hidden)?
        .unchecked_into();
    port.opened(head(&answer)).await;
    let Some(body) = answer.body() else {
        return Ok(());
    };

    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    loop {
        let result = reader.read().await.map_err(|_| IoError::Cut)?;
        let result: ReadableStreamReadResult = result.unchecked_into();
        if result.get_done() == Some(true) {
            return Ok(());
        }
        let chunk: Uint8Array = result.get_value().unchecked_into();
        port.received(Payload::from(chunk.to_vec())).await;
    }
}

/// Ends the request when it is dropped.
struct Abort(AbortController);

impl Abort {
    fn new() -> Result<Self, JsValue> {
        AbortController::new().map(Self)
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn convert(request: &HttpRequest, abort: &Abort) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &request.headers {
        headers.append(name, value)?;
    }
    let init = RequestInit::new();
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Omit);
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(&abort.0.signal()));
    match request.method {
        Method::Get => init.set_method("GET"),
        Method::Options => init.set_method("OPTIONS"),
        Method::Post => {
            init.set_method("POST");
            init.set_body(&Uint8Array::from(&request.body[..]));
        }
    }

    Request::new_with_str_and_init(&request.url, &init)
}

fn head(answer: &Response) -> Head {
    let headers = answer.headers().entries().into_iter().flatten();

    Head {
        status: answer.status(),
        headers: headers
            .filter_map(|entry| pair(entry.unchecked_into()))
            .collect::<Vec<_>>(),
    }
}

fn pair(entry: Array) -> Option<(String, String)> {
    Some((entry.get(0).as_string()?, entry.get(1).as_string()?))
}

#[wasm_bindgen]
extern "C" {
    /// The global one, of windows and workers alike.
    fn fetch(request: &Request) -> Promise;
}
