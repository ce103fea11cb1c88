#!/usr/bin/env bash
# Installs, upgrades, rolls back or removes emotion-agent.
#
#   install.sh [install]      from this source checkout, or offline from a folder of wheels
#   install.sh rollback       back to the version before the last upgrade
#   install.sh allow-broker   let the service reach the broker and network cameras named in the configuration
#   install.sh uninstall      keeps configuration and unsent windows; --purge removes them too
#
# Versions live side by side in /opt/emotion-agent/releases; `current` points at the one in use and `previous`
# at the one before. An upgrade that does not come up healthy within a minute is rolled back by itself.
set -euo pipefail
umask 022 # whatever the administrator's is: the service's account has to read what is installed
unset "${!PYTHON@}" # or they would choose whose code runs as root

readonly SERVICE=emotion-agent
readonly NEWEST_PYTHON_FIRST=(python3.14 python3.13 python3.12 python3.11 python3)
readonly START_LIMIT_S=60

usage() {
  cat <<'TEXT'
usage: install.sh [install|rollback|allow-broker|uninstall] [options]
  --wheels DIR             install offline from this folder (see make_wheelhouse.sh)
  --source DIR             install from this checkout (default: the one this script lies in)
  --extras NAMES           optional parts, such as openvino
  --camera KIND            usb, pi-csi, jetson or rtsp: adds that camera's permissions to the unit
  --python PATH            interpreter, 3.11 or newer (default: the newest found)
  --system-site-packages   let the agent see the system's Python packages (default on a Raspberry Pi, where
                           picamera2 comes from apt); --no-system-site-packages turns it off
  --no-start               install without starting the service
  --settle SECONDS         how long a started version must stay up to count as healthy (default 15)
  --any-address            with allow-broker: lift the address filter, for brokers whose address changes
  --purge                  with uninstall: remove configuration, credentials and unsent windows too
  --root DIR               install below DIR, as for an image; starts nothing
TEXT
}

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
readonly here
action=install wheels='' source='' extras='' camera='' python='' site_packages='' start=yes settle_s=15
any_address=no purge=no root='' wheel=''

while (($#)); do
  case $1 in
    install | rollback | allow-broker | uninstall) action=$1 ;;
    --wheels | --source | --extras | --camera | --python | --settle | --root)
      [[ $# -gt 1 && $2 != -* ]] || fail "$1 needs a value; see --help"
      case $1 in
        --wheels) wheels=$2 ;; --source) source=$2 ;; --extras) extras=$2 ;; --camera) camera=$2 ;;
        --python) python=$2 ;; --settle) settle_s=$2 ;; --root) root=${2%/} ;;
      esac
      shift
      ;;
    --system-site-packages) site_packages=yes ;;
    --no-system-site-packages) site_packages=no ;;
    --no-start) start=no ;;
    --any-address) any_address=yes ;;
    --purge) purge=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument $1; see above" ;;
  esac
  shift
done

readonly base=$root/opt/emotion-agent
readonly config=$root/etc/emotion-agent/config.toml
readonly units=$root/etc/systemd/system
readonly overrides=$units/$SERVICE.service.d
readonly command_link=$root/usr/local/bin/emotion-agent

# Whether this is the running system and systemd runs it, rather than an image or a container.
is_live() { [[ -z $root && -d /run/systemd/system ]] && command -v systemctl >/dev/null; }

find_python() {
  local candidate
  for candidate in ${python:+"$python"} "${NEWEST_PYTHON_FIRST[@]}"; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
    [[ -z $python ]] || fail "$python is no Python 3.11 or newer with venv; install python3-venv or name another"
  done
  fail "no Python 3.11 or newer with venv found; install python3 and python3-venv"
}

wants_site_packages() {
  [[ -n $site_packages ]] || {
    grep -qs 'Raspberry Pi' /proc/device-tree/model && site_packages=yes || site_packages=no
  }
  [[ $site_packages == yes ]]
}

# Sets `pip` to an installer that works on other environments. Releases themselves have none: a device needs
# no tool that downloads and runs code.
find_pip() {
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  pip=("$python" -I -m pip)
  if ! has_recent_pip "$python"; then
    "$python" -I -m venv "$scratch/pip"
    pip=("$scratch/pip/bin/python" -I -m pip)
    has_recent_pip "$scratch/pip/bin/python" || fail "$python comes with a pip older than 22.3; name a newer --python"
  fi
}

