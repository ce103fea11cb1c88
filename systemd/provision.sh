#!/usr/bin/env bash
# First boot: takes emotion-agent.toml from the boot partition into use, once, and removes it from there.
#
# The file is a whole configuration (see config.toml). Its last table may be
#
#   [provision]
#   mqtt_password = "…"
#
# which goes into systemd's credential store and not into the configuration. Whoever holds the card can write that
# file, so it is obeyed once (/etc/emotion-agent/provisioned says when; remove that to allow it again), never lowers
# what the image's own configuration says of privacy, and has to be signed where the image has a public key for it
# (/etc/emotion-agent/provision.pem; see agent/docs/supply-chain.md). It is checked as the service will read it. A
# file that is refused stays where it is, with the reasons in emotion-agent.errors.txt beside it, so that whoever
# put the card into a computer can read them. Overwriting a file on a memory card does not reach every old copy of
# its cells: give each device a password of its own, that can be revoked.
#
#   provision.sh [--boot DIR] [--root DIR]        --root is for tests and images; it starts nothing
set -euo pipefail
umask 077
unset "${!PYTHON@}" # or they would choose whose code runs as root

root='' boot=''
while (($#)); do
  [[ $# -gt 1 && $2 != -* ]] || { printf 'error: %s needs a value\n' "$1" >&2; exit 1; }
  case $1 in
    --root) root=${2%/} ;;
    --boot) boot=$2 ;;
    *) printf 'error: unknown argument %s\n' "$1" >&2; exit 1 ;;
  esac
  shift 2
done

readonly base=$root/opt/emotion-agent
readonly folder=$root/etc/emotion-agent
readonly store=$root/etc/credstore
readonly password=$store/emotion-agent.mqtt-password
readonly user=emotion-agent
agent=("$base/venv/bin/python" -I -B -m agent)

if [[ -z $boot ]]; then
  for boot in "$root/boot/firmware" "$root/boot"; do
    [[ ! -f $boot/emotion-agent.toml ]] || break
  done
fi
readonly given=$boot/emotion-agent.toml
readonly errors=$boot/emotion-agent.errors.txt
[[ -f $given ]] || { echo "nothing to provision: $given is not there"; exit 0; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/credentials"

refuse() { # the file stays; the reasons go beside it, into a new file and through no link, and into the journal
  sed -i "s|$scratch/config.toml|emotion-agent.toml|g" "$scratch/errors"
  cat "$scratch/errors" >&2
  rm -f -- "$errors" || true
  (set -o noclobber && cat "$scratch/errors" >"$errors") || true
  exit 1
}

# Replaces a file whole, so that a power cut leaves the old or the new one.
put() { # MODE FROM TO
  install -m "$1" "$2" "$3.new"
  [[ -n $root || $1 != 640 ]] || chown "root:$user" "$3.new"
  sync "$3.new"
  mv -T "$3.new" "$3"
}

# As the service will read it: with its account and its credentials.
check_as_the_service() {
  local as=() secret
  for secret in "$scratch/mqtt-password" "$password"; do # what is given wins over what is there
    [[ ! -f $secret ]] || { cp "$secret" "$scratch/credentials/mqtt-password" && break; }
  done
  if [[ -z $root ]]; then
    as=(setpriv --reuid "$user" --regid "$user" --init-groups --)
    # Root's, so that it can be removed again: the unit takes the power over others' files from root.
    chgrp -R "$user" "$scratch"
    chmod -R g=rX "$scratch"
  fi
  CREDENTIALS_DIRECTORY=$scratch/credentials "${as[@]}" "${agent[@]}" check --config "$scratch/config.toml"
}

if [[ -e $folder/provisioned ]]; then
  echo "error: this device was provisioned on $(<"$folder/provisioned"): on the device, remove" \
    "/etc/emotion-agent/provisioned to allow it once more" >"$scratch/errors"
  refuse
fi
options=()
[[ ! -e $folder/config.toml ]] || options+=(--limits "$folder/config.toml")
[[ ! -e $folder/provision.pem ]] || options+=(--key "$folder/provision.pem")
[[ ! -L $given ]] || { echo "error: emotion-agent.toml is a link: put the file itself there" >"$scratch/errors"; refuse; }
"${agent[@]}" provision "$given" --into "$scratch" "${options[@]}" 2>"$scratch/errors" || refuse
check_as_the_service >/dev/null 2>"$scratch/errors" || refuse

install -d -m 750 "$folder"
[[ -n $root ]] || chown "root:$user" "$folder"
install -d -m 700 "$store"
[[ ! -f $scratch/mqtt-password ]] || put 600 "$scratch/mqtt-password" "$password"
put 640 "$scratch/config.toml" "$folder/config.toml"
date -u +%FT%TZ >"$scratch/provisioned"
put 600 "$scratch/provisioned" "$folder/provisioned"
sync
shred --remove --zero "$given" 2>/dev/null || rm -f "$given"
rm -f -- "$errors" "$given.sig" || true
sync
echo "provisioned from $given"
if [[ -z $root && -d /run/systemd/system ]]; then
  "$base/install.sh" allow-broker || true
  systemctl enable --quiet emotion-agent
  systemctl restart --no-block emotion-agent
fi
