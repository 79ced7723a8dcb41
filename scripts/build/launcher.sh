#!/bin/sh
# Runs the program of this file's name from the production build, whatever the current folder is and
# through however many symbolic links it is called.
set -eu

self=$0
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=$(dirname "$self")/$target ;;
  esac
done
root=$(CDPATH='' cd -P -- "$(dirname "$self")/.." && pwd)

# The runtime that was put beside this build, or the machine's own.
runtime=$root/runtime/node
[ -x "$runtime" ] || runtime=node

# Compiled code of an earlier start: from systemd's CacheDirectory=, or shipped with the build.
cache=${CACHE_DIRECTORY:-$root/cache}
if [ -d "$cache" ]; then
  export NODE_COMPILE_CACHE="$cache" NODE_COMPILE_CACHE_PORTABLE=1
fi

# --disable-sigusr1: no debugger may be opened on a process that holds keys.
exec "$runtime" --disable-sigusr1 "$root/lib/${self##*/}.cjs" "$@"
