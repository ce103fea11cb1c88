#!/usr/bin/env bash
# Installs and runs the agent as a service in a booted Debian 12, and stops at the first broken promise.
#
#   sudo booted_root.sh WORK_DIR
#
# Needs debootstrap, systemd-nspawn, a network, and as PYTHON an interpreter with the demo extra, which draws what the
# camera sees. What is tested is the last commit of this checkout: install, first boot, counts over MQTT, sandbox,
# watchdog, upgrade, rollback, uninstall, and the same as a Debian package. The booted system has no network, so
# every install in it is an offline one. WORK_DIR keeps the bare system, and a commit's wheels, for the next time.
set -euo pipefail

fail() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

((EUID == 0)) || fail "run this as root: it makes a system and boots it"
work=${1:?name a folder to work in}
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
source=$(dirname "$(dirname "$here")")
export PYTHON=${PYTHON:-python3}
for tool in debootstrap systemd-nspawn git dpkg-deb; do
  command -v "$tool" >/dev/null || fail "$tool is missing: apt install debootstrap systemd-container git dpkg"
done
"$PYTHON" -I -c 'import cv2, skimage' || fail "$PYTHON lacks the demo extra; name another one as PYTHON"
mkdir -p "$work"
work=$(cd "$work" && pwd)
bare=$work/bare root=$work/root offer=$work/offer messages=$work/messages
readonly state=/var/lib/private/emotion-agent boot_file=/boot/firmware/emotion-agent.toml elsewhere=192.0.2.1

# --- a promise, and waiting for it ------------------------------------------------------------------------

title() { printf '\n== %s\n' "$*"; }
now() { echo $((${EPOCHREALTIME/[.,]/} / 100000)); } # tenths of a second
seconds_since() { local tenths=$(($(now) - $1)); printf '%d.%d' $((tenths / 10)) $((tenths % 10)); }

