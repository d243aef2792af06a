//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler as a kubeadm cluster runs them, thinned to one
//! machine: no leader election, no fsync.

use std::fs;
use std::path::Path;

use super::Error;
use super::part::{Part, Place, Ready, Stop};
use super::pki::{Authority, Credential, Identity, kubeconfig};
use super::ports::Ports;
use super::state::WorldState;

/// What each event of the audit log says: who did what to which object, without bodies. Lock renewals of
/// Kubernetes' own components would drown everything else; the operator's own are kept.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: [\"/readyz*\", \"/livez*\", \"/healthz*\", \"/version*\", \"/openapi*\"]
- level: None
  users: [\"system:kube-controller-manager\", \"system:kube-scheduler\", \"system:apiserver\"]
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: None
  userGroups: [\"system:nodes\"]
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: Metadata
";

/// Where the control plane of a world listens and what it serves.
pub(super) struct Layout<'a> {
    /// Where its processes run.
    pub(super) place: Place,
    /// Its ports.
    pub(super) ports: &'a Ports,
    /// The address the API server is reached at.
    pub(super) address: &'a str,
    /// The first Service address.
    pub(super) service_ip: &'a str,
    /// The network of Service addresses.
    pub(super) service_subnet: &'a str,
    /// More addresses that clients may reach it at, for its certificate.
    pub(super) also: &'a [&'a str],
}

