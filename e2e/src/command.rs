//! Runs other programs to their end and turns a failure into one readable error. It may not start anything that stays.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Where administrators' programs live; an ordinary user's PATH often lacks them.
const ADMIN_FOLDERS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// Why a program that was to run to its end did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program could not be started at all.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program's name or path.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The program ran and said no.
    #[error("`{command}` ended with {status}: {said}")]
    Failed {
        /// The command line.
        command: String,
        /// Exit status in words.
        status: String,
        /// The end of what it wrote to standard error, or to standard output if that is empty.
        said: String,
    },
}

/// The PATH every part and every command here runs with.
pub(crate) fn search_path() -> String {
    match std::env::var("PATH") {
        Ok(path) if !path.is_empty() => format!("{path}:{ADMIN_FOLDERS}"),
        _ => format!("/usr/local/bin:/usr/bin:/bin:{ADMIN_FOLDERS}"),
    }
}

/// The first executable file of that name on [`search_path`].
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    search_path()
        .split(':')
        .map(|folder| PathBuf::from(folder).join(program))
        .find(|path| {
            path.metadata()
                .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        })
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// [`Error::Start`] if there is no such program, [`Error::Failed`] if its exit status is not 0.
pub(crate) fn run<I, S>(program: &str, arguments: I) -> Result<String, Error>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    run_with_input(program, arguments, b"")
}

/// Like [`run`], with `input` on the command's standard input.
pub(crate) fn run_with_input<I, S>(program: &str, arguments: I, input: &[u8]) -> Result<String, Error>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", search_path());
    let output = output(&mut command, input)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failure(&command, &output))
}

fn output(command: &mut Command, input: &[u8]) -> Result<Output, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start = |source| Error::Start {
        program: program.clone(),
        source,
    };
    let stdin = if input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let writer = child.stdin.take().map(|mut stdin| {
        let input = input.to_vec();
        // A program that ends before it read everything has its own say in its exit status.
        std::thread::spawn(move || stdin.write_all(&input).ok())
    });
    let output = child.wait_with_output().map_err(start)?;
    if let Some(writer) = writer {
        writer.join().ok();
    }
    Ok(output)
}

fn failure(command: &Command, output: &Output) -> Error {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    if line.len() > 300 {
        line = line.chars().take(300).collect::<String>() + "…";
    }
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    let said = last_lines(&String::from_utf8_lossy(said), 12);
    Error::Failed {
        command: line,
        status: output.status.to_string(),
        said,
    }
}

/// The last `count` lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(count))
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_failed_command_tells_its_line_its_status_and_its_last_words() {
        let error = run("sh", ["-c", "echo no such thing >&2; exit 3"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("sh -c"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("no such thing"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run("leaseport-no-such-program", [""; 0]).unwrap_err().to_string();
        assert!(error.contains("leaseport-no-such-program"), "{error}");
    }

    #[test]
    fn more_input_than_a_pipe_holds_does_not_hang() {
        let input = vec![b'x'; 1 << 20];
        assert_eq!(run_with_input("wc", ["-c"], &input).unwrap().trim(), "1048576");
    }

    #[test]
    fn only_the_end_of_a_long_text_is_kept() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
    }
}
