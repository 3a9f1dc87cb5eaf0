//! HTTP to one or several addresses of the same Admin API.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Method, Request, Url};
use tracing::warn;

use super::answer::Answer;
use super::{AdminError, AdminOptions, ApiKey};
use crate::sink::SinkError;

/// Largest answer that is read, in bytes: 100,000 routes (DESIGN section 9) of some 1 KB, five times over.
const MAX_ANSWER_BYTES: usize = 512 << 20;

/// HTTP to one or several addresses of the same Admin API.
#[derive(Debug)]
pub(super) struct Client {
    http: ArcSwap<Http>,
    addresses: Vec<Url>,
    /// Which address answered last.
    current: AtomicUsize,
    key: ArcSwap<HeaderValue>,
}

/// Connections, and the authorities (PEM) that they trust.
#[derive(Debug)]
struct Http {
    client: reqwest::Client,
    authorities: Option<Vec<u8>>,
}

impl Client {
    pub(super) fn new(options: &AdminOptions) -> Result<Self, AdminError> {
        let addresses: Result<Vec<Url>, _> = options.addresses.iter().map(|text| address(options, text)).collect();
        let addresses = addresses?;
        if addresses.is_empty() {
            return Err(AdminError::NoAddress(options.target.clone()));
        }
        Ok(Self {
            http: ArcSwap::from_pointee(Http::new(options, read_authorities(options)?)?),
            addresses,
            current: AtomicUsize::new(0),
            key: ArcSwap::from_pointee(read_key(options)?),
        })
    }

    /// Reads key and authorities again; what cannot be read leaves what was before.
    pub(super) fn reload(&self, options: &AdminOptions) {
        match read_key(options) {
            Ok(key) => self.key.store(Arc::new(key)),
            Err(error) => warn!(target = %options.target, %error, "API key not read again, the one before stays"),
        }
        if let Err(error) = self.reload_authorities(options) {
            warn!(target = %options.target, %error, "authorities not read again, the ones before stay");
        }
    }

    /// Connections that are open stay, unless the authorities changed.
    fn reload_authorities(&self, options: &AdminOptions) -> Result<(), AdminError> {
        let authorities = read_authorities(options)?;
        if self.http.load().authorities != authorities {
            self.http.store(Arc::new(Http::new(options, authorities)?));
        }
        Ok(())
    }

    pub(super) async fn get(&self, path: &str, timeout: Duration) -> Result<Answer, SinkError> {
        self.call(&Method::GET, path, None, timeout).await
    }

    pub(super) async fn put(&self, path: &str, body: String, timeout: Duration) -> Result<Answer, SinkError> {
        self.call(&Method::PUT, path, Some(body), timeout).await
    }

    pub(super) async fn delete(&self, path: &str, timeout: Duration) -> Result<Answer, SinkError> {
        self.call(&Method::DELETE, path, None, timeout).await
    }

    /// Tries each address once, beginning with the one that answered last. Only a connection that did not open leads
    /// to the next: after that the write may have happened, and its late end must not cross a newer one elsewhere.
    async fn call(
        &self,
        method: &Method,
        path: &str,
        body: Option<String>,
        timeout: Duration,
    ) -> Result<Answer, SinkError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut last = None;
        for step in 0..self.addresses.len() {
            let index = (first + step) % self.addresses.len();
            let Some(request) = self.request(index, method, path, body.as_deref(), timeout) else {
                continue;
            };
            let http = self.http.load().client.clone();
            match http.execute(request).await {
                Ok(response) => {
                    self.current.store(index, Ordering::Relaxed);
                    return read(response).await;
                }
                Err(error) if error.is_connect() => last = Some(error),
                Err(error) => return Err(unreachable(&error)),
            }
        }
        Err(last.as_ref().map_or_else(no_address, unreachable))
    }

    fn request(
        &self,
        index: usize,
        method: &Method,
        path: &str,
        body: Option<&str>,
        timeout: Duration,
    ) -> Option<Request> {
        let url = self.addresses.get(index)?.join(path).ok()?;
        let mut request = Request::new(method.clone(), url);
        request
            .headers_mut()
            .insert("x-api-key", self.key.load().as_ref().clone());
        *request.timeout_mut() = Some(timeout);
        if let Some(body) = body {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
            *request.body_mut() = Some(body.to_owned().into());
        }
        Some(request)
    }
}

