#!/usr/bin/env bash
# Saves what a provider cannot get back from the chain: its objects with their status, statements of usage, Secrets. It reads only; the folder
# holds the keys of wallets afterwards, so nobody else may read it. docs/backup.md says when to run it and what a restore does.
#
#   backup.sh FOLDER NAMESPACE...      the namespaces of your ComputeProviders, and the release's
#
# Needs kubectl with rights to read all of that, and jq.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: backup.sh FOLDER NAMESPACE..." >&2
  exit 2
fi
folder=$1
shift
umask 077
mkdir -p "$folder"
if [ -n "$(ls -A "$folder")" ]; then
  echo "backup: $folder is not empty; give each backup a folder of its own" >&2
  exit 1
fi

# Transactions come last: one that is missing makes its wallet stand still for a while, one too many does nothing.
kinds=(computewallets computeproviders computeoffers computebids computeleases computetransactions)

kubectl get computemarkets --output=json > "$folder/computemarkets.json"
for namespace in "$@"; do
  mkdir "$folder/$namespace"
  # Helm keeps its releases in Secrets; a restored cluster gets its own by `helm install`.
  kubectl --namespace "$namespace" get secrets --output=json \
    | jq '.items |= map(select(.type != "helm.sh/release.v1" and .type != "kubernetes.io/service-account-token"))' \
    > "$folder/$namespace/secrets.json"
  kubectl --namespace "$namespace" get configmaps --selector=app.kubernetes.io/managed-by=leaseport --output=json \
    > "$folder/$namespace/configmaps.json"
  for kind in "${kinds[@]}"; do
    kubectl --namespace "$namespace" get "$kind" --output=json > "$folder/$namespace/$kind.json"
  done
  printf '%s:' "$namespace"
  for kind in secrets configmaps "${kinds[@]}"; do
    printf ' %s %s' "$(jq '.items | length' "$folder/$namespace/$kind.json")" "$kind"
  done
  printf '\n'
done
