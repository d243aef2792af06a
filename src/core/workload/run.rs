//! What runs: the Deployment or Job of a manifest, and the Service by which replicas find each other. May not be built before the manifest fits the needs.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        batch::v1::{Job, JobSpec},
        core::v1::{PodSpec, PodTemplateSpec, Service, ServicePort, ServiceSpec},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{
    containers::{pod, protocol},
    names::{LEASE_LABEL, MANIFEST_ANNOTATION, WORKLOAD},
    objects::Object,
    template::{BuildError, LeaseTemplate, Power},
};
use crate::core::documents::manifest::{Form, Manifest};

/// Failed starts of a Job's pods before the Job has failed; the pods keep their devices in between (`restartPolicy: OnFailure`).
const JOB_RETRIES: i32 = 6;

/// The objects that run a manifest, in order of application; they go into a room that [`super::room`] has made.
///
/// # Errors
/// The manifest breaks its own rules, exceeds the needs, or needs root that the offer refuses.
pub fn workload(
    template: &LeaseTemplate<'_>,
    manifest: &Manifest,
    manifest_hash: B256,
    power: Power,
) -> Result<Vec<Object>, BuildError> {
    manifest.validate()?;
    manifest.fits(template.needs)?;
    let pod = pod(template, manifest)?;
    let mut metadata = template.identity.metadata(WORKLOAD);
    metadata
        .annotations
        .get_or_insert_default()
        .insert(MANIFEST_ANNOTATION.to_owned(), manifest_hash.to_string());
    let mut objects = Vec::new();
    objects.extend(service(template, manifest).map(Object::from));
    objects.push(match manifest.form {
        Form::Deployment => deployment(template, metadata, manifest.replicas, pod, power).into(),
        Form::Job => job(template, metadata, manifest.replicas, pod, power).into(),
    });
    Ok(objects.into_iter().map(Object::stamped).collect())
}

fn pod_template(template: &LeaseTemplate<'_>, spec: PodSpec) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(template.identity.labels()),
            annotations: Some(template.identity.annotations()),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
    }
}

fn selector(template: &LeaseTemplate<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([(LEASE_LABEL.to_owned(), template.identity.id().to_string())])
}

fn deployment(
    template: &LeaseTemplate<'_>,
    metadata: ObjectMeta,
    replicas: u16,
    pod: PodSpec,
    power: Power,
) -> Deployment {
    let replicas = match power {
        Power::On => i32::from(replicas),
        Power::Off => 0,
    };
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
            // There is no spare capacity to roll into: the old pod's devices are the new one's.
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".to_owned()),
                ..DeploymentStrategy::default()
            }),
            revision_history_limit: Some(1),
            selector: LabelSelector {
                match_labels: Some(selector(template)),
                ..LabelSelector::default()
            },
            template: pod_template(template, pod),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Indexed, so that a replica keeps its number when its pod is replaced. A Job's pod template cannot change: another manifest means another Job.
fn job(template: &LeaseTemplate<'_>, metadata: ObjectMeta, replicas: u16, pod: PodSpec, power: Power) -> Job {
    Job {
        metadata,
        spec: Some(JobSpec {
            completions: Some(i32::from(replicas)),
            parallelism: Some(i32::from(replicas)),
            completion_mode: Some("Indexed".to_owned()),
            backoff_limit: Some(JOB_RETRIES),
            // A pod that terminates still holds its devices; its replacement waits for them.
            pod_replacement_policy: Some("Failed".to_owned()),
            suspend: Some(matches!(power, Power::Off)),
            template: pod_template(
                template,
                PodSpec {
                    restart_policy: Some("OnFailure".to_owned()),
                    ..pod
                },
            ),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

fn service(template: &LeaseTemplate<'_>, manifest: &Manifest) -> Option<Service> {
    let ports: Vec<ServicePort> = manifest
        .containers
        .iter()
        .flat_map(|container| &container.ports)
        .map(|port| ServicePort {
            name: Some(port.name.clone()),
            port: i32::from(port.port),
            protocol: Some(protocol(port.protocol).to_owned()),
            target_port: Some(IntOrString::String(port.name.clone())),
            ..ServicePort::default()
        })
        .collect();
    if ports.is_empty() {
        return None;
    }
    Some(Service {
        metadata: template.identity.metadata(WORKLOAD),
        spec: Some(ServiceSpec {
            ports: Some(ports),
            selector: Some(selector(template)),
            type_: Some("ClusterIP".to_owned()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}
