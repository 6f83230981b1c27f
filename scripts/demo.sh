#!/bin/sh
# The demo from a fresh clone: set up, build, run. Options go to scripts/demo.ts (--help lists them).
set -eu
cd "$(dirname "$0")/.."

sh scripts/setup.sh
echo "demo: building dist/anomaly-detector"
npm run --silent build
# exec, so that Ctrl-C and the exit code are the demo's own.
exec node_modules/.bin/bun scripts/demo.ts "$@"
