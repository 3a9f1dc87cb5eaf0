//! How long an API server may say nothing before a call to it has failed.

use std::time::Duration;

use ::kube::Config;

/// See the fields. A call that fails is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until a connection is there.
    pub connect: Duration,
    /// Between two bytes of an answer, its first included.
    pub read: Duration,
    /// Between two bytes of a request.
    pub write: Duration,
}

impl Default for Timeouts {
    /// 10 s: three SYN retransmissions (1, 2 and 4 s by RFC 6298) are over by then.
    /// 75 s: a quiet watch says nothing until the API server ends it after the 60 s that it is asked for, and it gives up
    /// a request of its own after 60 s (`--request-timeout`); so whoever is silent for longer is gone.
    /// 30 s: nothing that is sent is larger than a Lease.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(75),
            write: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    /// The configuration of a client that has them. kube's own has none for answers.
    #[must_use]
    pub fn of(self, mut config: Config) -> Config {
        config.connect_timeout = Some(self.connect);
        config.read_timeout = Some(self.read);
        config.write_timeout = Some(self.write);
        config
    }
}

#[cfg(test)]
mod tests {
    use ::kube::{Api, Client};
    use k8s_openapi::api::core::v1::Service;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Takes every connection and reads what comes; answers nothing.
    async fn black_hole() -> Config {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move { while socket.read_u8().await.is_ok() {} });
            }
        });
        Config::new(url.parse().unwrap())
    }

    #[tokio::test]
    async fn an_api_server_that_says_nothing_does_not_hang_a_call() {
        hubline::tls::install_provider();
        let short = Timeouts {
            read: Duration::from_millis(100),
            ..Timeouts::default()
        };
        let client = Client::try_from(short.of(black_hole().await)).unwrap();
        let services: Api<Service> = Api::all(client.clone());
        let calls = async {
            services.list(&Default::default()).await.unwrap_err();
            services.get_opt("web").await.unwrap_err();
            client.apiserver_version().await.unwrap_err();
        };
        // Generous: it only bounds a test that fails.
        tokio::time::timeout(Duration::from_secs(20), calls).await.unwrap();
    }
}
