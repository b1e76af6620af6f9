//! Cookies that servers set, where the application wants them kept.

use std::{
    convert::Infallible,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cookie_store::{Cookie, CookieStore};
use http::{
    HeaderMap,
    header::{COOKIE, SET_COOKIE},
};
use url::Url;

/// Keeps so many cookies at most, each as long as it lives, in memory only.
#[derive(Default)]
pub(crate) struct Jar(Mutex<CookieStore>);

impl Jar {
    /// Takes what an answer sets. What is too large, or too much, is not kept.
    pub(crate) fn learn(&self, url: &Url, answer: &HeaderMap) {
        for value in answer.get_all(SET_COOKIE) {
            if let Ok(text) = value.to_str()
                && text.len() <= MAX_COOKIE
            {
                self.store(url, text);
            }
        }
    }

    fn store(&self, url: &Url, text: &str) {
        let Ok(cookie) = Cookie::parse(text, url) else {
            return;
        };
        let (domain, path) = (String::from(&cookie.domain), String::from(&cookie.path));
        let mut store = self.lock();
        if !store.contains_any(&domain, &path, cookie.name()) {
            if store.iter_any().count() >= MAX_COOKIES {
                forget_expired(&mut store);
            }
            if store.iter_any().count() >= MAX_COOKIES {
                return;
            }
        }
        let _is_of_another_host = store.insert(cookie.into_owned(), url);
    }

    /// Returns what a request to `url` carries, beside the cookies that it has already, which count more.
    pub(crate) fn cookies(&self, url: &Url, headers: &HeaderMap) -> Option<String> {
        let taken: Vec<_> = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| Some(pair.split_once('=')?.0.trim()))
            .collect();
        let store = self.lock();
        let pairs: Vec<_> = store
            .get_request_values(url)
            .filter(|(name, _)| !taken.contains(name))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();

        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn lock(&self) -> MutexGuard<'_, CookieStore> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_expired(store: &mut CookieStore) {
    let alive: Vec<_> = store
        .iter_unexpired()
        .cloned()
        .map(Ok::<_, Infallible>)
        .collect();
    let Ok(alive) = CookieStore::from_cookies(alive, false);

    *store = alive;
}

/// Leaves out the cookies, which may be sessions.
impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jar").finish_non_exhaustive()
    }
}

/// Of all hosts together; RFC 6265 asks for fifty of each.
const MAX_COOKIES: usize = 64;

/// With name and attributes, as RFC 6265 asks for.
const MAX_COOKIE: usize = 4096;
