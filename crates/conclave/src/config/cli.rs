//! The command line and the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::check::Target;

use super::acme::{AcmeContact, AcmeDirectory, AcmeDomain};
use super::network::{IceUrl, Network, PublicAddress};
use super::values::{Bounded, Controller, Days, FrameAncestor, LogFilter, LogFormat, Origin, SharedSecret};

/// A private meeting system in one program.
#[derive(Debug, Parser)]
#[command(name = "conclave", version, about)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve meetings until stopped
    Serve(Box<Serve>),
    /// Test from here which ways to a server are open
    Check(Check),
}

#[derive(Debug, Args)]
#[command(after_help = "Run it where people are, not on the server. Exit code 0: everything works; 1: meetings work, \
but not by every way; 2: meetings do not work.")]
pub(super) struct Check {
    /// The server, as people open it
    #[arg(value_name = "URL")]
    pub url: Target,

    /// Take a certificate that browsers warn of, such as a self-signed one
    #[arg(long)]
    pub insecure: bool,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Options without defaults here: what is absent may still be in the file.
#[derive(Debug, Args)]
#[command(after_help = "Each option can also be set in the environment and in the file; \
the command line counts first, then the environment, then the file.")]
pub(super) struct Serve {
    /// TOML file with options; conclave.example.toml shows every one
    #[arg(long, env = "CONCLAVE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Address and port, for TCP and UDP [default: [::]:8443, or 0.0.0.0:8443 without IPv6]
    #[arg(long, env = "CONCLAVE_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,

    /// Folder for everything that is kept [default: conclave-data]
    #[arg(long, env = "CONCLAVE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// IP address under which clients reach this machine, with its port if that is another one from outside; may be given several times [default: those of its interfaces]
    #[arg(long, env = "CONCLAVE_PUBLIC_ADDRESS", value_name = "ADDR[:PORT]", value_delimiter = ',')]
    pub public_address: Option<Vec<PublicAddress>>,

    /// Address or network of a reverse proxy or load balancer whose word about clients counts; may be given several times [default: nobody's]
    #[arg(long, env = "CONCLAVE_TRUSTED_PROXY", value_name = "ADDR[/BITS]", value_delimiter = ',')]
    pub trusted_proxy: Option<Vec<Network>>,

    /// Connections from trusted proxies start with a PROXY protocol header, version 1 or 2 [default: false]
    #[arg(long, env = "CONCLAVE_PROXY_PROTOCOL", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub proxy_protocol: Option<bool>,

    /// Trusted proxies end TLS: their plain HTTP counts as encrypted where they say that it came by HTTPS [default: false]
    #[arg(long, env = "CONCLAVE_TLS_AT_PROXY", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tls_at_proxy: Option<bool>,

    /// Origin whose pages may open the WebSocket besides the program's own; may be given several times
    #[arg(long, env = "CONCLAVE_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allowed_origin: Option<Vec<Origin>>,

    /// Origin that may show the page in a frame, or 'self'; may be given several times [default: nobody]
    #[arg(long, env = "CONCLAVE_FRAME_ANCESTOR", value_name = "ORIGIN", value_delimiter = ',')]
    pub frame_ancestor: Option<Vec<FrameAncestor>>,

    /// PEM file with the certificate chain [default: a self-signed certificate is made]
    #[arg(long, env = "CONCLAVE_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// PEM file with the certificate's private key
    #[arg(long, env = "CONCLAVE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Name to get a certificate for by ACME, which means to agree to the authority's terms; may be given several times
    #[arg(long, env = "CONCLAVE_ACME_DOMAIN", value_name = "NAME", value_delimiter = ',')]
    pub acme_domain: Option<Vec<AcmeDomain>>,

    /// Mail address that the certificate authority may write to; may be given several times
    #[arg(long, env = "CONCLAVE_ACME_CONTACT", value_name = "ADDRESS", value_delimiter = ',')]
    pub acme_contact: Option<Vec<AcmeContact>>,

    /// Directory of the certificate authority [default: that of Let's Encrypt]
    #[arg(long, env = "CONCLAVE_ACME_DIRECTORY", value_name = "URL")]
    pub acme_directory: Option<AcmeDirectory>,

    /// PEM file with the root that the certificate authority's own server is trusted by [default: the usual ones]
    #[arg(long, env = "CONCLAVE_ACME_ROOT", value_name = "FILE")]
    pub acme_root: Option<PathBuf>,