/// Issues the certificates and kubeconfigs of the control plane.
pub(super) fn identities(world: &WorldState, layout: &Layout<'_>) -> Result<Authority, Error> {
    let pki = world.run_dir.join("pki");
    let authority = Authority::found(&pki)?;
    let mut serves = vec![
        "127.0.0.1",
        "localhost",
        layout.address,
        layout.service_ip,
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    serves.extend(layout.also);
    serves.dedup();
    let loopback: &[&str] = &["127.0.0.1", "localhost"];
    for (file, user, group, serves) in [
        ("apiserver", "kube-apiserver", None, serves.as_slice()),
        (
            "apiserver-kubelet",
            "kube-apiserver-kubelet-client",
            Some("system:masters"),
            &[],
        ),
        ("admin", "admin", Some("system:masters"), &[]),
        (
            "controller-manager",
            "system:kube-controller-manager",
            None,
            loopback,
        ),
        ("scheduler", "system:kube-scheduler", None, loopback),
    ] {
        authority.issue(&Identity {
            file,
            user,
            group,
            serves,
        })?;
    }
    for name in ["admin", "controller-manager", "scheduler"] {
        let path = if name == "admin" {
            world.kubeconfig.clone()
        } else {
            component(world, name)
        };
        kubeconfig(
            &path,
            &pki,
            &world.apiserver_url,
            "default",
            &Credential::Certificate(name),
        )?;
    }
    let policy = world.run_dir.join("audit-policy.yaml");
    fs::write(&policy, AUDIT_POLICY).map_err(super::file(&policy))?;
    Ok(authority)
}

/// The kubeconfig of a component.
pub(super) fn component(world: &WorldState, name: &str) -> std::path::PathBuf {
    world.run_dir.join(format!("{name}.kubeconfig"))
}

/// The store.
pub(super) fn etcd(world: &WorldState, layout: &Layout<'_>) -> Part {
    let clients = format!("http://127.0.0.1:{}", layout.ports.etcd);
    let peers = format!("http://127.0.0.1:{}", layout.ports.etcd_peer);
    part(
        world,
        layout.place,
        "etcd",
        Ready::Logged("ready to serve client requests".into()),
        vec![
            format!("--data-dir={}", world.run_dir.join("etcd").display()),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
            "--unsafe-no-fsync".into(),
        ],
    )
}

/// The API server.
pub(super) fn apiserver(world: &WorldState, layout: &Layout<'_>) -> Part {
    let pki = |name: &str| world.run_dir.join("pki").join(name).display().to_string();
    let mut arguments = vec![
        format!("--etcd-servers=http://127.0.0.1:{}", layout.ports.etcd),
        format!("--secure-port={}", layout.ports.apiserver),
        format!("--advertise-address={}", layout.address),
        format!("--tls-cert-file={}", pki("apiserver.crt")),
        format!("--tls-private-key-file={}", pki("apiserver.key")),
        format!("--client-ca-file={}", pki("ca.crt")),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={}", pki("sa.pub")),
        format!("--service-account-signing-key-file={}", pki("sa.key")),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        format!("--service-cluster-ip-range={}", layout.service_subnet),
        format!("--kubelet-client-certificate={}", pki("apiserver-kubelet.crt")),
        format!("--kubelet-client-key={}", pki("apiserver-kubelet.key")),
        format!("--kubelet-certificate-authority={}", pki("ca.crt")),
        "--kubelet-preferred-address-types=InternalIP".into(),
        "--allow-privileged=true".into(),
        format!(
            "--audit-policy-file={}",
            world.run_dir.join("audit-policy.yaml").display()
        ),
        format!("--audit-log-path={}", world.audit_log.display()),
        "--audit-log-maxsize=500".into(),
        "--audit-log-maxbackup=1".into(),
    ];
    match layout.place {
        // In its own network namespace it listens for pods and for the host.
        Place::Founder | Place::Sandbox => arguments.push("--bind-address=0.0.0.0".into()),
        // A Service cannot have a loopback address behind it, so it gets none.
        Place::Host => {
            arguments.extend([
                "--bind-address=127.0.0.1".into(),
                "--endpoint-reconciler-type=none".into(),
            ]);
        }
    }
    part(
        world,
        layout.place,
        "kube-apiserver",
        health(world, &world.apiserver_url, "/readyz"),
        arguments,
    )
}

/// The controller manager; ready when it has made the first service account, without which no pod is admitted.
pub(super) fn controller_manager(world: &WorldState, layout: &Layout<'_>) -> Part {
    let pki = |name: &str| world.run_dir.join("pki").join(name).display().to_string();
    let ready = Ready::Answers(kubectl(
        world,
        &[
            "--request-timeout=2s",
            "get",
            "serviceaccount",
            "default",
            "--namespace=default",
        ],
    ));
    part(
        world,
        layout.place,
        "kube-controller-manager",
        ready,
        vec![
            format!(
                "--kubeconfig={}",
                component(world, "controller-manager").display()
            ),
            format!("--service-account-private-key-file={}", pki("sa.key")),
            format!("--root-ca-file={}", pki("ca.crt")),
            format!("--cluster-signing-cert-file={}", pki("ca.crt")),
            format!("--cluster-signing-key-file={}", pki("ca.key")),
            format!("--tls-cert-file={}", pki("controller-manager.crt")),
            format!("--tls-private-key-file={}", pki("controller-manager.key")),
            "--use-service-account-credentials=true".into(),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", layout.ports.controller_manager),
            "--leader-elect=false".into(),
            // The defaults are for clusters that have time.
            "--kube-api-qps=200".into(),
            "--kube-api-burst=400".into(),
        ],
    )
}

/// The scheduler.
pub(super) fn scheduler(world: &WorldState, layout: &Layout<'_>) -> Part {
    let pki = |name: &str| world.run_dir.join("pki").join(name).display().to_string();
    let url = format!("https://127.0.0.1:{}", layout.ports.scheduler);
    part(
        world,
        layout.place,
        "kube-scheduler",
        health(world, &url, "/readyz"),
        vec![
            format!("--kubeconfig={}", component(world, "scheduler").display()),
            format!("--tls-cert-file={}", pki("scheduler.crt")),
            format!("--tls-private-key-file={}", pki("scheduler.key")),
            "--bind-address=127.0.0.1".into(),
            format!("--secure-port={}", layout.ports.scheduler),
            "--leader-elect=false".into(),
            "--kube-api-qps=200".into(),
            "--kube-api-burst=400".into(),
        ],
    )
}

/// The line of a kubectl that speaks as the administrator.
pub(super) fn kubectl(world: &WorldState, arguments: &[&str]) -> Vec<String> {
    let mut line = vec![
        program(world, "kubectl"),
        format!("--kubeconfig={}", world.kubeconfig.display()),
    ];
    line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    line
}

fn health(world: &WorldState, url: &str, path: &str) -> Ready {
    Ready::Answers(kubectl(
        world,
        &[
            &format!("--server={url}"),
            "--request-timeout=2s",
            "get",
            "--raw",
            path,
        ],
    ))
}

/// A program of the world's own folder.
pub(super) fn program(world: &WorldState, name: &str) -> String {
    world.bin_dir.join(name).display().to_string()
}

/// A part that is a program of the world's own folder.
pub(super) fn part(
    world: &WorldState,
    place: Place,
    name: &str,
    ready: Ready,
    arguments: Vec<String>,
) -> Part {
    let mut command = vec![program(world, name)];
    command.extend(arguments);
    Part {
        name: name.into(),
        command,
        place,
        ready,
        stop: Stop::Terminate,
        log: log(&world.log_dir, name),
        process: None,
    }
}

/// Where a part's output goes.
pub(super) fn log(folder: &Path, name: &str) -> std::path::PathBuf {
    folder.join(format!("{name}.log"))
}
