//! Which pod stands for which replica, how a Job ends, and what is said where there is no pod.

use super::*;

#[test]
fn a_replica_without_a_pod_is_the_providers() {
    let replicas = assess(
        &Expected {
            replicas: 2,
            ..expected()
        },
        [with(running())],
        [node("True")],
        &BTreeMap::new(),
    );
    assert!(matches!(&replicas[0].assessment, Assessment::Delivered { .. }));
    assert!(
        matches!(&replicas[1].assessment, Assessment::NotDelivered { owner: Owner::Provider, finding } if finding.reason == "PodMissing")
    );
}

fn named(uid: &str, created: &str) -> Pod {
    let mut pod = with(running());
    pod.metadata.name = Some(uid.into());
    pod.metadata.uid = Some(uid.into());
    pod.metadata.creation_timestamp = Some(serde_json::from_value(json!(created)).unwrap());
    pod
}

fn numbers(replicas: &[Replica]) -> Vec<Option<String>> {
    replicas.iter().map(|replica| replica.pod_uid.clone()).collect()
}

#[test]
fn a_replica_keeps_its_number_while_its_pod_lives() {
    let expected = Expected {
        replicas: 2,
        ..expected()
    };
    let first = assess(
        &expected,
        [
            named("a", "2026-11-22T10:00:00Z"),
            named("b", "2026-11-22T10:00:01Z"),
        ],
        [node("True")],
        &BTreeMap::new(),
    );
    assert_eq!(numbers(&first), [Some("a".to_owned()), Some("b".to_owned())]);
    let before: BTreeMap<u16, String> = first
        .iter()
        .map(|replica| (replica.index, replica.pod_uid.clone().unwrap()))
        .collect();
    let next = assess(
        &expected,
        [
            named("c", "2026-11-22T10:00:02Z"),
            named("b", "2026-11-22T10:00:01Z"),
        ],
        [node("True")],
        &before,
    );
    assert_eq!(numbers(&next), [Some("c".to_owned()), Some("b".to_owned())]);
}

#[test]
fn a_leaving_pod_stands_for_a_replica_only_while_nothing_better_is_there() {
    let mut leaving = named("a", "2026-11-22T10:00:00Z");
    leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
    let before = BTreeMap::from([(0, "a".to_owned())]);
    let alone = assess(&expected(), [leaving.clone()], [node("True")], &before);
    assert!(
        matches!(&alone[0].assessment, Assessment::NotDelivered { finding, .. } if finding.reason == "Terminating")
    );
    let replaced = assess(
        &expected(),
        [leaving, named("b", "2026-11-22T10:00:05Z")],
        [node("True")],
        &before,
    );
    assert_eq!(numbers(&replaced), [Some("b".to_owned())]);
}

#[test]
fn a_jobs_replica_is_its_completion_index() {
    let expected = Expected {
        replicas: 2,
        form: Form::Job,
        ..expected()
    };
    let mut pod = with(running());
    pod.metadata.labels = Some(BTreeMap::from([(
        "batch.kubernetes.io/job-completion-index".into(),
        "1".into(),
    )]));
    assert_eq!(
        numbers(&assess(&expected, [pod], [node("True")], &BTreeMap::new())),
        [None, Some("u1".to_owned())]
    );
}

#[test]
fn a_job_ends_by_its_conditions() {
    let job = |conditions: Value| {
        serde_json::from_value(json!({ "metadata": {}, "status": { "conditions": conditions } })).unwrap()
    };
    assert_eq!(finish(&job(json!([]))), None);
    assert_eq!(
        finish(&job(json!([{ "type": "Complete", "status": "False" }]))),
        None
    );
    assert_eq!(
        finish(&job(json!([{ "type": "Complete", "status": "True" }]))),
        Some(Finish::Complete { at: None })
    );
    let failed = finish(&job(
        json!([{ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m" }]),
    ));
    assert_eq!(
        failed,
        Some(Finish::Failed {
            at: None,
            finding: Finding::new("BackoffLimitExceeded", "m")
        })
    );
}

proptest! {
    #[test]
    fn what_a_cluster_says_is_bounded_before_it_is_shown(reason in ".{0,300}", message in ".{0,1000}") {
        let pod = with(json!({ "waiting": { "reason": reason, "message": message } }));
        let finding = match one(pod, node("True"), &expected()) {
            Assessment::Delivered { note, .. } => note,
            Assessment::NotDelivered { finding, .. } | Assessment::Unknown(finding) => Some(finding),
        };
        let finding = finding.unwrap();
        prop_assert!(finding.reason.chars().count() <= 128 && finding.message.chars().count() <= 512);
        prop_assert!(!finding.message.chars().any(char::is_control));
    }
}

#[test]
fn a_replica_without_a_pod_is_told_why_the_cluster_makes_none_and_one_with_a_pod_is_not() {
    let two = Expected {
        replicas: 2,
        ..expected()
    };
    let mut replicas = assess(&two, [with(running())], [node("True")], &BTreeMap::new());
    let before = replicas.clone();
    let refused = Finding::new(
        "FailedCreate",
        "admission webhook \"validate.kyverno.svc-fail\" denied the request: no owner",
    );
    explain(&mut replicas, &refused);
    assert_eq!(replicas[0], before[0]);
    assert_eq!(
        replicas[1].assessment,
        Assessment::NotDelivered {
            owner: Owner::Provider,
            finding: refused,
        }
    );
}
