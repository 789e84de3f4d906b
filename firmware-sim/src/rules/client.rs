//! `softrouter rules`: asks a running router, and shows its answer.

use super::request::{Answer, REQUEST_MAX, Request};
use super::socket::{SYSTEM, default_path};
use super::table::table;
use clap::Subcommand;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a router may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer: as many rules as there may be.
const ANSWER_MAX: u64 = 4 << 30;

/// What the operator wants: the subcommands of `softrouter rules`.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// A request that needs nothing else.
    #[command(flatten)]
    Plain(Request),
    /// Write all rules to a file, or to standard output.
    Export {
        /// The file, which is replaced.
        file: Option<PathBuf>,
    },
    /// Install the rules of a file: none if any of them is no rule, else each that the router takes.
    Import {
        /// What `export` wrote, or docs/rules.md describes; - for standard input.
        file: PathBuf,
    },
}

/// Why a router was not asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is none.
    #[error(
        "no router answers at {paths}: {source}\n  remedy: start one, or name its socket with --socket; `softrouter lab` has one \
         only with --control"
    )]
    NoRouter {
        /// Where it was looked for.
        paths: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is one, of another user.
    #[error(
        "the router at {path}: {source}\n  remedy: run this as the user that runs the router, or as root (sudo)"
    )]
    Denied {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It went away, or says what nobody understands.
    #[error("the router at {path}: {source}\n  remedy: see whether it still runs, and is of this version")]
    Broken {
        /// Where.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}\n  remedy: {remedy}")]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
}

/// Asks the router at `socket`, or at the usual places; its answer, and what there is to print about it.
///
/// # Errors
/// See [`ClientError`].
pub fn ask(ask: &Ask, socket: Option<&Path>) -> Result<(Answer, String), ClientError> {
    let request = match ask {
        Ask::Plain(request) => request.clone(),
        Ask::Export { .. } => Request::Export,
        Ask::Import { file } => Request::Import { document: read(file)? },
    };
    let (stream, path) = connect(socket)?;
    let answer = exchange(stream, &request).map_err(|source| ClientError::Broken { path, source })?;
    let mut shown = words(ask, &answer);
    if let (Ask::Export { file: Some(path) }, Some(document)) = (ask, &answer.document) {
        write(path, document)?;
        shown = format!("{} rules written to {}\n", answer.places.unwrap_or_default(), path.display());
    }
    Ok((answer, shown))
}

fn read(path: &Path) -> Result<String, ClientError> {
    let remedy = "name a file that `softrouter rules export` wrote, with rules of less than 16 MiB, or - for standard input";
    let failed = |source| ClientError::File { path: path.to_owned(), source, remedy };
    let mut text = String::new();
    let from: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    from.take(REQUEST_MAX as u64).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// It names addresses of a network, so it is for its owner alone.
fn write(path: &Path, text: &str) -> Result<(), ClientError> {
    let remedy = "name a file in a folder that exists";
    let failed = |source| ClientError::File { path: path.to_owned(), source, remedy };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    // An older file may have been open to others. A device is not ours to close.
    if file.metadata().map_err(failed)?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    }
    file.write_all(text.as_bytes()).map_err(failed)
}

/// A connection to a router, and where that is.
fn connect(socket: Option<&Path>) -> Result<(Socket, PathBuf), ClientError> {
    let mut paths = vec![socket.map_or_else(default_path, Path::to_owned)];
    if socket.is_none() && paths[0] != Path::new(SYSTEM) {
        paths.push(SYSTEM.into());
    }
    let mut first = None;
    for path in &paths {
        match connect_at(path) {
            Ok(connected) => return Ok((connected, path.clone())),
            // It is there, wherever else none is.
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(ClientError::Denied { path: path.clone(), source });
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let source = first.unwrap_or_else(|| io::ErrorKind::NotFound.into());
    Err(ClientError::NoRouter { paths: paths.join(" or "), source })
}

fn connect_at(path: &Path) -> io::Result<Socket> {
    let address = SockAddr::unix(path)?;
    let deadline = Instant::now() + PATIENCE;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    loop {
        match socket.connect(&address) {
            // So many clients wait that there is no room for one more.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => {
                result?;
                socket.set_nonblocking(false)?;
                return Ok(socket);
            }
        }
    }
}

fn exchange(mut stream: Socket, request: &Request) -> io::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    // A router that refuses a client says why, and reads nothing.
    let sent = stream.write_all(&line);
    let mut answer = Vec::new();
    BufReader::new(stream).take(ANSWER_MAX).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        sent?;
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"));
    }
    Ok(serde_json::from_slice(&answer)?)
}

/// What there is to say about an answer.
fn words(ask: &Ask, answer: &Answer) -> String {
    // Whose fault it is, if the router was given a file.
    let file = match ask {
        Ask::Import { file } => format!("{}: ", file.display()),
        Ask::Plain(_) | Ask::Export { .. } => String::new(),
    };
    if let Some(error) = &answer.error {
        return format!("{file}{error}\n");
    }
    let mut text = String::new();
    if let Some(imported) = &answer.imported {
        let (installed, expired, refused) =
            (imported.installed.len(), imported.expired.len(), imported.refused.len());
        let there = imported.there_already.len();
        // Writing to a string cannot fail.
        let _ = write!(text, "{installed} rules installed, {expired} expired, {refused} refused");
        let _ = if there == 0 { writeln!(text) } else { writeln!(text, ", {there} there already") };
        for refused in &imported.refused {
            let _ = writeln!(text, "{file}{refused}");
        }
        return text;
    }
    let rules = answer.rules.as_deref().unwrap_or_default();
    match ask {
        Ask::Plain(Request::List) => {
            let places = answer.places.unwrap_or_default();
            match rules {
                [] => format!("no rules; there is room for {places}\n"),
                rules => format!("{}{} of {places} rules\n", table(rules, answer.unix_s), rules.len()),
            }
        }
        Ask::Plain(Request::Show { .. }) => {
            rules.iter().filter_map(|rule| serde_json::to_string_pretty(rule).ok()).collect::<String>() + "\n"
        }
        Ask::Plain(Request::Explain { .. }) => answer.text.clone().unwrap_or_default() + "\n",
        Ask::Plain(Request::Pin { id }) => format!("rule {id} is pinned: it stays until it is revoked\n"),
        Ask::Plain(Request::Unpin { id }) => {
            let left = rules.first().and_then(|rule| rule.status.as_ref()).map(|status| status.expires_in_s);
            format!("rule {id} is not pinned: it ends in {}\n", left.unwrap_or_default())
        }
        Ask::Plain(Request::Revoke { id }) => format!("rule {id} is revoked\n"),
        Ask::Plain(Request::Flush) => {
            format!("{} rules flushed; pinned ones stay\n", answer.flushed.unwrap_or_default())
        }
        Ask::Export { .. } | Ask::Plain(Request::Export) => answer.document.clone().unwrap_or_default(),
        Ask::Import { .. } | Ask::Plain(Request::Import { .. }) => text,
    }
}
