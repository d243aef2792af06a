//! Packs files into a container image without a daemon: the `docker save` archive, which `ctr images import` reads.
//! (<https://github.com/moby/moby/blob/master/image/spec/spec.md>, "Combined Image JSON + Filesystem Changeset Format")

use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest as _, Sha256};

/// One entry of an image's only layer.
#[derive(Clone, Debug)]
pub enum Entry {
    /// An executable file, mode 0755.
    Program {
        /// The file on this machine.
        from: PathBuf,
        /// Its absolute path in the image.
        at: String,
    },
    /// A symbolic link.
    Link {
        /// What it points to.
        to: String,
        /// Its absolute path in the image.
        at: String,
    },
    /// A folder with this mode.
    Folder {
        /// Its absolute path in the image.
        at: String,
        /// Permission bits.
        mode: u32,
    },
    /// A small text file, mode 0644.
    Text {
        /// Its absolute path in the image.
        at: String,
        /// What it says.
        content: String,
    },
}

/// An image to be packed.
#[derive(Clone, Debug)]
pub struct Image {
    /// Names with tags, such as `docker.io/library/busybox:1.36`; all of them name the same image.
    pub names: Vec<String>,
    /// What runs when a pod names no command.
    pub command: Vec<String>,
    /// What is in it, folders before what lies in them.
    pub entries: Vec<Entry>,
}

impl Image {
    /// Writes the archive. The same input gives the same bytes, and so the same image id.
    ///
    /// # Errors
    /// If a program cannot be read or the archive cannot be written.
    pub fn write(&self, archive: &Path) -> io::Result<()> {
        let layer = self.layer()?;
        let layer_digest = hex(&layer);
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": { "Cmd": self.command, "Env": ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"] },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
            "history": [{ "created": "2026-01-01T00:00:00Z", "created_by": "leaseport-world" }],
        })
        .to_string();
        let config_name = format!("{}.json", hex(config.as_bytes()));
        let layer_name = format!("{layer_digest}/layer.tar");
        let manifest =
            json!([{ "Config": config_name, "RepoTags": self.names, "Layers": [layer_name] }]).to_string();

        let mut outer = tar::Builder::new(io::BufWriter::new(std::fs::File::create(archive)?));
        append(&mut outer, &layer_name, 0o644, &layer)?;
        append(&mut outer, &config_name, 0o644, config.as_bytes())?;
        append(&mut outer, "manifest.json", 0o644, manifest.as_bytes())?;
        io::Write::flush(&mut outer.into_inner()?)
    }

    fn layer(&self) -> io::Result<Vec<u8>> {
        let mut layer = tar::Builder::new(Vec::new());
        for entry in &self.entries {
            match entry {
                Entry::Program { from, at } => {
                    let content = std::fs::read(from).map_err(|error| {
                        io::Error::new(error.kind(), format!("{}: {error}", from.display()))
                    })?;
                    append(&mut layer, inside(at), 0o755, &content)?;
                }
                Entry::Text { at, content } => append(&mut layer, inside(at), 0o644, content.as_bytes())?,
                Entry::Link { to, at } => {
                    let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                    layer.append_link(&mut header, inside(at), to)?;
                }
                Entry::Folder { at, mode } => {
                    let mut header = header(tar::EntryType::Directory, *mode, 0);
                    layer.append_data(&mut header, format!("{}/", inside(at)), io::empty())?;
                }
            }
        }
        layer.into_inner()
    }
}