has_recent_pip() {
  "$1" -I -c 'import sys, pip; sys.exit([int(n) for n in pip.__version__.split(".")[:2]] < [22, 3])' 2>/dev/null
}

# Sets `wheel` to the agent's own wheel: the newest in the folder, or one built from the checkout.
find_wheel() {
  if [[ -n $wheels ]]; then
    [[ ! -d $wheels ]] || wheel=$(find "$wheels" -maxdepth 1 -name 'emotion_agent-*.whl' | sort -V | tail -n 1)
    [[ -n $wheel ]] || fail "$wheels holds no emotion_agent wheel; make one with make_wheelhouse.sh"
    return
  fi
  source=${source:-$(dirname "$here")}
  [[ -f $source/pyproject.toml ]] || fail "$source is no checkout of emotion-agent; name one with --source"
  # A full path: pip would take a bare name for a package to download.
  source=$(readlink -f -- "$source")
  say "building the wheel from $source"
  "${pip[@]}" wheel --quiet --no-deps --wheel-dir "$scratch" "$source"
  wheel=$(find "$scratch" -maxdepth 1 -name 'emotion_agent-*.whl')
}

agent_of() { "$1/bin/python" -I -B -m agent "${@:2}"; } # RELEASE ARGUMENT…: its emotion-agent

# Sets `release` to the folder of exactly this wheel with these options, filled and proven to start.
make_release() {
  local version mark
  version=$(basename "$wheel" | cut -d- -f2)
  mark=$({ sha256sum <"$wheel"; "$python" -I -V; wants_site_packages && echo site; echo "$extras"
    [[ ! -f ${wheels:-/nowhere}/requirements.txt ]] || sha256sum <"$wheels/requirements.txt"
    (cd "$here" && find . -path ./packaging -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); } | sha256sum)
  release=$base/releases/$version-${mark:0:8}
  if [[ -f $release/.complete ]]; then
    say "version $version is already there"
    return
  fi
  say "installing version $version into $release"
  rm -rf "$release"
  mkdir -p "$base/releases"
  # Made where it stays: a virtual environment can't be moved.
  local flags=(--without-pip)
  if wants_site_packages; then flags+=(--system-site-packages); fi
  if ! { "$python" -I -m venv "${flags[@]}" "$release" && fill_release "$version" &&
    agent_of "$release" version >/dev/null; }; then
    rm -rf "$release"
    fail "version $version can't be installed, see above; nothing was changed"
  fi
  cp -R "$here" "$release/systemd"
  rm -rf "$release/systemd/packaging"
  chmod -R u=rwX,go=rX "$release/systemd"
  touch "$release/.complete"
}

fill_release() {
  local into=("${pip[@]}" --python "$release/bin/python" install --quiet --disable-pip-version-check)
  local wanted="$wheel${extras:+[$extras]}"
  if [[ -z $wheels ]]; then
    "${into[@]}" --constraint "$source/requirements.lock" "$wanted"
  elif [[ -f $wheels/requirements.txt ]]; then
    "${into[@]}" --no-index --find-links "$wheels" --require-hashes --requirement "$wheels/requirements.txt"
  else
    "${into[@]}" --no-index --find-links "$wheels" "$wanted"
  fi
}

point() { # LINK TARGET, without a moment in which the link is missing
  ln -sfn "$2" "$1.new"
  mv -T "$1.new" "$1"
}

in_use() { basename "$(readlink "$base/current" 2>/dev/null || true)"; }
previous() { basename "$(readlink "$base/previous" 2>/dev/null || true)"; }

switch_to() { # NAME of a release; the one in use becomes the previous one
  local old
  old=$(in_use)
  if [[ -n $old && $old != "$1" ]]; then point "$base/previous" "releases/$old"; fi
  point "$base/current" "releases/$1"
  point "$base/venv" current
  install_files "$1"
}

