#!/usr/bin/env bash
# Packs the chart that is published: `release/chart.sh REPOSITORY IMAGE DIGEST FOLDER`. It differs from charts/leaseport in what only a release
# knows: the image comes from a registry and by its digest, and Artifact Hub learns the image and where the sources are. REPOSITORY is such as
# https://github.com/OWNER/NAME, IMAGE such as ghcr.io/OWNER/leaseport. HELM names another helm than the one on PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 4 ] || { echo "usage: release/chart.sh REPOSITORY IMAGE DIGEST FOLDER" >&2; exit 2; }
repository=${1%/} image=$2 digest=$3 folder=$4
version=$(sed -n 's/^version: //p' charts/leaseport/Chart.yaml)
# What it installs, and the tag it is released under.
app=$(sed -n 's/^appVersion: "\(.*\)"/\1/p' charts/leaseport/Chart.yaml)

case $digest in sha256:*) ;; *) echo "chart: the digest '$digest' does not begin with sha256:" >&2; exit 2 ;; esac
case $image in */*) ;; *) echo "chart: the image '$image' names no registry" >&2; exit 2 ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r charts/leaseport "$work/leaseport"
sed -i -e '/^image:/,/^[^ #]/ {
    s|^  registry: ""$|  registry: "'"${image%%/*}"'"|
    s|^  repository: leaseport$|  repository: "'"${image#*/}"'"|
    s|^  digest: ""$|  digest: "'"$digest"'"|
  }' "$work/leaseport/values.yaml"
sed -i -e "/^annotations:/i home: $repository\nsources: [$repository]" "$work/leaseport/Chart.yaml"
cat >>"$work/leaseport/Chart.yaml" <<ADDED
  artifacthub.io/images: |
    - name: leaseport
      image: $image:$app@$digest
      platforms: [linux/amd64, linux/arm64]
  artifacthub.io/links: |
    - name: Quickstart for providers
      url: $repository/blob/v$app/docs/quickstart-provider.md
    - name: What to verify before installing
      url: $repository/blob/v$app/docs/releasing.md
    - name: Security
      url: $repository/security
ADDED

"${HELM:-helm}" package "$work/leaseport" --destination "$folder" >/dev/null
packed=$folder/leaseport-$version.tgz
shown=$("${HELM:-helm}" template leaseport "$packed" | sed -n 's/^ *image: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' | sort -u)
if [ "$shown" != "$image@$digest" ]; then
  echo "chart: the packed chart runs '$shown' and not $image@$digest" >&2
  exit 1
fi
echo "$packed"
