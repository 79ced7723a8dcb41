#!/bin/sh
# Runs the program of this file's name from the production build, whatever the current folder is and
# through however many symbolic links it is called.
set -eu

# Without a program that a slow board has to load: dirname would be one.
case $0 in
  */*) self=$0 ;;
  *) self=./$0 ;;
esac
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=${self%/*}/$target ;;
  esac
done
root=$(CDPATH='' cd -P -- "${self%/*}/.." && pwd)

# The runtime that was put beside this build, or the machine's own.
runtime=$root/runtime/node
[ -x "$runtime" ] || runtime=node

# What is loaded later is compiled then, unless a site gives the service a folder for it (systemd's CacheDirectory=).
if [ -n "${CACHE_DIRECTORY:-}" ]; then
  export NODE_COMPILE_CACHE="$CACHE_DIRECTORY" NODE_COMPILE_CACHE_PORTABLE=1
fi

# Memory: one arena for all threads, which allocate little, and a small nursery, since what a key needs
# is soon done with.
export MALLOC_ARENA_MAX=1
# What a burst took of the memory of key manager and controller goes back to the machine: with 1,000 applications 27 MB
# of 250, and after 1,000 key managers have come.
case ${self##*/} in
  qkd-km | qkd-controller) export MALLOC_TRIM_THRESHOLD_=131072 ;;
esac
# With that, malloc has each piece of 128 KiB and more from the kernel anew, page by page filled with zeros: of a key manager
# that relays in pieces of 1 MiB that was half of the processor time.
case ${self##*/} in
  qkd-km) export MALLOC_MMAP_THRESHOLD_=4194304 ;;
esac

# Of the threads for files half may be held by serial ports, or a disk, that hang. A thread that waits takes 10 kB.
case ${self##*/} in
  qkd-node | qkd-km) export UV_THREADPOOL_SIZE="${UV_THREADPOOL_SIZE:-16}" ;;
esac

# V8 lets a heap grow the further beyond what lives in it the larger it may become: with 1,000 key managers a controller
# that may have 512 MB takes 220 MB of the machine, and 300 without a limit.
case ${self##*/} in
  qkd-controller) heap=--max-old-space-size=512 ;;
  *) heap= ;;
esac

# --disable-sigusr1: no debugger may be opened on a process that holds keys.
# DEP0169: the library for MQTT takes addresses apart the old way, of which no operator needs to hear.
exec "$runtime" --disable-sigusr1 --disable-warning=DEP0169 --max-semi-space-size=4 $heap "$root/lib/${self##*/}.cjs" "$@"
