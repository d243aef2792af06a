//! Every field of a manifest against its bounds, the first that is outside is the answer, with its path, what it holds and what to write. It
//! shortens what it repeats: the text is a stranger's. What the order's needs allow is not asked here.

use std::{collections::BTreeSet, fmt};

use super::{Container, MAX_CONTAINERS, MAX_ENTRIES, MAX_TEXT, Manifest, ManifestError, Probe};
use crate::core::documents::{canonical::Document, names, needs::MAX_REPLICAS};

impl Manifest {
    /// Checks every field against its bounds.
    ///
    /// # Errors
    /// The first field out of its bounds.
    pub fn validate(&self) -> Result<(), ManifestError> {
        if self.version != Self::VERSION {
            return refuse("version", self.version, "write 1");
        }
        if !is_salt(&self.salt) {
            return refuse(
                "salt",
                format_args!("{} characters", self.salt.chars().count()),
                "write 0x and 64 lower-case hexadecimal digits from a random source",
            );
        }
        if !(1..=MAX_REPLICAS).contains(&self.replicas) {
            return refuse("replicas", self.replicas, "run 1 to 1024 replicas");
        }
        if !(1..=MAX_CONTAINERS).contains(&self.containers.len()) {
            return refuse(
                "containers",
                format_args!("{} entries", self.containers.len()),
                "write 1 to 16 containers",
            );
        }
        let (mut containers, mut port_names, mut ports) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (index, container) in self.containers.iter().enumerate() {
            let at = format!("containers[{index}]");
            container.validate(&at)?;
            if !containers.insert(&container.name) {
                return refuse(
                    format!("{at}.name"),
                    quoted(&container.name),
                    "give each container its own name",
                );
            }
            // One pod has one network namespace: names and numbers must differ across its containers.
            for port in &container.ports {
                if !port_names.insert(&port.name) {
                    return refuse(
                        format!("{at}.ports"),
                        quoted(&port.name),
                        "give each port its own name",
                    );
                }
                if !ports.insert((port.port, port.protocol)) {
                    return refuse(
                        format!("{at}.ports"),
                        port.port,
                        "let each port be listened on by one container",
                    );
                }
            }
        }
        Ok(())
    }
}

impl Container {
    fn validate(&self, at: &str) -> Result<(), ManifestError> {
        if !names::is_dns_label(&self.name) {
            return refuse(
                format!("{at}.name"),
                quoted(&self.name),
                "write a label of RFC 1123: a-z, 0-9, '-', at most 63, letter or digit at both ends",
            );
        }
        if !names::is_image(&self.image) {
            return refuse(
                format!("{at}.image"),
                quoted(&self.image),
                "write [host[:port]/]path[:tag][@sha256:digest], the path in lower case",
            );
        }
        texts(&format!("{at}.command"), &self.command)?;
        texts(&format!("{at}.args"), &self.args)?;
        self.validate_env(at)?;
        if !(1..=1_000_000).contains(&self.cpu_milli) {
            return refuse(
                format!("{at}.cpuMilli"),
                self.cpu_milli,
                "give it 1 to 1000000 thousandths of a core",
            );
        }
        if !(1..=(1 << 30)).contains(&self.memory_mib) {
            return refuse(
                format!("{at}.memoryMiB"),
                self.memory_mib,
                "give it 1 MiB to 1 PiB, in MiB",
            );
        }
        if !(1..=(1 << 30)).contains(&self.storage_mib) {
            return refuse(
                format!("{at}.storageMiB"),
                self.storage_mib,
                "give it 1 MiB to 1 PiB, in MiB",
            );
        }
        if self.gpus > 64 {
            return refuse(format!("{at}.gpus"), self.gpus, "give it at most 64 devices");
        }
        entries(&format!("{at}.ports"), self.ports.len())?;
        for port in &self.ports {
            if !names::is_port_name(&port.name) {
                return refuse(
                    format!("{at}.ports.name"),
                    quoted(&port.name),
                    "write at most 15 of a-z, 0-9 and '-', with a letter in it",
                );
            }
            if port.port == 0 {
                return refuse(format!("{at}.ports.port"), 0, "write 1 to 65535");
            }
        }
        match &self.readiness {
            Some(probe) => probe.validate(&format!("{at}.readiness")),
            None => Ok(()),
        }
    }

