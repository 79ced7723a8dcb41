#!/bin/sh
# Runs the program of this file's name (`scripts/qkd-node` and its like are links to it) from a clone of the
# repository, whatever the current folder is and through however many symbolic links it is called.
set -eu

self=$0
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    launcher.sh) break ;;
    /*) self=$target ;;
    *) self=$(dirname "$self")/$target ;;
  esac
done
name=${self##*/}
root=$(CDPATH='' cd -P -- "$(dirname "$self")/.." && pwd)
runtime=$root/node_modules/.bin/node

# The bootstrap runs on whatever Node.js there is; after it the pinned one is there. A stamp that is
# newer than the lockfile says that it has done its work: asking it takes as long as a command.
stamp=$root/node_modules/.qkd-bootstrap
if ! [ "$stamp" -nt "$root/package-lock.json" ] || ! [ -x "$runtime" ]; then
  bootstrap=$runtime
  "$bootstrap" --version >/dev/null 2>&1 || bootstrap=node
  command -v "$bootstrap" >/dev/null 2>&1 || {
    echo "$name: no Node.js found: install version 20 or later together with npm" >&2
    exit 69 # EX_UNAVAILABLE
  }
  "$bootstrap" "$root/scripts/bootstrap.mjs" || exit 69
fi

# Compiled code of earlier calls: a command answers in half the time.
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$root/node_modules/.cache/$name}"

# Of the threads for files half may be held by serial ports, or a disk, that hang.
case $name in
  qkd-node | qkd-km) export UV_THREADPOOL_SIZE="${UV_THREADPOOL_SIZE:-16}" ;;
esac

# --disable-sigusr1: no debugger may be opened on a process that holds keys.
exec "$runtime" --disable-sigusr1 "$root/src/bin/$name.ts" "$@"
