//! What happens to paths, as it happens: reads the hub's events, and goes on after a break where it stopped.

mod describe;
mod frames;

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use reqwest::Response;
use serde_json::Value;

use super::client::{self, HubAddress, Request};
use super::{CliError, HubArguments, Output, say};
use frames::{Frame, Frames};

const EXAMPLES: &str = "\
Examples:
  hubline events                    the last events
  hubline events --follow           and those that come, until Ctrl-C
  hubline events --follow -o json   one JSON object a line";

/// Waits before the hub is asked again, the first and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Go on with what comes, also over a restart of the hub
    #[arg(short, long)]
    follow: bool,
    /// At most so many of those that were
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
    last: u32,
    #[command(flatten)]
    hub: HubArguments,
}

/// Prints events; with `--follow` it ends when its reader leaves, or the hub refuses.
pub(super) async fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), CliError> {
    let HubArguments { hub, output } = &arguments.hub;
    let mut reader = Reader {
        hub,
        output: *output,
        id: None,
        wait: WAITS[0],
        out,
    };
    let opened = reader.open(arguments).await?;
    let mut ended = reader.read(opened).await?;
    if !arguments.follow {
        return Ok(());
    }
    loop {
        say(&format!("hub at {hub}: {ended}; asking again"));
        ended = reader.again(arguments).await?;
    }
}

struct Reader<'a, W> {
    hub: &'a HubAddress,
    output: Output,
    /// Of the last event.
    id: Option<String>,
    wait: Duration,
    out: &'a mut W,
}

impl<W: Write> Reader<'_, W> {
    async fn open(&self, arguments: &Arguments) -> Result<Response, CliError> {
        let mut request = Request::get("/v1/events");
        request.parameters.push(("follow", arguments.follow.to_string()));
        match &self.id {
            Some(id) => request.parameters.push(("after", id.clone())),
            None if arguments.last > 0 => request.parameters.push(("last", arguments.last.to_string())),
            None => {}
        }
        client::stream(self.hub, &request).await
    }

    /// Until the hub answers again, and then until that ends, too.
    async fn again(&mut self, arguments: &Arguments) -> Result<String, CliError> {
        loop {
            tokio::time::sleep(self.wait).await;
            self.wait = (self.wait * 2).min(WAITS[1]);
            match self.open(arguments).await {
                Ok(response) => return self.read(response).await,
                // It stops, or starts: neither lasts.
                Err(CliError::Unreachable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Why it ended.
    async fn read(&mut self, mut response: Response) -> Result<String, CliError> {
        let mut frames = Frames::default();
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    self.wait = WAITS[0];
                    for frame in frames.push(&bytes) {
                        self.take(frame).map_err(CliError::Output)?;
                    }
                }
                Ok(None) => return Ok("the events ended".to_owned()),
                Err(error) => return Ok(client::reason(&error)),
            }
        }
    }

    fn take(&mut self, frame: Frame) -> io::Result<()> {
        if let Some(id) = frame.id {
            self.id = Some(id);
        }
        if frame.data.is_empty() {
            return Ok(());
        }
        if self.output == Output::Json {
            writeln!(self.out, "{}", frame.data)?;
        } else {
            let record: Value = serde_json::from_str(&frame.data).unwrap_or(Value::Null);
            writeln!(self.out, "{}", describe::line(&frame.event, &record))?;
        }
        self.out.flush()
    }
}
