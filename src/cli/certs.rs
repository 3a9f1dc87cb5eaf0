//! `hubline certs`: an authority in a directory, for people who have none.
//!
//! ```text
//! DIR/ca.crt, ca.key                  the authority; whoever has ca.key can speak for every cluster
//! DIR/hub/ca.crt, tls.crt, tls.key    for the hub
//! DIR/agents/NAME/ca.crt, ...         for the agent of cluster NAME
//! ```

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::CliError;
use crate::model::{ClusterId, SecretText};
use crate::tls::{Authority, Files, Issued};

/// What is in a file, by who may read it.
#[derive(Debug, Clone, Copy)]
enum Access {
    /// Certificates: everybody.
    Public,
    /// Keys: the owner.
    Private,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes a certificate authority (10 years) and the hub's certificate (1 year)
    Init(Init),
    /// Makes the certificate (1 year) by which an agent speaks for a cluster
    Agent(Agent),
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where the files are written
    #[arg(long, default_value = "certs")]
    dir: PathBuf,
    /// DNS names and IP addresses by which agents dial the hub
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "localhost,127.0.0.1",
        value_name = "NAME,..."
    )]
    hub_name: Vec<String>,
    /// Replaces files that are there; certificates of a replaced authority are worth nothing
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Agent {
    /// The cluster's name at the hub
    name: String,
    /// Where `certs init` wrote the authority
    #[arg(long, default_value = "certs")]
    dir: PathBuf,
    /// yaml prints a Kubernetes Secret instead of writing files
    #[arg(short, long, value_enum, default_value_t = AgentOutput::Files)]
    output: AgentOutput,
    /// Namespace of that Secret
    #[arg(short, long, default_value = "hubline")]
    namespace: String,
    /// Replaces files that are there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AgentOutput {
    /// Three files under DIR/agents/NAME
    Files,
    /// A Kubernetes Secret for `kubectl apply -f -`
    Yaml,
}

/// Runs one of the commands.
pub(super) fn run(command: &Command, output: &mut Vec<u8>) -> Result<(), CliError> {
    match command {
        Command::Init(arguments) => init(arguments, output),
        Command::Agent(arguments) => agent(arguments, output),
    }
}

fn init(arguments: &Init, output: &mut Vec<u8>) -> Result<(), CliError> {
    let authority = Authority::new("hubline")?;
    let hub = authority.issue_hub(&arguments.hub_name)?;
    let directory = arguments.dir.join("hub");
    let files = Files::in_directory(&directory);
    let key = authority.private_key();
    let own = [
        (arguments.dir.join("ca.crt"), authority.certificate(), Access::Public),
        (arguments.dir.join("ca.key"), key.expose(), Access::Private),
    ];
    let all: Vec<_> = own.into_iter().chain(bundle(&files, &authority, &hub)).collect();
    write_all(&all, arguments.force)?;
    let names = arguments.hub_name.join(", ");
    let text = format!(
        "certificate authority: {ca} (keep {key} safe: whoever has it can speak for every cluster)\n\
         hub, for {names}: {hub}\n\
         next: hubline certs agent NAME --dir {dir}, once for each cluster\n",
        ca = arguments.dir.join("ca.crt").display(),
        key = arguments.dir.join("ca.key").display(),
        hub = directory.display(),
        dir = arguments.dir.display(),
    );
    output.write_all(text.as_bytes()).map_err(CliError::Output)
}

fn agent(arguments: &Agent, output: &mut Vec<u8>) -> Result<(), CliError> {
    let cluster = ClusterId::new(&arguments.name)?;
    let authority = load(&arguments.dir)?;
    let issued = authority.issue_agent(&cluster)?;
    let text = match arguments.output {
        AgentOutput::Yaml => manifest(&arguments.namespace, &cluster, &authority, &issued),
        AgentOutput::Files => {
            let directory = arguments.dir.join("agents").join(cluster.as_str());
            let files = Files::in_directory(&directory);
            write_all(&bundle(&files, &authority, &issued), arguments.force)?;
            format!("agent of cluster {cluster}: {}\n", directory.display())
        }
    };
    output.write_all(text.as_bytes()).map_err(CliError::Output)
}

fn load(directory: &Path) -> Result<Authority, CliError> {
    let certificate = read(&directory.join("ca.crt"))?;
    let key = SecretText::new(read(&directory.join("ca.key"))?);
    Ok(Authority::load(&certificate, &key)?)
}

fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|source| CliError::File {
        path: path.to_owned(),
        source,
        advice: "\n  hubline certs init makes the authority; --dir names its directory".to_owned(),
    })
}

type File<'a> = (PathBuf, &'a str, Access);

/// The three files by which one side shows itself.
fn bundle<'a>(files: &Files, authority: &'a Authority, issued: &'a Issued) -> [File<'a>; 3] {
    [
        (files.ca.clone(), authority.certificate(), Access::Public),
        (files.certificate.clone(), &issued.chain, Access::Public),
        (files.key.clone(), issued.private_key.expose(), Access::Private),
    ]
}

/// Writes all, or, when one is there already and may not be replaced, none.
fn write_all(files: &[File<'_>], force: bool) -> Result<(), CliError> {
    for (path, _, _) in files {
        let there = path.try_exists().map_err(|source| failed(path, source))?;
        if there && !force {
            return Err(CliError::Exists(path.clone()));
        }
    }
    for (path, text, access) in files {
        write(path, text, *access).map_err(|source| failed(path, source))?;
    }
    Ok(())
}

/// Through a file beside it, so that a key is never readable by others and never half there.
fn write(path: &Path, text: &str, access: Access) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let beside = path.with_extension("new");
    if beside.try_exists()? {
        fs::remove_file(&beside)?;
    }
    let mode = match access {
        Access::Public => 0o644,
        Access::Private => 0o600,
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn failed(path: &Path, source: io::Error) -> CliError {
    CliError::File {
        path: path.to_owned(),
        source,
        advice: String::new(),
    }
}

/// The Secret that the agent's Deployment mounts. `Opaque`, since the agent watches Secrets of the type for TLS.
fn manifest(namespace: &str, cluster: &ClusterId, authority: &Authority, issued: &Issued) -> String {
    let block = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: hubline-agent-tls\n  namespace: {namespace}\n  labels:\n    \
         app.kubernetes.io/name: hubline-agent\n    hubline/cluster: {cluster}\ntype: Opaque\nstringData:\n  \
         ca.crt: |\n{ca}  tls.crt: |\n{certificate}  tls.key: |\n{key}",
        ca = block(authority.certificate()),
        certificate = block(&issued.chain),
        key = block(issued.private_key.expose()),
    )
}
