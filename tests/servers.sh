#!/bin/sh
# Install the Debian packages given, where that is allowed, and let Debian start nothing: the tests start their own servers.
# It always succeeds: a test that misses a server says so itself.
set -u
packages=$*
policy=/usr/sbin/policy-rc.d

give_up() {
    echo "$1: $packages not installed, and what needs it will not run" >&2
    exit 0
}

[ -n "$packages" ] || exit 0
command -v apt-get >/dev/null || give_up "no apt-get here"
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || give_up "neither root nor sudo without a password"
    exec sudo -n sh "$0" "$@"
fi

if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends $packages || give_up "apt-get failed"
if [ -d /run/systemd/system ]; then
    systemctl --quiet disable $packages # nor at the next boot
fi
exit 0
