#!/bin/sh
# Some tests need programs that pip and npm don't bring: several hosts are network namespaces with
# sshd, the console is tried in Chromium, alert rules are checked by promtool, the load test is checked
# beside hey. Install what is missing where we may; elsewhere those tests are skipped, and say so.
set -eu
PATH="$PATH:/usr/sbin:/sbin"

missing=
command -v ip >/dev/null && [ -x /usr/sbin/sshd ] || missing="iproute2 openssh-client openssh-server"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    missing="$missing chromium"
command -v promtool >/dev/null || missing="$missing prometheus"
command -v hey >/dev/null || missing="$missing hey"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed, so the tests that need them are skipped: $missing" >&2
    exit 0
fi
apt-get update -qq
# Installed for their programs: nothing of it is to listen on this machine.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
for package in $missing; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" ||
        echo "$package can't be installed here; the tests that need it are skipped" >&2
done
