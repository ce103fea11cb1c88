#!/usr/bin/env bash
# Makes a Debian package from a folder of wheels (see make_wheelhouse.sh).
#
#   make_deb.sh WHEELS OUT_DIR [--arch arm64]
#
# The package carries the wheels and installs them with install.sh, so that an upgrade through apt goes back
# by itself when the new version is not healthy, just as one by hand. It fits the Python that the wheels are
# made for, and needs no network to install.
set -euo pipefail
umask 022

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

systemd=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
wheels='' out='' arch=''
while (($#)); do
  case $1 in
    --arch) (($# > 1)) || fail "--arch needs a value"; arch=$2; shift ;;
    -*) fail "unknown option $1" ;;
    *) if [[ -z $wheels ]]; then wheels=$1; else out=$1; fi ;;
  esac
  shift
done
[[ -n $out ]] || fail "name the folder of wheels and the folder for the package"
[[ -f $wheels/requirements.txt ]] || fail "$wheels has no requirements.txt; make it with make_wheelhouse.sh"
arch=${arch:-$(dpkg --print-architecture)}

wheel=$(find "$wheels" -name 'emotion_agent-*.whl')
version=$(basename "$wheel" | cut -d- -f2)
# Wheels with compiled code say which Python they are for: cp311 is 3.11.
tag=$(find "$wheels" -name '*-cp3[0-9][0-9]-cp3*' -printf '%f\n' | sed -n 's/.*-cp3\([0-9][0-9]\)-cp3.*/\1/p' | sort -u)
[[ $tag =~ ^[0-9]+$ ]] || fail "the wheels are for several versions of Python or none; make the folder anew"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
share=$tree/usr/share/emotion-agent
mkdir -p "$tree/DEBIAN" "$share/wheels" "$tree/usr/share/doc/emotion-agent"
cp "$wheels"/*.whl "$wheels/requirements.txt" "$share/wheels/"
cp -R "$systemd" "$share/systemd"
rm -r "$share/systemd/packaging"
chmod -R u=rwX,go=rX "$share"
cp "$systemd/../LICENSE" "$tree/usr/share/doc/emotion-agent/copyright"
[[ ! -f $wheels/sbom.cdx.json ]] || cp "$wheels/sbom.cdx.json" "$tree/usr/share/doc/emotion-agent/"

cat >"$tree/DEBIAN/control" <<TEXT
Package: emotion-agent
Version: $version
Architecture: $arch
Maintainer: emotion-agent authors <noreply@localhost>
Depends: python3 (>= 3.$tag), python3 (<< 3.$((tag + 1))), python3-venv, libc6 (>= 2.28)
Recommends: systemd
Section: net
Priority: optional
Installed-Size: $(du -sk "$tree" | cut -f1)
Description: anonymous facial-expression counts over MQTT
 Counts facial expressions from a camera on the device and publishes only the
 totals. No picture, crop, embedding or per-person record is stored or sent.
TEXT
cat >"$tree/DEBIAN/postinst" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  /usr/share/emotion-agent/systemd/install.sh --wheels /usr/share/emotion-agent/wheels --python /usr/bin/python3
fi
TEXT
cat >"$tree/DEBIAN/prerm" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = remove ]; then /usr/share/emotion-agent/systemd/install.sh uninstall; fi
TEXT
cat >"$tree/DEBIAN/postrm" <<'TEXT'
#!/bin/sh
set -e
if [ "$1" = purge ]; then
  rm -rf /opt/emotion-agent /etc/emotion-agent /var/lib/emotion-agent /var/lib/private/emotion-agent \
    /etc/systemd/system/emotion-agent.service.d /etc/credstore/emotion-agent.mqtt-password
  rmdir /etc/credstore 2>/dev/null || true
  if id emotion-agent >/dev/null 2>&1; then userdel emotion-agent; fi
fi
TEXT
chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm" "$tree/DEBIAN/postrm"

mkdir -p "$out"
# Wheels are compressed already: packing them hard again takes minutes and saves nothing.
dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "$out/emotion-agent_${version}_$arch.deb"
