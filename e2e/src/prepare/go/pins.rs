//! What is built from Go's module proxy and what pins it: releases of Kubernetes, modules with their go.mod and go.sum, programs. Builds nothing.

use crate::prepare::{Error, Need};

/// A module of pinned requirements.
pub(in crate::prepare) struct Module {
    pub(in crate::prepare) name: &'static str,
    pub(in crate::prepare) files: &'static [(&'static str, &'static str)],
}

/// A Kubernetes that the world can be made of.
pub(super) struct Release {
    /// Its version without the patch, as it is asked for.
    pub(super) minor: &'static str,
    pub(super) version: &'static str,
    pub(super) module: &'static Module,
}

/// The one that everything is tested on first, then those that a nightly run tries the chart on.
pub(super) static RELEASES: [Release; 3] = [
    Release {
        minor: "1.36",
        version: "1.36.3",
        module: &KUBERNETES,
    },
    Release {
        minor: "1.35",
        version: "1.35.4",
        module: &KUBERNETES_1_35,
    },
    Release {
        minor: "1.37",
        version: "1.37.2",
        module: &KUBERNETES_1_37,
    },
];

/// The Kubernetes that `LEASEPORT_KUBERNETES` asks for, such as `1.35`.
pub(super) fn release() -> Result<&'static Release, Error> {
    let asked = std::env::var("LEASEPORT_KUBERNETES").unwrap_or_default();
    named(&asked)
}

pub(super) fn named(asked: &str) -> Result<&'static Release, Error> {
    let [tested, ..] = &RELEASES;
    if asked.is_empty() {
        return Ok(tested);
    }
    RELEASES
        .iter()
        .find(|release| release.minor == asked)
        .ok_or_else(|| Error::Kubernetes {
            asked: asked.to_owned(),
            known: RELEASES.each_ref().map(|release| release.minor).join(", "),
        })
}

/// The version of the Kubernetes that is asked for, such as `1.36.3`.
pub(in crate::prepare) fn kubernetes_version() -> Result<&'static str, Error> {
    Ok(release()?.version)
}

const KUBERNETES: Module = Module {
    name: "kubernetes",
    files: &[
        ("go.mod", include_str!("../../../tools/kubernetes/go.mod")),
        ("go.sum", include_str!("../../../tools/kubernetes/go.sum")),
        (
            "deviceplugin/main.go",
            include_str!("../../../tools/kubernetes/deviceplugin/main.go"),
        ),
        (
            "pause/main.go",
            include_str!("../../../tools/kubernetes/pause/main.go"),
        ),
    ],
};
const KUBERNETES_1_35: Module = Module {
    name: "kubernetes-1.35",
    files: &[
        ("go.mod", include_str!("../../../tools/kubernetes-1.35/go.mod")),
        ("go.sum", include_str!("../../../tools/kubernetes-1.35/go.sum")),
    ],
};
const KUBERNETES_1_37: Module = Module {
    name: "kubernetes-1.37",
    files: &[
        ("go.mod", include_str!("../../../tools/kubernetes-1.37/go.mod")),
        ("go.sum", include_str!("../../../tools/kubernetes-1.37/go.sum")),
    ],
};
const ETCD: Module = Module {
    name: "etcd",
    files: &[
        ("go.mod", include_str!("../../../tools/etcd/go.mod")),
        ("go.sum", include_str!("../../../tools/etcd/go.sum")),
    ],
};
const KWOK: Module = Module {
    name: "kwok",
    files: &[
        ("go.mod", include_str!("../../../tools/kwok/go.mod")),
        ("go.sum", include_str!("../../../tools/kwok/go.sum")),
    ],
};

const HELM: Module = Module {
    name: "helm",
    files: &[
        ("go.mod", include_str!("../../../tools/helm/go.mod")),
        ("go.sum", include_str!("../../../tools/helm/go.sum")),
    ],
};
const HELM3: Module = Module {
    name: "helm3",
    files: &[
        ("go.mod", include_str!("../../../tools/helm3/go.mod")),
        ("go.sum", include_str!("../../../tools/helm3/go.sum")),
    ],
};
const KUBECONFORM: Module = Module {
    name: "kubeconform",
    files: &[
        ("go.mod", include_str!("../../../tools/kubeconform/go.mod")),
        ("go.sum", include_str!("../../../tools/kubeconform/go.sum")),
    ],
};
const ACTIONLINT: Module = Module {
    name: "actionlint",
    files: &[
        ("go.mod", include_str!("../../../tools/actionlint/go.mod")),
        ("go.sum", include_str!("../../../tools/actionlint/go.sum")),
    ],
};
const KREW: Module = Module {
    name: "krew",
    files: &[
        ("go.mod", include_str!("../../../tools/krew/go.mod")),
        ("go.sum", include_str!("../../../tools/krew/go.sum")),
    ],
};

/// One program of a module.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) need: Need,
    pub(super) module: &'static Module,
    /// The package to build; `./x` is one of the module's own folders.
    pub(super) package: &'static str,
}

pub(super) const PROGRAMS: &[Program] = &[
    Program {
        name: "etcd",
        need: Need::ControlPlane,
        module: &ETCD,
        package: "go.etcd.io/etcd/server/v3",
    },
    kubernetes(
        "kube-apiserver",
        Need::ControlPlane,
        "k8s.io/kubernetes/cmd/kube-apiserver",
    ),
    kubernetes(
        "kube-controller-manager",
        Need::ControlPlane,
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    kubernetes(
        "kube-scheduler",
        Need::ControlPlane,
        "k8s.io/kubernetes/cmd/kube-scheduler",
    ),
    kubernetes("kubectl", Need::Client, "k8s.io/kubernetes/cmd/kubectl"),
    kubernetes("kubelet", Need::Node, "k8s.io/kubernetes/cmd/kubelet"),
    kubernetes("deviceplugin", Need::Node, "./deviceplugin"),
    kubernetes("pause", Need::Node, "./pause"),
    kubernetes("kube-proxy", Need::KubeProxy, "k8s.io/kubernetes/cmd/kube-proxy"),
    Program {
        name: "kwok",
        need: Need::Kwok,
        module: &KWOK,
        package: "sigs.k8s.io/kwok/cmd/kwok",
    },
    Program {
        name: "helm",
        need: Need::Helm,
        module: &HELM,
        package: "helm.sh/helm/v4/cmd/helm",
    },
    Program {
        name: "helm3",
        need: Need::Chart,
        module: &HELM3,
        package: "helm.sh/helm/v3/cmd/helm",
    },
    Program {
        name: "kubeconform",
        need: Need::Chart,
        module: &KUBECONFORM,
        package: "github.com/yannh/kubeconform/cmd/kubeconform",
    },
    Program {
        name: "actionlint",
        need: Need::Publishing,
        module: &ACTIONLINT,
        package: "github.com/rhysd/actionlint/cmd/actionlint",
    },
    Program {
        name: "krew",
        need: Need::Publishing,
        module: &KREW,
        package: "sigs.k8s.io/krew/cmd/krew",
    },
    Program {
        name: "validate-krew-manifest",
        need: Need::Publishing,
        module: &KREW,
        package: "sigs.k8s.io/krew/cmd/validate-krew-manifest",
    },
];

const fn kubernetes(name: &'static str, need: Need, package: &'static str) -> Program {
    Program {
        name,
        need,
        module: &KUBERNETES,
        package,
    }
}
