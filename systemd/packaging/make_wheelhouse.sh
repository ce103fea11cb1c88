#!/usr/bin/env bash
# Makes the folder for an offline install: the agent's wheel, all it depends on, and their hashes.
#
#   make_wheelhouse.sh DIR [--extras NAMES] [--python-version 3.11] [--platform manylinux_2_28_aarch64]…
#
# Run it on a machine with a network, carry DIR to the device, and there: install.sh --wheels DIR
# The versions are those of requirements.lock; DIR/requirements.txt holds the hash of every wheel, and the
# install refuses a wheel that differs. DIR/sbom.cdx.json lists them, and the networks, as a bill of materials
# (CycloneDX). --platform prepares for another kind of machine than this one, and may
# be given several times, best first.
set -euo pipefail
umask 022

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
source=$(dirname "$(dirname "$here")")
python=${PYTHON:-python3}
unset "${!PYTHON@}" # what they name is not for the build
folder='' extras='' version='' platforms=()

while (($#)); do
  case $1 in
    --extras | --python-version | --platform)
      (($# > 1)) || fail "$1 needs a value"
      case $1 in
        --extras) extras=$2 ;; --python-version) version=$2 ;; --platform) platforms+=("$2") ;;
      esac
      shift
      ;;
    -*) fail "unknown option $1; see the first lines of this script" ;;
    *) folder=$1 ;;
  esac
  shift
done
[[ -n $folder ]] || fail "name the folder to make"
[[ -f $source/pyproject.toml ]] || fail "this script works in a checkout of emotion-agent"

mkdir -p "$folder"
rm -f "$folder"/*.whl "$folder/requirements.txt" "$folder/sbom.cdx.json"
"$python" -I -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$source"
wheel=$(find "$folder" -name 'emotion_agent-*.whl')
target=()
for platform in "${platforms[@]}"; do target+=(--platform "$platform"); done
[[ -z $version ]] || target+=(--python-version "$version")
"$python" -I -m pip download --quiet --only-binary :all: --dest "$folder" --constraint "$source/requirements.lock" \
  "${target[@]}" "$wheel${extras:+[$extras]}"

# One line per distribution; the file name of a wheel is name-version-tags.whl.
for path in "$folder"/*.whl; do
  name=$(basename "$path")
  printf '%s==%s --hash=sha256:%s\n' "$(cut -d- -f1 <<<"$name")" "$(cut -d- -f2 <<<"$name")" \
    "$(sha256sum "$path" | cut -d' ' -f1)"
done | LC_ALL=C sort >"$folder/requirements.txt"
"$python" -I -S -B -c 'import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_module("agent.commands.sbom.cyclonedx", run_name="__main__", alter_sys=True)' "$source" "$folder" \
  >"$folder/sbom.cdx.json"
printf '%s wheels, %s, in %s\n' "$(wc -l <"$folder/requirements.txt")" \
  "$(du -sh "$folder" | cut -f1)" "$folder"
