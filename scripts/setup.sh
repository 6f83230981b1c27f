#!/bin/sh
# Puts the development tools into node_modules, from the frozen lockfile only. Needs node and npm.
# Safe to repeat, and quick when there is nothing to do.
set -eu
cd "$(dirname "$0")/.."

installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ -n "$(find package-lock.json -newer "$installed")" ]; then
  echo "setup: installing the development packages of package-lock.json (about 90, no install scripts)"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
fi

# Bun's install step is the only one we need: it puts the real program where npm left a placeholder.
node_modules/.bin/bun --version >/dev/null 2>&1 || node node_modules/bun/install.js
