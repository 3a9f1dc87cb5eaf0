//! What a client sees through the gateway, and what a person sees through the hub's API.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hubline_hub::config::ApiAddress;
use reqwest::header::HOST;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, System};
use crate::echo::Echo;

/// Between two looks at something that tells nobody when it changes.
const POLL: Duration = Duration::from_millis(20);

/// What the gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Name of the backend that answered; none when the gateway answered by itself.
    pub backend: Option<String>,
}

impl Answer {
    /// Whether this backend answered.
    #[must_use]
    pub fn is_from(&self, backend: &str) -> bool {
        self.status == 200 && self.backend.as_deref() == Some(backend)
    }
}

impl System {
    /// Asks the gateway for `http://HOST/PATH`.
    ///
    /// # Errors
    /// When the gateway itself cannot be reached.
    pub async fn get(&self, host: &str, path: &str) -> Result<Answer> {
        let url = format!("{}{path}", self.gateway);
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let response = client.get(url).header(HOST, host).send().await?;
        let status = response.status().as_u16();
        let backend = response.json::<Echo>().await.ok().map(|echo| echo.name);
        Ok(Answer { status, backend })
    }

    /// Asks the gateway for `http://HOST/` with a header; gives the status, and what the backend was asked if one was.
    ///
    /// # Errors
    /// When the gateway itself cannot be reached.
    pub async fn get_with(&self, host: &str, header: (&str, &str)) -> Result<(u16, Option<Echo>)> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let request = client.get(&self.gateway).header(HOST, host);
        let response = request.header(header.0, header.1).send().await?;
        let status = response.status().as_u16();
        Ok((status, response.json().await.ok()))
    }

    /// Waits until the gateway answers `http://HOST/` with a header as wanted.
    ///
    /// # Errors
    /// With the last status, when it does not in [`PATIENCE`].
    pub async fn until_gateway(&self, host: &str, header: (&str, &str), wanted: impl Fn(u16) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, _) = self.get_with(host, header).await?;
            if wanted(status) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("http://{host}/ still answers {status} after {PATIENCE:?}");
            }
            sleep(POLL).await;
        }
    }

    /// Waits until the gateway's answer for `http://HOST/PATH` is as wanted.
    ///
    /// # Errors
    /// With the last answer, when it is not so in [`PATIENCE`].
    pub async fn until_answer(&self, host: &str, path: &str, wanted: impl Fn(&Answer) -> bool) -> Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(host, path).await?;
            if wanted(&answer) {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                bail!("http://{host}{path} still answers {answer:?} after {PATIENCE:?}");
            }
            sleep(POLL).await;
        }
    }

    /// Waits until a backend answers for `http://HOST/PATH`.
    ///
    /// # Errors
    /// With the last answer, when it does not in [`PATIENCE`].
    pub async fn until_served(&self, host: &str, path: &str, backend: &str) -> Result<()> {
        self.until_answer(host, path, |answer| answer.is_from(backend))
            .await
            .map(drop)
    }

    /// Asks the hub's API.
    ///
    /// # Errors
    /// When it cannot be reached, or answers no JSON.
    pub async fn api(&self, path: &str) -> Result<Value> {
        let response = self.ask(path).await?;
        response.json().await.with_context(|| format!("{path} gave no JSON"))
    }

    /// Tells the hub's API something; gives the answer's status and body.
    ///
    /// # Errors
    /// When it cannot be reached, or answers no JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.client()?.post(format!("http://hub{path}")).json(body);
        let response = request.send().await?;
        let status = response.status().as_u16();
        let body = response.json().await;
        Ok((status, body.with_context(|| format!("{path} gave no JSON"))?))
    }

    async fn ask(&self, path: &str) -> Result<reqwest::Response> {
        Ok(self.client()?.get(format!("http://hub{path}")).send().await?)
    }

    fn client(&self) -> Result<reqwest::Client> {
        let ApiAddress::Unix(socket) = &self.config.listen.api else {
            bail!("the sandbox's hub has a unix socket")
        };
        let client = reqwest::Client::builder()
            .unix_socket(socket.as_path())
            .timeout(PATIENCE);
        Ok(client.build()?)
    }

    /// Waits until the hub's API answers as wanted, or is there at all.
    ///
    /// # Errors
    /// With the last answer, when it is not so in [`PATIENCE`].
    pub async fn until_api(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.api(path).await;
            match answer {
                Ok(answer) if wanted(&answer) => return Ok(answer),
                other if Instant::now() > deadline => {
                    bail!("the hub's {path} is not as wanted after {PATIENCE:?}: {other:#?}")
                }
                _ => sleep(POLL).await,
            }
        }
    }

    /// The hub's metrics, as Prometheus reads them.
    ///
    /// # Errors
    /// When the hub cannot be reached.
    pub async fn metrics(&self) -> Result<String> {
        Ok(self.ask("/metrics").await?.text().await?)
    }

    /// Waits until one of the hub's counters with this name, and this text in its labels, is above zero.
    ///
    /// # Errors
    /// With all metrics, when it is not so in [`PATIENCE`].
    pub async fn until_metric(&self, name: &str, label: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics().await?;
            let counted = |line: &str| {
                line.starts_with(name)
                    && line.contains(label)
                    && line.rsplit(' ').next().is_some_and(|value| value != "0")
            };
            if metrics.lines().any(counted) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("no {name} with {label} after {PATIENCE:?}: {metrics}");
            }
            sleep(POLL).await;
        }
    }
}