/// The image of a small Linux: busybox with its applets, users root and nobody, a world-writable /tmp.
#[must_use]
pub fn busybox(program: &Path, applets: &[String]) -> Image {
    let mut entries = vec![
        folder("/bin", 0o755),
        folder("/etc", 0o755),
        folder("/tmp", 0o1777),
        folder("/root", 0o700),
        Entry::Text {
            at: "/etc/passwd".into(),
            content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n".into(),
        },
        Entry::Text {
            at: "/etc/group".into(),
            content: "root:x:0:\nnobody:x:65534:\n".into(),
        },
        Entry::Program {
            from: program.to_owned(),
            at: "/bin/busybox".into(),
        },
    ];
    entries.extend(
        applets
            .iter()
            .filter(|applet| applet.as_str() != "busybox")
            .map(|applet| Entry::Link {
                to: "/bin/busybox".into(),
                at: format!("/bin/{applet}"),
            }),
    );
    Image {
        names: vec![
            "docker.io/library/busybox:1.36".into(),
            "docker.io/local/busybox:1".into(),
        ],
        command: vec!["sh".into()],
        entries,
    }
}

/// The image every pod's sandbox runs.
#[must_use]
pub fn pause(program: &Path) -> Image {
    Image {
        names: vec![PAUSE.into()],
        command: vec!["/pause".into()],
        entries: vec![Entry::Program {
            from: program.to_owned(),
            at: "/pause".into(),
        }],
    }
}

/// The name under which [`pause`] is known to containerd.
pub const PAUSE: &str = "docker.io/local/pause:1";

fn folder(at: &str, mode: u32) -> Entry {
    Entry::Folder { at: at.into(), mode }
}

fn inside(at: &str) -> &str {
    at.trim_start_matches('/')
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn append<W: io::Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let size = u64::try_from(content.len()).map_err(io::Error::other)?;
    archive.append_data(&mut header(tar::EntryType::Regular, mode, size), name, content)
}

pub(crate) fn hex(content: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(content)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").ok();
            text
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;

    fn unpack(archive: &[u8]) -> BTreeMap<String, (tar::EntryType, u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let kind = entry.header().entry_type();
            let mode = entry.header().mode().unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if let Some(link) = entry.link_name().unwrap() {
                content = link.to_string_lossy().into_owned().into_bytes();
            }
            found.insert(name, (kind, mode, content));
        }
        found
    }

    fn packed(image: &Image) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        image.write(&path).unwrap();
        std::fs::read(path).unwrap()
    }

    fn sample(program: &Path) -> Image {
        std::fs::write(program, b"#!program").unwrap();
        busybox(program, &["busybox".into(), "sh".into(), "sleep".into()])
    }

    #[test]
    fn the_manifest_names_a_config_and_a_layer_by_their_own_digests() {
        let folder = tempfile::tempdir().unwrap();
        let outer = unpack(&packed(&sample(&folder.path().join("busybox"))));
        let manifest: serde_json::Value = serde_json::from_slice(&outer["manifest.json"].2).unwrap();
        let config_name = manifest[0]["Config"].as_str().unwrap();
        let layer_name = manifest[0]["Layers"][0].as_str().unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], "docker.io/library/busybox:1.36");
        assert_eq!(config_name, format!("{}.json", hex(&outer[config_name].2)));
        let digest = hex(&outer[layer_name].2);
        assert_eq!(layer_name, format!("{digest}/layer.tar"));
        let config: serde_json::Value = serde_json::from_slice(&outer[config_name].2).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{digest}"));
    }

    #[test]
    fn applets_are_links_to_one_executable() {
        let folder = tempfile::tempdir().unwrap();
        let outer = unpack(&packed(&sample(&folder.path().join("busybox"))));
        let layer = outer
            .iter()
            .find(|(name, _)| name.ends_with("layer.tar"))
            .unwrap();
        let inner = unpack(&layer.1.2);
        assert_eq!(inner["bin/busybox"].1, 0o755);
        assert_eq!(inner["bin/sh"].0, tar::EntryType::Symlink);
        assert_eq!(inner["bin/sh"].2, b"/bin/busybox");
        assert_eq!(inner["tmp/"].1, 0o1777);
    }

    #[test]
    fn packing_twice_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let image = sample(&folder.path().join("busybox"));
        assert_eq!(packed(&image), packed(&image));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = pause(Path::new("/no/such/pause"))
            .write(Path::new("/dev/null"))
            .unwrap_err();
        assert!(error.to_string().contains("/no/such/pause"), "{error}");
    }
}
