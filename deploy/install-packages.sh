#!/bin/sh
# Installs the Debian packages of the commands named that this machine lacks, and says so.
#   sh deploy/install-packages.sh ps flock sshd
# As root by apt-get; as an ordinary user by `sudo -n`; where that is refused, sshd alone is unpacked below .cache/ (the
# tests run it from there), and the rest is asked for.
set -eu
cache=$(cd "$(dirname "$0")/.." && pwd)/.cache/packages
PATH=$PATH:/usr/sbin:/sbin:$cache/usr/sbin

package_of() {
  case $1 in
    ps) echo procps ;;
    flock) echo util-linux ;;
    awk) echo mawk ;;
    timeout) echo coreutils ;;
    sshd) echo openssh-server ;;
    *) echo "install-packages: no package is known for the command $1" >&2; exit 2 ;;
  esac
}

install_by() {
  echo "installing by $*apt-get: $packages"
  # A server that a package brings must not be started: the tests start their own.
  "$@" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
    { "$@" apt-get update -qq && "$@" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $packages >/dev/null; }
}

unpack() {
  echo "unpacking below .cache/packages, without root: openssh-server libwrap0"
  mkdir -p "$cache"
  cd "$cache"
  apt-get download -qq openssh-server libwrap0
  for file in ./*.deb; do dpkg -x "$file" .; rm "$file"; done
}

packages=''
for command in "$@"; do
  name=$(package_of "$command")
  command -v "$command" >/dev/null || packages="$packages $name"
done
[ -n "$packages" ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "install-packages: please install$packages (there is no apt-get here)" >&2
  exit 1
elif [ "$(id -u)" -eq 0 ]; then
  install_by
elif sudo -n true 2>/dev/null; then
  install_by sudo -n
elif [ "$packages" = " openssh-server" ]; then
  unpack
else
  echo "install-packages: please have root run: apt-get install$packages" >&2
  exit 1
fi
