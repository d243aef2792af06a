#!/usr/bin/env bash
# Brings back what backup.sh saved and what is not there any more. What exists is newer and is left alone. The operator must not run meanwhile: it
# would plan on half of its objects. docs/backup.md says what comes before and after.
#
#   restore.sh FOLDER
#
# Needs kubectl with rights to write all of that, and jq. LEASEPORT_NAMESPACE is the release's namespace, leaseport-system if not set.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -f "$1/computemarkets.json" ]; then
  echo "usage: restore.sh FOLDER, which backup.sh wrote" >&2
  exit 2
fi
folder=$1
system=${LEASEPORT_NAMESPACE:-leaseport-system}
running=$(kubectl --namespace "$system" get deployment leaseport-operator --ignore-not-found --output='jsonpath={.status.replicas}')
if [ "${running:-0}" != 0 ]; then
  echo "restore: the operator runs; stop it first: kubectl --namespace $system scale deployment/leaseport-operator --replicas=0" >&2
  exit 1
fi
saved=$(mktemp -d)
trap 'rm -rf "$saved"' EXIT

# What the old API server wrote and the new one writes itself.
fresh='del(.metadata["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds"])'

apply() { # field manager, more words; a List comes in
  local manager=$1
  shift
  local list
  list=$(cat)
  [ "$(jq '.items | length' <<< "$list")" = 0 ] && return
  kubectl apply --server-side --force-conflicts --field-manager="$manager" --filename=- "$@" <<< "$list" > /dev/null
}

# Those of a saved list that are not there, as they were but for the server's own fields; each owner by its new uid, or not at all.
missing() { # file kind namespace-words...
  local file=$1 kind=$2
  shift 2
  kubectl "$@" get "$kind" --output=json > "$saved/there.json"
  kubectl "$@" get computeoffers,computeleases --output=json > "$saved/owners.json"
  jq --slurpfile there "$saved/there.json" --slurpfile owners "$saved/owners.json" "
    (\$there[0].items | map(.metadata.name)) as \$there
    | (\$owners[0].items | map({ key: (.kind + \"/\" + .metadata.name), value: .metadata.uid }) | from_entries) as \$uids
    | .items |= map(select(.metadata.name as \$name | \$there | index(\$name) | not) | $fresh
        | if .metadata.ownerReferences
          then .metadata.ownerReferences |= map(select(\$uids[.kind + \"/\" + .name]) | .uid = \$uids[.kind + \"/\" + .name])
          else . end)" "$file"
}

# One part of the status of each, written in the name of who keeps it: whoever writes a field next can then take it away, too. kubectl's own
# validation would ask for a spec; the API server validates what it merged.
part() { # file manager filter
  jq "{ apiVersion: \"v1\", kind: \"List\", items: [.items[] | select(.status) | { apiVersion, kind, metadata: (.metadata | { name, namespace } | del(..|nulls)) }
    + { status: (.status | $3) } | select(.status != null and .status != {})] }" "$1" \
    | apply "$2" --subresource=status --validate=false
}

restore() { # file kind manager-of-spec namespace-words...
  local file=$1 kind=$2 manager=$3
  shift 3
  missing "$file" "$kind" "$@" > "$saved/list.json"
  jq '.items |= map(del(.status))' "$saved/list.json" | apply "$manager"
  case $kind in
    computewallets | computetransactions) part "$saved/list.json" leaseport-transaction . ;;
    computeleases)
      part "$saved/list.json" leaseport-operator \
        'del(.manifest, .closeRequest, .voucher) | if .usage then .usage |= del(.receipt, .lastReport, .evidence) else . end'
      part "$saved/list.json" leaseport-operator-receipts \
        'if .usage.receipt then { usage: (.usage | { receipt, lastReport, evidence } | del(..|nulls)) } else null end'
      part "$saved/list.json" leaseport-gateway 'if .manifest then { manifest } else null end'
      part "$saved/list.json" leaseport-gateway-close 'if .closeRequest then { closeRequest } else null end'
      part "$saved/list.json" leaseport-gateway-voucher 'if .voucher then { voucher } else null end'
      ;;
    computemarkets | computeproviders | computeoffers | computebids) part "$saved/list.json" leaseport-operator . ;;
  esac
  printf ' %s %s' "$(jq '.items | length' "$saved/list.json")" "$kind"
}

printf 'cluster:'
restore "$folder/computemarkets.json" computemarkets kubectl
printf '\n'
for path in "$folder"/*/; do
  namespace=$(basename "$path")
  printf '%s:' "$namespace"
  # Owners come before what they own, transactions before whatever could lead to one.
  for kind in secrets computetransactions computewallets computeproviders computeoffers computebids computeleases configmaps; do
    case $kind in
      secrets | computewallets | computeproviders | computeoffers) manager=kubectl ;;
      *) manager=leaseport-restore ;;
    esac
    restore "$path$kind.json" "$kind" "$manager" --namespace "$namespace"
  done
  printf '\n'
done
