#!/bin/sh
# A browser for the tests of pages: Debian's Chromium, installed where that may be done here; the tests say when it is missing.
set -eu
command -v chromium > /dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium > /dev/null
else
    echo "there is no chromium: sudo apt install chromium"
fi
