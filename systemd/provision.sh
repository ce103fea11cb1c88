#!/usr/bin/env bash
# First boot: takes emotion-agent.toml from the boot partition into use and removes it from there.
#
# The file is a whole configuration (see config.toml). Its last table may be
#
#   [provision]
#   mqtt_password = "…"
#
# which goes into systemd's credential store and not into the configuration. A file that is refused stays
# where it is, with the reasons in emotion-agent.errors.txt beside it, so that whoever put the card into a
# computer can read them. Overwriting a file on a memory card does not reach every old copy of its cells:
# give each device a password of its own, that can be revoked.
#
#   provision.sh [--boot DIR] [--root DIR]        --root is for tests and images; it starts nothing
set -euo pipefail

root='' boot=''
while (($#)); do
  case $1 in
    --root) root=${2%/} ; shift ;;
    --boot) boot=$2 ; shift ;;
    *) printf 'error: unknown argument %s\n' "$1" >&2; exit 1 ;;
  esac
  shift
done

readonly base=$root/opt/emotion-agent
readonly folder=$root/etc/emotion-agent
readonly store=$root/etc/credstore
readonly agent=$base/venv/bin/emotion-agent

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
umask 077

refuse() { # the file stays; the reasons go beside it and into the journal
  tee "$errors" <"$scratch/errors" >&2
  exit 1
}

# The configuration is the text before [provision]; both are compared as parsed, so nothing slips through.
if ! "$base/venv/bin/python" - "$given" "$scratch" 2>"$scratch/errors" <<'PYTHON'
import pathlib, re, sys, tomllib
given, scratch = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
try:
    text = given.read_text(encoding="utf-8-sig")
    whole = tomllib.loads(text)
    secrets = whole.pop("provision", {})
    head = re.split(r"(?m)^\s*\[provision\]", text)[0]
    if tomllib.loads(head) != whole:
        sys.exit("error: [provision] must be the last table of emotion-agent.toml; move it to the end")
    if unknown := set(secrets) - {"mqtt_password"}:
        sys.exit(f"error: unknown key provision.{sorted(unknown)[0]}; the only one is mqtt_password")
    password = secrets.get("mqtt_password")
    if password is not None and (not isinstance(password, str) or not password or "\n" in password):
        sys.exit("error: provision.mqtt_password must be one line of text")
except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
    sys.exit(f"error: emotion-agent.toml is not valid TOML: {error}; correct that line")
(scratch / "config.toml").write_text(head, encoding="utf-8")
if password is not None:
    (scratch / "password").write_text(password, encoding="utf-8")
PYTHON
then
  refuse
fi
"$agent" check --config "$scratch/config.toml" >/dev/null 2>"$scratch/errors" || refuse

install -D -m 640 "$scratch/config.toml" "$folder/config.toml"
[[ -n $root ]] || chown root:emotion-agent "$folder/config.toml"
if [[ -f $scratch/password ]]; then
  install -d -m 700 "$store"
  install -m 600 "$scratch/password" "$store/emotion-agent.mqtt-password"
fi
shred --remove --zero "$given" 2>/dev/null || rm -f "$given"
rm -f "$errors"
sync
echo "provisioned from $given"
if [[ -z $root && -d /run/systemd/system ]]; then
  "$base/install.sh" allow-broker || true
  systemctl enable --quiet emotion-agent
  systemctl restart --no-block emotion-agent
fi