    fn validate_env(&self, at: &str) -> Result<(), ManifestError> {
        entries(&format!("{at}.env"), self.env.len())?;
        let mut seen = BTreeSet::new();
        for (index, variable) in self.env.iter().enumerate() {
            let field = format!("{at}.env[{index}]");
            if !names::is_variable(&variable.name) {
                return refuse(
                    format!("{field}.name"),
                    quoted(&variable.name),
                    "write letters, digits and '_', not a digit first, at most 256",
                );
            }
            if variable.name.starts_with("NVIDIA_") {
                return Err(ManifestError::NvidiaVariable {
                    field,
                    name: variable.name.chars().take(80).collect(),
                });
            }
            if !seen.insert(&variable.name) {
                return refuse(
                    format!("{field}.name"),
                    quoted(&variable.name),
                    "set each variable once",
                );
            }
            match (&variable.value, &variable.secret) {
                (Some(value), None) => text(&format!("{field}.value"), value)?,
                (None, Some(secret)) if names::is_label_value(secret) => {}
                (None, Some(secret)) => {
                    return refuse(
                        format!("{field}.secret"),
                        quoted(secret),
                        "name the secret value by letters, digits, '-', '_', '.', at most 63",
                    );
                }
                (Some(_), Some(_)) | (None, None) => {
                    return refuse(
                        field,
                        quoted(&variable.name),
                        "give it either a value or the name of a secret",
                    );
                }
            }
        }
        Ok(())
    }
}

impl Probe {
    fn validate(&self, at: &str) -> Result<(), ManifestError> {
        let (port, period) = match self {
            Self::Http {
                path,
                port,
                period_seconds,
            } => {
                let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
                if !path.starts_with('/') || !plain || path.len() > 1024 {
                    return refuse(
                        format!("{at}.http.path"),
                        quoted(path),
                        "begin with '/', no spaces, at most 1024",
                    );
                }
                (Some(*port), *period_seconds)
            }
            Self::Tcp { port, period_seconds } => (Some(*port), *period_seconds),
            Self::Exec {
                command,
                period_seconds,
            } => {
                texts(&format!("{at}.exec.command"), command)?;
                if command.is_empty() {
                    return refuse(format!("{at}.exec.command"), "empty", "name the program to run");
                }
                (None, *period_seconds)
            }
        };
        if port == Some(0) {
            return refuse(format!("{at}.port"), 0, "write 1 to 65535");
        }
        if !(1..=3600).contains(&period) {
            return refuse(format!("{at}.periodSeconds"), period, "write 1 to 3600 seconds");
        }
        Ok(())
    }
}

fn refuse<T>(
    field: impl Into<String>,
    value: impl fmt::Display,
    remedy: &'static str,
) -> Result<T, ManifestError> {
    Err(ManifestError::Field {
        field: field.into(),
        value: value.to_string(),
        remedy,
    })
}

/// A stranger's text as it may stand in a message: short, and with control characters escaped.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    format!("{short:?}")
}

fn entries(field: &str, count: usize) -> Result<(), ManifestError> {
    if count > MAX_ENTRIES {
        return refuse(field, format_args!("{count} entries"), "write at most 256");
    }
    Ok(())
}

fn texts(field: &str, list: &[String]) -> Result<(), ManifestError> {
    entries(field, list.len())?;
    list.iter().try_for_each(|entry| text(field, entry))
}

fn text(field: &str, value: &str) -> Result<(), ManifestError> {
    if value.len() > MAX_TEXT {
        return refuse(
            field,
            format_args!("{} bytes long", value.len()),
            "write at most 16384 bytes",
        );
    }
    if value.contains('\0') {
        return refuse(
            field,
            "a text with a NUL",
            "remove the NUL: no program can receive it",
        );
    }
    Ok(())
}

fn is_salt(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}
