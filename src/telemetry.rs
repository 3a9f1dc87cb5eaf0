//! Logs and metrics, the same in agent and hub.
//!
//! Logs go to stderr. What is secret never reaches a log, since its types cannot be printed
//! ([`SecretText`](crate::model::SecretText)): nothing is filtered here.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The content type of [`Metrics::encode`].
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is logged and how; the key `logging` of agent and hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logging {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`), or levels per module as `info,hubline_hub::sink=debug`.
    #[serde(default = "Logging::default_level")]
    pub level: String,
    /// The form of a line.
    #[serde(default)]
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The levels are wrong.
    #[error(
        "logging.level {level:?} is not allowed: {source}; allowed: error, warn, info, debug, trace, also per module as \"info,hubline_hub=debug\""
    )]
    Level {
        /// As configured.
        level: String,
        /// The parser's words.
        source: ParseError,
    },
    /// Something in this process logs already.
    #[error("logging was started before")]
    Started,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            level: Self::default_level(),
            format: LogFormat::default(),
        }
    }
}

impl Logging {
    fn default_level() -> String {
        "info".to_owned()
    }

    /// Checks the levels.
    ///
    /// # Errors
    /// [`TelemetryError::Level`] says what is allowed.
    pub fn check(&self) -> Result<(), TelemetryError> {
        self.filter().map(drop)
    }

    /// Starts logging for the whole process.
    ///
    /// # Errors
    /// [`TelemetryError`] when the levels are wrong or something logs already.
    pub fn start(&self) -> Result<(), TelemetryError> {
        let lines = tracing_subscriber::fmt()
            .with_env_filter(self.filter()?)
            // Colours are for a person's terminal; a file or the journal would keep the bare escapes.
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        let started = match self.format {
            LogFormat::Text => lines.try_init(),
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
        };
        started.map_err(|_| TelemetryError::Started)
    }

    fn filter(&self) -> Result<EnvFilter, TelemetryError> {
        EnvFilter::builder()
            .parse(&self.level)
            .map_err(|source| TelemetryError::Level {
                level: self.level.clone(),
                source,
            })
    }
}

/// The process's metrics. Parts register theirs once at the start and keep what they count with;
/// cloning shares.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl fmt::Debug for Metrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Lets a part register its metrics, named `hubline_<part>_<name>_<unit>`.
    pub fn register<T>(&self, part: impl FnOnce(&mut Registry) -> T) -> T {
        part(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All metrics in the OpenMetrics text form, which Prometheus reads.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` fails only when a metric's own encoding does; what was written before stays readable.
        if encode(&mut text, &self.0.lock().unwrap_or_else(PoisonError::into_inner)).is_err() {
            tracing::error!("a metric could not be encoded");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;

    #[test]
    fn metrics_are_shared_and_encoded() {
        let metrics = Metrics::default();
        let counter = metrics.register(|registry| {
            let counter: Counter = Counter::default();
            registry.register("hubline_test_calls", "Calls", counter.clone());
            counter
        });
        counter.inc();
        let text = metrics.clone().encode();
        assert!(text.contains("hubline_test_calls_total 1"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn wrong_levels_say_what_is_allowed() {
        for level in ["info", "debug", "warn,hubline::tls=trace", "off"] {
            let logging = Logging {
                level: level.to_owned(),
                ..Logging::default()
            };
            logging.check().unwrap();
        }
        let logging = Logging {
            level: "hubline=loud".to_owned(),
            ..Logging::default()
        };
        let error = logging.check().unwrap_err().to_string();
        assert!(
            error.contains("logging.level \"hubline=loud\"") && error.contains("allowed: error"),
            "{error}"
        );
    }
}
