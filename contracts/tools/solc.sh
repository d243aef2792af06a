#!/bin/sh
# solc for forge: the WebAssembly build of the compiler that npm delivers, behind solc's command line.
here=$(cd "$(dirname "$0")" && pwd)
exec node --max-old-space-size=4096 "$here/solc.js" "$@"
