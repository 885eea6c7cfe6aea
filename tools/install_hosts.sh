#!/bin/sh
# Tests with several hosts need network namespaces and sshd; install what is missing where we may.
# Elsewhere those tests are skipped, and say so.
set -eu
if PATH="$PATH:/usr/sbin:/sbin" command -v ip >/dev/null && [ -x /usr/sbin/sshd ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Tests with several hosts are skipped: they need root, iproute2 and openssh-server" >&2
    exit 0
fi
apt-get update -qq
# Installed for its program: it must not listen on this machine.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq iproute2 openssh-client openssh-server
