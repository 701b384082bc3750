#!/bin/sh
# step.sh TITLE COMMAND…: says what begins, runs it, says how long it took.
set -eu
title=$1
shift
echo "==> $title"
began=$(date +%s)
"$@" || {
    code=$?
    echo "==> $title: failed after $(($(date +%s) - began)) s" >&2
    exit $code
}
echo "==> $title: $(($(date +%s) - began)) s"
