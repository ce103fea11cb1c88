#!/usr/bin/env bash
# Installs and runs the agent in an emulated 64-bit ARM Debian 12: what a Raspberry Pi gets, slowly.
#
#   sudo arm64_root.sh WORK_DIR
#
# Needs debootstrap, qemu-user-static, binfmt-support and a network. The wheels are those of requirements.lock for
# aarch64, checked against their hashes; then `doctor` runs as root, and a short `demo` as a user without rights.
# WORK_DIR keeps the bare system and the wheels for the next time.
set -euo pipefail

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

((EUID == 0)) || fail "run this as root: it makes a system and changes into it"
work=${1:?name a folder to work in}
systemd=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../../systemd" && pwd)
for tool in debootstrap qemu-aarch64-static update-binfmts; do
  command -v "$tool" >/dev/null || fail "$tool is missing: apt install debootstrap qemu-user-static binfmt-support"
done
mkdir -p "$work"
work=$(cd "$work" && pwd)
bare=$work/bare root=$work/root wheels=$work/wheels

mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
update-binfmts --enable qemu-aarch64

if [[ ! -e $bare/.complete ]]; then
  rm -rf "$bare"
  # shellcheck disable=SC2016 # apt fills in the variable
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
  debootstrap --arch=arm64 --foreign --variant=minbase --include=python3-venv,ca-certificates \
    bookworm "$bare" ${mirror:+"$mirror"}
  cp "$(command -v qemu-aarch64-static)" "$bare/usr/bin/"
  chroot "$bare" /debootstrap/debootstrap --second-stage
  touch "$bare/.complete"
fi

"$systemd/packaging/make_wheelhouse.sh" "$wheels" --extras demo --python-version 3.11 \
  --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64

inside() { chroot "$root" /usr/bin/env -i HOME=/tmp LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"; }
unmount() { for point in dev proc; do umount -l "$root/$point" 2>/dev/null || true; done; }
trap unmount EXIT

unmount
rm -rf --one-file-system "$root"
cp -a "$bare" "$root"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
mkdir "$root/src"
cp -r "$systemd" "$root/src/systemd"
cp -r "$wheels" "$root/src/wheels"

printf '\n$ uname -m; install.sh --wheels …\n'
inside uname -m
inside /src/systemd/install.sh install --wheels /src/wheels --extras demo --no-start
printf '\n$ emotion-agent doctor\n'
inside emotion-agent doctor
printf '\n$ emotion-agent demo --seconds 20\n'
inside setpriv --reuid=65534 --regid=65534 --clear-groups emotion-agent demo --seconds 20
