//! A small client of the Admin API, for tests that write as someone else.

use anyhow::Context;
use reqwest::Method;
use serde_json::Value;

/// Calls the Admin API over real HTTP.
#[derive(Clone, Debug)]
pub struct AdminClient {
    url: String,
    key: String,
    http: reqwest::Client,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminResponse {
    /// HTTP status
    pub status: u16,
    /// body as received
    pub body: String,
}

impl AdminResponse {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

impl AdminClient {
    /// A client of the Admin API at `url`, such as `http://127.0.0.1:9180`.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().context("http client")?;
        Ok(Self {
            url: url.to_owned(),
            key: key.to_owned(),
            http,
        })
    }

    /// Any call; `path` is what follows `/apisix/admin/`, such as `routes/1`.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<AdminResponse> {
        let url = format!("{}/apisix/admin/{path}", self.url);
        let mut request = self.http.request(method, url).header("X-API-KEY", &self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("calling {path}"))?;
        let status = response.status().as_u16();
        Ok(AdminResponse {
            status,
            body: response.text().await.context("reading the answer")?,
        })
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<AdminResponse> {
        self.call(Method::GET, path, None).await
    }

    /// Writes an object and insists that it was accepted.
    ///
    /// # Errors
    /// If there is no answer, or another one than 200 or 201.
    pub async fn put(&self, path: &str, value: &Value) -> anyhow::Result<AdminResponse> {
        let response = self.call(Method::PUT, path, Some(value)).await?;
        anyhow::ensure!(response.status < 300, "putting {path}: {}", response.body);
        Ok(response)
    }

    /// Deletes an object and insists that it was there.
    ///
    /// # Errors
    /// If there is no answer, or another one than 200.
    pub async fn delete(&self, path: &str) -> anyhow::Result<AdminResponse> {
        let response = self.call(Method::DELETE, path, None).await?;
        anyhow::ensure!(response.status == 200, "deleting {path}: {}", response.body);
        Ok(response)
    }
}