forget_other_releases() {
  local folder
  for folder in "$base"/releases/*/; do
    folder=$(basename "$folder")
    if [[ $folder != "$(in_use)" && $folder != "$(previous)" ]]; then
      rm -rf "${base:?}/releases/$folder"
    fi
  done
}

# Puts the unit and its companions of a release in place, so that going back takes those back too.
install_files() { # NAME of a release
  local files=$base/releases/$1/systemd
  mkdir -p "$(dirname "$command_link")"
  ln -sfn /opt/emotion-agent/venv/bin/emotion-agent "$command_link"
  ln -sfn current/systemd/install.sh "$base/install.sh"
  install -D -m 644 "$files/emotion-agent.service" "$units/$SERVICE.service"
  install -D -m 644 "$files/emotion-agent-provision.service" "$units/$SERVICE-provision.service"
  install -d "$units/multi-user.target.wants"
  ln -sfn "../$SERVICE-provision.service" "$units/multi-user.target.wants/$SERVICE-provision.service"
  install -D -m 644 "$files/emotion-agent.sysusers.conf" "$root/etc/sysusers.d/$SERVICE.conf"
  install -D -m 644 "$files/emotion-agent.tmpfiles.conf" "$root/etc/tmpfiles.d/$SERVICE.conf"
  if [[ -n $camera ]]; then install -D -m 644 "$files/drop-ins/$camera.conf" "$overrides/20-camera.conf"; fi
  [[ -d $(dirname "$config") ]] || install -d -m 750 "$(dirname "$config")"
  [[ -e $config ]] || install -m 640 "$files/config.toml" "$config"
  if [[ -z $root ]] && command -v systemd-sysusers systemd-tmpfiles >/dev/null; then
    systemd-sysusers "$SERVICE.conf"
    systemd-tmpfiles --create "$SERVICE.conf"
  fi
}

accepts_configuration() { agent_of "$base/releases/$1" check --config "$config"; }

# Started, ready within a minute, and still up without a restart after the settling time.
comes_up() {
  local restarts second
  systemctl daemon-reload
  systemctl reset-failed "$SERVICE" 2>/dev/null || true
  timeout "$START_LIMIT_S" systemctl restart "$SERVICE" || return 1
  restarts=$(systemctl show --property NRestarts --value "$SERVICE")
  for ((second = 0; second < settle_s; second++)); do
    sleep 1
    systemctl is-active --quiet "$SERVICE" || return 1
    [[ $(systemctl show --property NRestarts --value "$SERVICE") == "$restarts" ]] || return 1
  done
}

do_install() {
  [[ -z $camera || -f $here/drop-ins/$camera.conf ]] || fail "--camera $camera is not usb, pi-csi, jetson or rtsp"
  python=$(find_python)
  find_pip
  find_wheel
  make_release
  local new old before
  new=$(basename "$release") old=$(in_use) before=$(previous)
  if [[ -n $old && $old != "$new" && -e $config ]] &&
    accepts_configuration "$old" >/dev/null 2>&1 && ! accepts_configuration "$new"; then
    rm -rf "$release"
    fail "the new version refuses the present configuration, see above; $old stays in use"
  fi
  switch_to "$new"
  if ! accepts_configuration "$new"; then
    say "installed. Complete $config, then: sudo systemctl enable --now $SERVICE"
    return
  fi
  start_or_go_back "$new" "$old" "$before"
  forget_other_releases
}

start_or_go_back() { # NEW OLD BEFORE: the versions to come, of now, and to roll back to
  if ! is_live || [[ $start == no ]]; then
    say "installed; not started"
    return
  fi
  # In a subshell: without an address the agent counts all the same, and keeps its windows.
  (do_allow_broker) || say "run install.sh allow-broker once the network is up"
  systemctl enable --quiet "$SERVICE"
  if comes_up; then
    say "installed and running"
    return
  fi
  journalctl --unit "$SERVICE" --lines 15 --no-pager --output cat >&2 || true
  [[ -n $2 && $2 != "$1" ]] || fail "the service does not come up, see above; correct it and start it again"
  switch_to "$2"
  # What could be gone back to still can: only the unhealthy version disappears.
  if [[ -n $3 && $3 != "$1" ]]; then point "$base/previous" "releases/$3"; else rm -f "$base/previous"; fi
  forget_other_releases
  comes_up || fail "neither the new version nor $2 comes up, see above"
  fail "the new version was not healthy, see above; $2 is in use again"
}

do_rollback() {
  local old
  old=$(previous)
  [[ -n $old && -d $base/releases/$old ]] || fail "there is no previous version to go back to"
  accepts_configuration "$old" >/dev/null || fail "$old refuses the present configuration, see above"
  switch_to "$old"
  say "$old is in use again"
  if is_live && [[ $start == yes ]]; then comes_up || fail "$old does not come up; see journalctl -u $SERVICE"; fi
}

# Names in the configuration that the agent connects to: the broker and cameras on the network, whether as an
# address of any scheme or inside a pipeline.
hosts_in_configuration() {
  "$base/venv/bin/python" -I - "$config" <<'PYTHON'
import re, sys, tomllib, urllib.parse
with open(sys.argv[1], "rb") as file:
    tables = tomllib.load(file)
hosts = [tables.get("mqtt", {}).get("host", "localhost")]
for camera in tables.get("sources", {}).values():
    device = str(camera.get("device", ""))
    addresses = re.findall(r"""[A-Za-z][A-Za-z0-9+.-]*://[^\s"'!]+""", device)
    hosts += [urllib.parse.urlsplit(address).hostname for address in addresses]
    hosts += re.findall(r"""\b(?:host|address)\s*=\s*["']?([^\s"'!]+)""", device) if "!" in device else []
hosts = [host for host in dict.fromkeys(hosts) if host]
for host in hosts:
    if not re.fullmatch(r"[A-Za-z0-9_:%][A-Za-z0-9_.:%-]*", host):
        sys.exit(f"error: {host!r} is no name or address of a host")
print(*hosts, sep="\n")
PYTHON
}

do_allow_broker() {
  local host addresses='' found resolver=no hosts
  hosts=$(hosts_in_configuration) || fail "$config can't be read; run emotion-agent check"
  while read -r host; do
    found=$(getent ahosts -- "$host" | cut -d' ' -f1 | sort -u | tr '\n' ' ') || true
    [[ -n $found || $any_address == yes ]] || fail "$host has no address yet; try again when the network is up"
    addresses+=$found
    [[ $found == "$host " ]] || resolver=yes
  done <<<"$hosts"
  # A name is looked up again whenever the agent connects.
  if [[ $resolver == yes ]]; then
    addresses+=$(sed -n 's/^nameserver *//p' /etc/resolv.conf 2>/dev/null | tr '\n' ' ')
  fi
  [[ $any_address == no ]] || addresses=any
  install -d "$overrides"
  {
    echo "# Written by install.sh allow-broker from: $(tr '\n' ' ' <<<"$hosts")"
    echo '[Service]'
    echo "IPAddressAllow=$addresses"
  } >"$overrides/50-network.conf"
  chmod 644 "$overrides/50-network.conf"
  say "the service may reach: localhost $addresses"
  if is_live; then systemctl daemon-reload; fi
}

