#!/bin/sh
# Prints the version that is built in: the package's version and, in a git checkout, the commit ("0.1.0+9b2e01f").
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' package.json | head -n 1)
commit=$(git rev-parse --short HEAD 2>/dev/null || true)
echo "$version${commit:++$commit}"