    /// URL of a STUN or TURN server to use besides this program; may be given several times [default: none]
    #[arg(long, env = "CONCLAVE_ICE_SERVER", value_name = "URL", value_delimiter = ',')]
    pub ice_server: Option<Vec<IceUrl>>,

    /// Secret that those TURN servers share with this program (coturn: static-auth-secret); better in the file than here
    #[arg(long, env = "CONCLAVE_ICE_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub ice_secret: Option<SharedSecret>,

    /// Most that one relayed connection may carry in each direction, in Mbit/s, 1 to 1000 [default: 25]
    #[arg(long, env = "CONCLAVE_RELAY_BITRATE", value_name = "MBITS")]
    pub relay_bitrate: Option<Bounded<1, 1_000>>,

    /// Threads that carry media, each on a core of its own, 1 to 64 [default: as many as there are cores]
    #[arg(long, env = "CONCLAVE_MEDIA_THREADS", value_name = "NUMBER")]
    pub media_threads: Option<Bounded<1, 64>>,

    /// What decides how much each client is sent: conclave, gcc, nada or scream; in the file: qos.controller [default: conclave]
    #[arg(long, env = "CONCLAVE_QOS_CONTROLLER", value_name = "NAME")]
    pub qos_controller: Option<Controller>,

    /// Which log lines are written: error, warn, info, debug, trace or a filter [default: info]
    #[arg(long, env = "CONCLAVE_LOG", value_name = "LEVEL")]
    pub log: Option<LogFilter>,

    /// How log lines are written [default: text]
    #[arg(long, env = "CONCLAVE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Most TCP connections at once, 16 to 1000000 [default: 10000]
    #[arg(long, env = "CONCLAVE_MAX_CONNECTIONS", value_name = "NUMBER")]
    pub max_connections: Option<Bounded<16, 1_000_000>>,

    /// Most meetings at once, 1 to 100000 [default: 1000]
    #[arg(long, env = "CONCLAVE_MAX_ROOMS", value_name = "NUMBER")]
    pub max_rooms: Option<Bounded<1, 100_000>>,

    /// Most participants in a room of topology mesh, 2 to 16 [default: 4]
    #[arg(long, env = "CONCLAVE_MESH_LIMIT", value_name = "NUMBER")]
    pub mesh_limit: Option<Bounded<2, 16>>,

    /// How long a lost connection may take to come back, in seconds, 1 to 300 [default: 10]
    #[arg(long, env = "CONCLAVE_RESUME_GRACE", value_name = "SECONDS")]
    pub resume_grace: Option<Bounded<1, 300>>,

    /// Participants who have left that the administrator still sees for an hour, 0 to 100000 [default: 2000]
    #[arg(long, env = "CONCLAVE_REMEMBER_PARTICIPANTS", value_name = "NUMBER")]
    pub remember_participants: Option<Bounded<0, 100_000>>,

    /// Days after which a room that nobody entered is forgotten with its chat, 1 to 36500 [default: 90]
    #[arg(long, env = "CONCLAVE_FORGET_ROOMS_AFTER", value_name = "DAYS")]
    pub forget_rooms_after: Option<Days>,
}

/// The names of all options but `config`, as the file has them.
#[cfg(test)]
pub(super) fn option_names() -> Vec<String> {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").expect("serve is a subcommand");
    serve.get_arguments().filter_map(|arg| arg.get_long()).filter(|name| *name != "config").map(str::to_owned).collect()
}

/// clap names the option whose value is wrong, but not that it came from the environment.
pub(super) fn name_the_variable(error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(name) = argument.strip_prefix("--").and_then(|rest| rest.split([' ', '=']).next()) else { return error };
    let variable = format!("CONCLAVE_{}", name.to_uppercase().replace('-', "_"));
    let on_the_command_line =
        std::env::args_os().any(|arg| arg.to_str().is_some_and(|arg| arg.trim_start_matches('-').starts_with(name)));
    if on_the_command_line || std::env::var_os(&variable).is_none() {
        return error;
    }
    let said = error.to_string();
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    Cli::command().error(error.kind(), format!("in the environment variable {variable}: {}", said.trim_end()))
}

/// Variables that look like options but are none: a misspelt one would have no effect.
pub fn unknown_variables() -> Vec<String> {
    let command = Cli::command();
    let known: Vec<_> = command
        .find_subcommand("serve")
        .into_iter()
        .flat_map(|serve| serve.get_arguments())
        .filter_map(|arg| arg.get_env())
        .collect();
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| !known.contains(&name.as_os_str()))
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("CONCLAVE_"))
        .collect()
}