do_uninstall() {
  if is_live; then systemctl disable --now --quiet "$SERVICE" 2>/dev/null || true; fi
  rm -rf "${base:?}" "$command_link" "$units/$SERVICE.service" "$units/multi-user.target.wants/$SERVICE.service" \
    "$units/$SERVICE-provision.service" "$units/multi-user.target.wants/$SERVICE-provision.service" \
    "$overrides/20-camera.conf" "$overrides/50-network.conf" \
    "$root/etc/sysusers.d/$SERVICE.conf" "$root/etc/tmpfiles.d/$SERVICE.conf"
  rmdir "$overrides" "$root/etc/sysusers.d" 2>/dev/null || true # where nobody else uses them
  if [[ $purge == yes ]]; then
    rm -rf "$root/etc/emotion-agent" "$root/var/lib/emotion-agent" "$root/var/lib/private/emotion-agent" \
      "$overrides" "$root/etc/credstore/$SERVICE.mqtt-password"
    rmdir "$root/etc/credstore" 2>/dev/null || true
    if [[ -z $root ]] && id "$SERVICE" >/dev/null 2>&1; then userdel "$SERVICE"; fi
    say "removed, with configuration, credentials and unsent windows"
  else
    say "removed; $root/etc/emotion-agent and unsent windows were kept (--purge removes them)"
  fi
  if is_live; then systemctl daemon-reload; fi
}

[[ -n $root || $EUID == 0 ]] || fail "only root can change the system; use sudo"
case $action in
  install) do_install ;;
  rollback) do_rollback ;;
  allow-broker) do_allow_broker ;;
  uninstall) do_uninstall ;;
esac
