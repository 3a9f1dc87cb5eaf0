//! What routes can look at in a request.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{COOKIE, HOST};

use crate::apisix::uri::{Query, normalized_path};

/// One request, as conditions see it.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// lower case, without port
    pub(crate) host: String,
    /// decoded and normalized
    pub(crate) path: String,
    pub(crate) method: &'a str,
    pub(crate) remote: IpAddr,
    pub(crate) scheme: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// path and query as sent
    pub(crate) request_uri: &'a str,
    query_text: &'a str,
    query: Query,
}

impl<'a> Facts<'a> {
    /// `host` is the authority as sent, with or without port.
    pub(crate) fn new(
        host: &str,
        request_uri: &'a str,
        method: &'a str,
        headers: &'a HeaderMap,
        remote: IpAddr,
        scheme: &'a str,
    ) -> Self {
        let (path, query_text) = request_uri.split_once('?').unwrap_or((request_uri, ""));
        Self {
            host: without_port(host).to_lowercase(),
            path: normalized_path(path),
            method,
            remote,
            scheme,
            headers,
            request_uri,
            query_text,
            query: Query::parse(query_text),
        }
    }

    /// The nginx variable of that name.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match name {
            "uri" => Some(self.path.clone()),
            "request_uri" => Some(self.request_uri.to_owned()),
            "host" => Some(self.host.clone()),
            "request_method" | "method" => Some(self.method.to_owned()),
            "remote_addr" => Some(self.remote.to_string()),
            "scheme" => Some(self.scheme.to_owned()),
            "query_string" | "args" => Some(self.query_text.to_owned()),
            _ => self.parameter(name),
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        if let Some(argument) = name.strip_prefix("arg_") {
            return self.query.get(argument).map(str::to_owned);
        }
        if let Some(header) = name.strip_prefix("http_") {
            let value = self.headers.get(header.replace('_', "-"))?;
            return value.to_str().ok().map(str::to_owned);
        }
        self.cookie(name.strip_prefix("cookie_")?)
    }

    fn cookie(&self, name: &str) -> Option<String> {
        let lines = self
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut pairs = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }
}

/// The authority that a request is for: HTTP/2 has it in the URI, HTTP/1 in the header.
pub(crate) fn authority<'a>(uri: &'a http::Uri, headers: &'a HeaderMap) -> &'a str {
    let header = || headers.get(HOST).and_then(|host| host.to_str().ok());
    uri.authority()
        .map(http::uri::Authority::as_str)
        .or_else(header)
        .unwrap_or_default()
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, _)) if authority.starts_with('[') && !host.ends_with(']') => authority,
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_taken_off() {
        let table = [
            ("a.b:80", "a.b"),
            ("a.b", "a.b"),
            ("[::1]", "[::1]"),
            ("[::1]:8", "[::1]"),
        ];
        for (given, wanted) in table {
            assert_eq!(without_port(given), wanted, "{given}");
        }
    }
}