async fn read(mut response: reqwest::Response) -> Result<Answer, SinkError> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            let message = format!("it is longer than {MAX_ANSWER_BYTES} bytes");
            return Err(SinkError::Malformed { message });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// The innermost cause says what happened ("connection refused"); the outer ones repeat the URL.
fn unreachable(error: &reqwest::Error) -> SinkError {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let what = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        inner.to_string()
    };
    let address = error.url().map(|url| url.origin().ascii_serialization());
    let message = format!("{}: {what}", address.unwrap_or_default());
    SinkError::Unreachable { message }
}

fn no_address() -> SinkError {
    SinkError::Unreachable {
        message: "no usable address".to_owned(),
    }
}

impl Http {
    fn new(options: &AdminOptions, authorities: Option<Vec<u8>>) -> Result<Self, AdminError> {
        let client = http(options, authorities.as_deref())?;
        Ok(Self { client, authorities })
    }
}

fn read_authorities(options: &AdminOptions) -> Result<Option<Vec<u8>>, AdminError> {
    let path = options.ca_file.as_deref();
    path.map(|path| read_file(options, "ca_file", path)).transpose()
}

fn http(options: &AdminOptions, authorities: Option<&[u8]>) -> Result<reqwest::Client, AdminError> {
    let failed = |source| AdminError::Client {
        target: options.target.clone(),
        source,
    };
    // No proxy from the environment and no redirects: the API key goes to the configured addresses and nowhere else.
    let mut builder = reqwest::Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        // Both lanes write at the same time, and a probe beside them.
        .pool_max_idle_per_host(2 * options.connections + 1)
        // Half of the 60 s after which APISIX closes idle connections: a write must not meet one that is closing.
        .pool_idle_timeout(Duration::from_secs(30));
    if let Some(pem) = authorities {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(failed)?);
    }
    builder.build().map_err(failed)
}

fn address(options: &AdminOptions, text: &str) -> Result<Url, AdminError> {
    let url = Url::parse(text).ok().filter(|url| {
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        matches!(url.scheme(), "http" | "https") && bare
    });
    url.ok_or_else(|| AdminError::Address {
        target: options.target.clone(),
        address: text.to_owned(),
    })
}

fn read_key(options: &AdminOptions) -> Result<HeaderValue, AdminError> {
    let bytes = match &options.key {
        ApiKey::Value(key) => key.expose().as_bytes().to_vec(),
        ApiKey::File(path) => read_file(options, "key_file", path)?,
    };
    let key = HeaderValue::from_bytes(bytes.trim_ascii()).ok();
    let mut key = key
        .filter(|key| !key.is_empty())
        .ok_or_else(|| AdminError::Key(options.target.clone()))?;
    key.set_sensitive(true);
    Ok(key)
}

fn read_file(options: &AdminOptions, what: &'static str, path: &Path) -> Result<Vec<u8>, AdminError> {
    std::fs::read(path).map_err(|source| AdminError::File {
        target: options.target.clone(),
        what,
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use hubline::tls::Authority;

    use super::*;
    use crate::sink::TargetId;

    #[test]
    fn key_and_authorities_are_read_again_and_stay_when_they_cannot_be() {
        hubline::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let (ca_file, key_file) = (folder.path().join("ca.crt"), folder.path().join("key"));
        let [first, second] = ["first", "second"].map(|name| Authority::new(name).unwrap().certificate().to_owned());
        std::fs::write(&ca_file, &first).unwrap();
        std::fs::write(&key_file, "one").unwrap();
        let options = AdminOptions {
            ca_file: Some(ca_file.clone()),
            ..AdminOptions::standard(
                TargetId("t".into()),
                vec!["https://127.0.0.1:9180".to_owned()],
                ApiKey::File(key_file.clone()),
            )
        };
        let client = Client::new(&options).unwrap();
        let trusted = || client.http.load().authorities.clone().unwrap();
        let key = || client.key.load().to_str().unwrap().to_owned();
        assert_eq!((trusted(), key()), (first.into_bytes(), "one".to_owned()));
        std::fs::write(&ca_file, &second).unwrap();
        std::fs::write(&key_file, "two").unwrap();
        client.reload(&options);
        assert_eq!((trusted(), key()), (second.clone().into_bytes(), "two".to_owned()));
        std::fs::write(&ca_file, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
        std::fs::remove_file(&key_file).unwrap();
        client.reload(&options);
        assert_eq!((trusted(), key()), (second.into_bytes(), "two".to_owned()));
    }
}
