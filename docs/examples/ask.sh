#!/bin/sh
# Asks a node for keys as an application asks a KM: ETSI GS QKD 014, by curl. For a module whose `mode` is
# on_request (see on-request.toml).
#
#   docs/examples/ask.sh https://node-a:8443 QKD-B-0001 certs/ca.crt certs/km.crt certs/km.key 2
set -eu
node=$1 matching=$2 ca=$3 cert=$4 key=$5 number=${6:-1}
ask() { curl --silent --show-error --fail-with-body --max-time 10 --cacert "$ca" --cert "$cert" --key "$key" "$@"; }

ask "$node/api/v1/keys/$matching/status" >&2
# A name of its own: should the answer get lost, the same request again gets the same keys, for a minute.
name=$(cat /proc/sys/kernel/random/uuid)
ask --header "Idempotency-Key: $name" --json "{\"number\": $number, \"size\": 256}" \
  "$node/api/v1/keys/$matching/enc_keys"