within() { # SECONDS COMMAND…, tried until it succeeds
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

promise() { # SENTENCE COMMAND…
  local sentence=$1
  shift
  if ! "$@" >"$work/said" 2>&1; then
    cat "$work/said" >&2
    inside journalctl --unit 'emotion-agent*' --lines 30 --no-pager --output cat >&2 || true
    fail "not so: $sentence"
  fi
  printf '  ok  %s\n' "$sentence"
}

not() { ! "$@"; }

# --- the system -------------------------------------------------------------------------------------------

nspawn='' init='' watcher=''
group=/sys/fs/cgroup/emotion-agent-booted

# Where no systemd runs, nobody hands out a control group: the container gets one in the unified hierarchy, seen in
# a mount namespace of its own. bpf is what address and device filters are made of, @keyring what KeyringMode is.
boot() {
  local options=(--quiet --boot --directory="$root" --machine=emotion-agent-booted --register=no --private-network
    --link-journal=no --resolv-conf=off --timezone=off --console=pipe --bind-ro="$offer:/offer"
    --system-call-filter='bpf @keyring')
  [[ -d /run/systemd/system ]] || options+=(--keep-unit)
  # shellcheck disable=SC2016 # its own arguments
  unshare --mount bash -euc '
    if [[ ! -d /run/systemd/system ]]; then
      [[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
      mkdir -p "$1"
      echo $$ >"$1/cgroup.procs"
    fi
    shift
    exec systemd-nspawn "$@"' boot "$group" "${options[@]}" </dev/null >>"$work/console.log" 2>&1 &
  nspawn=$!
  within 60 is_up || fail "the system does not boot; see $work/console.log"
  inside ip address add "$elsewhere/32" dev lo
  # Outside its process namespace, whose end would wait for it.
  nsenter --target "$init" --mount --net mosquitto_sub -h 127.0.0.1 -c -i watcher -q 1 -u watcher -P watching -v \
    -t 'emotion-agent/#' >>"$messages" 2>>"$work/console.log" &
  watcher=$!
}

is_up() {
  init=$(cut -d' ' -f1 "/proc/$nspawn/task/$nspawn/children") && [[ $(cat "/proc/$init/comm") == systemd ]] &&
    [[ $(inside systemctl is-system-running --wait) == running ]]
}

inside() {
  nsenter --target "$init" --all /usr/bin/env -i HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

halt() {
  [[ -z $watcher ]] || kill "$watcher" 2>/dev/null || true
  [[ -z $watcher ]] || wait "$watcher" || true
  [[ -z $nspawn ]] || kill -TERM "$nspawn" 2>/dev/null || true # an orderly power-off
  [[ -z $nspawn ]] || wait "$nspawn" || true
  nspawn='' watcher=''
}

clean_up() {
  halt
  local folder=$group
  [[ -d $folder ]] || folder=/sys/fs/cgroup/unified/${group##*/}
  [[ ! -d $folder ]] || find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
}
trap clean_up EXIT

make_root() {
  if [[ ! -e $bare/.complete ]]; then
    rm -rf "$bare"
    # shellcheck disable=SC2016 # apt fills in the variable
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n 1p)
    debootstrap --variant=minbase \
      --include=systemd-sysv,dbus,python3-venv,iproute2,mosquitto,mosquitto-clients bookworm "$bare" \
      ${mirror:+"$mirror"} >"$work/debootstrap.log" || fail "no bare system: see $work/debootstrap.log"
    touch "$bare/.complete"
  fi
  rm -rf --one-file-system "$root"
  cp -a "$bare" "$root"
  rm "$root/.complete"
  mkdir -p "$root/boot/firmware" "$root/offer"
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
  printf 'listener 1883\nallow_anonymous false\npassword_file /etc/mosquitto/passwords\n' \
    >"$root/etc/mosquitto/conf.d/booted.conf"
  chroot "$root" mosquitto_passwd -b -c /etc/mosquitto/passwords box first-boot-secret
  chroot "$root" mosquitto_passwd -b /etc/mosquitto/passwords watcher watching
  chown --reference="$root/var/lib/mosquitto" "$root/etc/mosquitto/passwords"
}

# A version to install, as /offer/VERSION: a checkout, and its wheels inside.
prepare() { # VERSION
  local folder=$offer/$1 machine
  machine=$(uname -m)
  [[ ! -e $folder/.complete ]] || return 0
  git clone --quiet "$source" "$folder"
  sed -i "s/^__version__: Final = .*/__version__: Final = \"$1\"/" "$folder/agent/__init__.py"
  sed -i "s/^version = .*/version = \"$1\"/" "$folder/pyproject.toml"
  if [[ $1 == "$unhealthy" ]]; then
    printf '\ndef _exit_at_once(self):\n    raise SystemExit(1)\n\nDaemon.run = _exit_at_once\n' \
      >>"$folder/agent/daemon.py"
  fi
  "$folder/systemd/packaging/make_wheelhouse.sh" "$folder/wheels" --python-version 3.11 \
    --platform "manylinux_2_28_$machine" --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine"
  "$folder/systemd/packaging/make_deb.sh" "$folder/wheels" "$offer/debs"
  touch "$folder/.complete"
}

# As an administrator might: with a umask for secrets, in a folder of somebody else's.
install_version() {
  # shellcheck disable=SC2016 # its own arguments
  inside sh -c 'cd /offer/stranger && umask 077 && exec "$@"' sh \
    "/offer/$1/systemd/install.sh" --wheels "/offer/$1/wheels"
}

put_a_stranger_into_a_folder() {
  mkdir -p "$offer/stranger"
  for name in agent encodings json pip runpy tomllib venv; do
    echo "open('/run/stranger', 'w').write('$name')" >"$offer/stranger/$name.py"
  done
}

# Windows of 5 s with one person in them are for the image to allow; no file on the card can.
let_the_image_allow_single_people() {
  sed -i -e 's/^#window_s = .*/window_s = 5.0/' -e 's/^#min_count = .*/min_count = 1/' \
    -e 's/^#acknowledge_individual_counts = .*/acknowledge_individual_counts = true/' "$root/etc/emotion-agent/config.toml"
}

put_configuration_on_the_boot_partition() {
  cat >"$root$boot_file" <<'TOML'
[deployment]
site = "lab"
device = "booted"
context = "demo"

[sources.entrance]
type = "replay"
path = "/offer/entrance.avi"
loop = true

[mqtt]
host = "127.0.0.1"
username = "box"

[privacy]
window_s = 5.0
min_count = 1
acknowledge_individual_counts = true

[health]
interval_s = 5.0

[provision]
mqtt_password = "first-boot-secret"
TOML
}

# --- what the broker hears --------------------------------------------------------------------------------

mark=0 session=''

heard() { tail -n "+$((mark + 1))" "$messages" | grep -E -- "$1"; } # since `from_here_on`

from_here_on() {
  mark=$(wc -l <"$messages")
  session=$(sed -n 's/.*\/birth .*"session_id":"\([0-9a-f]*\)".*/\1/p' "$messages" | tail -n 1)
}

counts_anew() { # VERSION: it has begun a session since `from_here_on`, and counted somebody in it
  local new
  new=$(heard "/birth .*\"agent\":\"$1\"" | sed 's/.*"session_id":"\([0-9a-f]*\)".*/\1/' | tail -n 1)
  [[ -n $new && $new != "$session" ]] &&
    heard "/counts/entrance .*\"session_id\":\"$new\".*\"historical\":false.*\"people\":[1-9]"
}

show() { heard "$1" | cut -c "1-${2:-160}" | sed -n '1s/^/      /p'; }

of_service() { inside systemctl show --property "$1" --value emotion-agent; }
is_version() { [[ $(inside emotion-agent version) == "$1" ]]; }
has_restarted() { (($(of_service NRestarts) > $1)) && inside systemctl is-active --quiet emotion-agent; }

queued() { # SESSION NUMBER of each unsent window; of a copy, because the agent has the file to itself
  rm -rf "$work/queue"
  mkdir "$work/queue"
  cp "$root$state"/unsent.sqlite3* "$work/queue/"
  "$PYTHON" -I - <<PYTHON
import contextlib, json, sqlite3
with contextlib.closing(sqlite3.connect("$work/queue/unsent.sqlite3")) as queue:
    for (text,) in queue.execute("SELECT payload FROM windows ORDER BY number"):
        window = json.loads(text)
        print(window["session_id"], window["seq"])
PYTHON
}

holds_queued() { (($(queued | wc -l) >= $1)); }
still_queued() { [[ -z $(comm -23 <(sort "$1") <(queued | sort)) ]]; }

came_late() { # FILE of what was queued
  local name number
  while read -r name number; do
    heard "/counts/entrance .*\"session_id\":\"$name\",\"seq\":$number,.*\"historical\":true" >/dev/null || return 1
  done <"$1"
}

# shellcheck source=/dev/null
. "$here/booted_steps.sh"

# --- the run ----------------------------------------------------------------------------------------------

version=$(git -C "$here" show HEAD:pyproject.toml | sed -n 's/^version = "\(.*\)"/\1/p')
newer=$version.1 unhealthy=$version.2
commit=$(git -C "$here" rev-parse --short HEAD)
title "emotion-agent $version at $commit, and its stand-ins $newer and $unhealthy"
rm -rf "$messages" "$work/console.log"
[[ $(cat "$offer/commit" 2>/dev/null) == "$commit" ]] || rm -rf "$offer"
mkdir -p "$offer"
echo "$commit" >"$offer/commit"
touch "$messages"
for each in "$version" "$newer" "$unhealthy"; do prepare "$each"; done
"$PYTHON" -I -B -c 'import pathlib, sys
sys.path.insert(0, sys.argv[1])
from agent.synthetic.visits import write_clip
write_clip(pathlib.Path(sys.argv[2]), 20.0)' "$offer/$version" "$offer/entrance.avi"
cp "$here/booted_probe.py" "$offer/"
put_a_stranger_into_a_folder
make_root
boot
list_files "$work/files.before"

install_and_first_boot
counts_over_mqtt
sandbox
watchdog
upgrade_and_rollback
uninstall
debian_package
title "everything was as promised"
