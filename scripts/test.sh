#!/bin/sh
# Everything that proves the product, from a fresh clone; the last line printed is "N passed, N failed, N skipped".
set -eu
cd "$(dirname "$0")/.."

sh scripts/setup.sh
exec node_modules/.bin/bun scripts/test.ts "$@"
