#!/bin/sh
# Puts into a folder what the image holds besides the binary: `release/root.sh FOLDER BASE`. FOLDER has usr/bin/leaseport; BASE is the root of
# a Debian of the binary's architecture. The libraries are those that the binary and they themselves name; one that is not found ends the
# build. Nothing of BASE is run, so it may be of another architecture than this machine.
set -eu
folder=$1 base=$2
binary=$folder/usr/bin/leaseport

loader=$(readelf -l "$binary" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
case $loader in
  */ld-linux-x86-64.so.2) triplet=x86_64-linux-gnu ;;
  */ld-linux-aarch64.so.1) triplet=aarch64-linux-gnu ;;
  *) echo "root.sh: $binary: the loader '$loader' is of no architecture that is known" >&2; exit 1 ;;
esac

# Where the loader looks by itself, below a root.
found() {
  for place in "lib/$triplet" "usr/lib/$triplet" lib64 lib; do
    if [ -f "$base/$place/$1" ]; then echo "$base/$place/$1"; return; fi
  done
  echo "root.sh: the library $1 is not in $base" >&2
  return 1
}

mkdir -p "$folder/lib/$triplet" "$folder/${loader%/*}" "$folder/etc/ssl/certs"
chmod 0755 "$binary"
cp --dereference "$(found "${loader##*/}")" "$folder$loader"

wanted=$binary
while [ -n "$wanted" ]; do
  next=
  for file in $wanted; do
    for name in $(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
      if [ "$name" = "${loader##*/}" ] || [ -e "$folder/lib/$triplet/$name" ]; then continue; fi
      from=$(found "$name")
      cp --dereference "$from" "$folder/lib/$triplet/$name"
      next="$next $from"
    done
  done
  wanted=$next
done

# The authorities are no matter of architecture, and BASE may have no package of them.
cp --dereference /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
echo 'leaseport:x:65532:65532:leaseport:/:/usr/bin/false' > "$folder/etc/passwd"
echo 'leaseport:x:65532:' > "$folder/etc/group"
