#!/bin/sh
# Installs the Debian packages of the commands named that this machine lacks, and says so.
#   sh deploy/install-packages.sh ps flock sshd
# As root by apt-get; as an ordinary user by `sudo -n`; where that is refused, sshd and ip are unpacked below .cache/ (the
# tests run them from there), and the rest is asked for.
set -eu
cache=$(cd "$(dirname "$0")/.." && pwd)/.cache/packages
PATH=$PATH:/usr/sbin:/sbin:$cache/usr/sbin:$cache/usr/bin:$cache/bin

package_of() {
  case $1 in
    ps) echo procps ;;
    flock | nsenter | unshare) echo util-linux ;;
    ip) echo iproute2 ;;
    awk) echo mawk ;;
    timeout) echo coreutils ;;
    sshd) echo openssh-server ;;
    # Without fonts its pages would have no text.
    chromium) echo chromium fonts-dejavu-core ;;
    *) echo "install-packages: no package is known for the command $1" >&2; exit 2 ;;
  esac
}

install_by() {
  echo "installing by $*apt-get: $packages"
  # A server that a package brings must not be started: the tests start their own.
  "$@" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
    { "$@" apt-get update -qq && "$@" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $packages >/dev/null; }
}

# The package and the libraries that a small machine lacks, where it can be run from any place.
to_unpack() {
  case $1 in
    openssh-server) echo openssh-server libwrap0 ;;
    iproute2) echo iproute2 libmd0; apt-cache depends iproute2 | awk '$1 == "Depends:" && $2 ~ /^lib/ && $2 !~ /^libc6$|-bin$/ { print $2 }' ;;
    *) return 1 ;;
  esac
}

unpack() {
  echo "unpacking below .cache/packages, without root:" "$@"
  mkdir -p "$cache"
  cd "$cache"
  apt-get download -qq "$@"
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
elif wanted=$(for package in $packages; do to_unpack "$package" || exit 1; done); then
  unpack $wanted
else
  echo "install-packages: please have root run: apt-get install$packages" >&2
  exit 1
fi
