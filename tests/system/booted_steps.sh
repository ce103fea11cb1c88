#!/usr/bin/env bash
# The promises that booted_root.sh checks one after another; sourced by it.
# shellcheck disable=SC2154 # its variables
set -euo pipefail

readonly boot_errors=/boot/firmware/emotion-agent.errors.txt
readonly password=/etc/credstore/emotion-agent.mqtt-password

install_and_first_boot() {
  title "offline install in the booted root"
  local begun
  begun=$(now)
  promise "the system has no network" not inside ip route get 198.51.100.1
  install_version "$version"
  printf '      installed in %s s\n' "$(seconds_since "$begun")"
  promise "no code of the folder it was started in has run" not inside test -e /run/stranger
  promise "it waits for a configuration" not inside systemctl is-active --quiet emotion-agent

  title "files on the boot partition that are refused"
  put_configuration_on_the_boot_partition
  ln -s /etc/hostname "$root$boot_errors"
  promise "one that lowers privacy is" not inside systemctl start emotion-agent-provision
  promise "the reason is beside it" grep "min_count = 1 is lower than this image allows" "$root$boot_errors"
  promise "in a file, not through a link that waited there" not test -L "$root$boot_errors"
  let_the_image_allow_single_people
  sed -i /^username/d "$root$boot_file"
  promise "a password without a user is" not inside systemctl start emotion-agent-provision
  promise "the reason is beside it" grep "set mqtt.username" "$root$boot_errors"
  promise "the device takes nothing of either" not grep -r '^device = "booted"' "$root/etc/emotion-agent"

  title "first boot with a file on the boot partition"
  put_configuration_on_the_boot_partition
  halt
  begun=$(now)
  boot
  promise "the service runs without another command" within 60 inside systemctl is-active --quiet emotion-agent
  promise "the file is gone from the boot partition" not test -e "$root$boot_file"
  promise "and the reasons are too" not test -e "$root$boot_errors"
  promise "the configuration is not for everybody" is_owned "640 root:emotion-agent" /etc/emotion-agent/config.toml
  promise "the password is in the credential store" is_owned "600 root:root" "$password"
  promise "and not in the configuration" not grep -r first-boot-secret "$root/etc/emotion-agent"
  promise "the address filter is written for all to read" is_owned "644 root:root" \
    /etc/systemd/system/emotion-agent.service.d/50-network.conf
  promise "birth, health and counts arrive" within 60 counts_anew "$version"
  printf '      counting %s s after power-on\n' "$(seconds_since "$begun")"
  put_configuration_on_the_boot_partition
  promise "a second file is refused" not inside systemctl start emotion-agent-provision
  promise "the reason is beside it" grep "was provisioned on" "$root$boot_errors"
  rm "$root$boot_file" "$root$boot_errors"
  inside systemctl reset-failed emotion-agent-provision
}

is_owned() { [[ $(inside stat -c '%a %U:%G' "$2") == "$1" ]]; }

counts_over_mqtt() {
  title "systemctl status emotion-agent"
  inside systemctl status --no-pager --lines 0 emotion-agent | sed 's/^/      /'
  title "mosquitto_sub"
  promise "health arrives" within 30 heard '/health .*"state":"'
  for topic in availability birth 'counts/entrance .*"people":[1-9]' health; do show "/$topic" 300; done
  promise "the networks are signed" heard '/birth .*"signed_by":"[0-9a-f]'
}

sandbox() {
  title "systemd-analyze security emotion-agent"
  local score probe=$root/etc/systemd/system/emotion-agent-probe.service
  score=$(inside systemd-analyze security --no-pager emotion-agent | sed -n '$s/[^0-9]*\([0-9.]*\) .*/\1/p')
  printf '      exposure level %s\n' "$score"
  promise "it is 1.5 or below" awk "BEGIN { exit !($score <= 1.5) }"
  score=$(inside systemd-analyze security --no-pager emotion-agent-provision | sed -n '$s/[^0-9]*\([0-9.]*\) .*/\1/p')
  printf '      of provisioning %s\n' "$score"
  promise "it is 2.5 or below" awk "BEGIN { exit !($score <= 2.5) }"

  title "what the sandbox refuses, tried in it and bare as the same user"
  inside systemd-run --quiet --pipe --wait --uid=emotion-agent /offer/booted_probe.py >"$work/bare.txt"
  sed -e 's|^ExecStart=.*|ExecStart=/offer/booted_probe.py|' -e 's/^Type=.*/Type=oneshot/' \
    -e '/^WatchdogSec=/d' -e '/^Restart/d' "$root/etc/systemd/system/emotion-agent.service" >"$probe"
  sed -i 's|^Type=.*|&\nStandardOutput=truncate:/run/probe.txt|' "$probe"
  inside systemctl daemon-reload
  promise "the probe runs in the unit's sandbox" inside systemctl start emotion-agent-probe
  inside cat /run/probe.txt >"$work/unit.txt"
  rm "$probe"
  inside systemctl daemon-reload
  local directive bare_outcome outcome
  while read -r directive bare_outcome outcome; do
    case $bare_outcome-$outcome in
      allowed-refused) printf '  ok  %s\n' "$directive" ;;
      refused-refused) printf '   =  %s: refused here anyway\n' "$directive" ;;
      *)
        lacks_controller_of "$directive" || fail "not so: the unit's $directive holds"
        printf '   -  %s: not enforced, this container has no such controller\n' "$directive"
        ;;
    esac
  done < <(join "$work/bare.txt" "$work/unit.txt")
}

lacks_controller_of() { # DIRECTIVE
  local controller
  case $1 in MemoryMax | MemorySwapMax) controller=memory ;; TasksMax) controller=pids ;; *) return 1 ;; esac
  ! inside grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers
}

watchdog() {
  title "SIGSTOP to the main process"
  local begun restarts
  begun=$(now)
  restarts=$(of_service NRestarts)
  from_here_on
  inside systemctl kill --kill-who=main --signal=STOP emotion-agent
  promise "the watchdog restarts it" within 90 has_restarted "$restarts"
  printf '      after %s s\n' "$(seconds_since "$begun")"
  promise "the journal says why" inside sh -c 'journalctl --unit emotion-agent --no-pager | grep "Watchdog timeout"'
  promise "it counts again" within 60 counts_anew "$version"
}

upgrade_and_rollback() {
  title "upgrade to $newer while the broker is away"
  local outcome=0 config
  config=$(inside sha256sum /etc/emotion-agent/config.toml)
  inside systemctl stop mosquitto
  promise "windows wait in the queue" within 60 holds_queued 2
  queued >"$work/queued"
  from_here_on
  install_version "$newer"
  promise "$newer is in use" is_version "$newer"
  promise "the configuration is the same" test "$(inside sha256sum /etc/emotion-agent/config.toml)" = "$config"
  promise "the $(wc -l <"$work/queued") windows of before are still queued" still_queued "$work/queued"
  inside systemctl start mosquitto
  promise "they arrive late" within 60 came_late "$work/queued"
  promise "$newer counts" within 60 counts_anew "$newer"

  title "upgrade to $unhealthy, whose daemon exits at once"
  from_here_on
  install_version "$unhealthy" || outcome=$?
  promise "the script exits 1" test "$outcome" = 1
  promise "$newer is in use again" is_version "$newer"
  promise "the configuration is the same" test "$(inside sha256sum /etc/emotion-agent/config.toml)" = "$config"
  promise "$newer counts again" within 60 counts_anew "$newer"
  promise "$unhealthy left nothing" not test -e "$root/opt/emotion-agent/releases/$unhealthy"-*

  title "install.sh rollback"
  from_here_on
  promise "the script goes back" inside /opt/emotion-agent/install.sh rollback
  promise "$version is in use" is_version "$version"
  promise "$version counts" within 60 counts_anew "$version"
}

# --- nothing left behind ----------------------------------------------------------------------------------

# Paths that may differ from before the install: a pattern without spaces, and why.
readonly IGNORED=(
  '/(var/)?tmp/systemd-private-[0-9a-f]+-systemd-logind the private /tmp of another service, named anew at each boot'
  '/etc/(passwd|shadow|group|gshadow)-$ the copy from before the last change of an account; the accounts are compared'
  '/var/(cache|lib|log)/apt/ records of apt, which are no part of a package'
  '/var/lib/dpkg/[a-z]+-old$ the copy from before the last change of a package; the packages are compared'
  '/var/lib/mosquitto/mosquitto.db$ what the broker itself writes when it is stopped'
)
# What an uninstall without --purge keeps, with the account that owns it.
readonly KEPT='/etc/emotion-agent(/config.toml|/provisioned)?|/etc/credstore(/emotion-agent.mqtt-password)?|/var/lib/emotion-agent'\
'|/var/lib/private/emotion-agent(/unsent.sqlite3(-wal|-shm)?|/backend-choice.json)?|/etc/g?shadow|/etc/passwd'\
'|/etc/group'

list_files() { # OUT: type and path of everything, and the content of /etc
  inside sh -c 'find / /tmp -xdev -printf "%y %p\n"; find /etc -xdev -type f -exec sha256sum {} +' |
    LC_ALL=C sort -u >"$1"
}

# Writes what came or went since the list of before into WORK_DIR/differences, and says what it left out.
compare_files() {
  local each pattern left_out
  list_files "$work/files.after"
  LC_ALL=C comm -3 "$work/files.before" "$work/files.after" | tr -d '\t' >"$work/differences"
  for each in "${IGNORED[@]}"; do
    pattern="^[^ ]+ +${each%% *}"
    left_out=$(grep -cE "$pattern" "$work/differences" || true)
    ((left_out == 0)) || printf '      left out, %s lines: %s (%s)\n' "$left_out" "${each%% *}" "${each#* }"
    sed -i -E "\\:$pattern:d" "$work/differences"
  done
}

uninstall() {
  title "install.sh uninstall, with windows in the queue"
  inside systemctl stop mosquitto
  promise "windows wait in the queue" within 60 holds_queued 1
  inside /opt/emotion-agent/install.sh uninstall
  compare_files
  promise "nothing but what belongs to the owner is left" not grep -vE "^[^ ]+ +($KEPT)\$" "$work/differences"
  promise "the configuration is kept" test -s "$root/etc/emotion-agent/config.toml"
  promise "the credential is kept" test -s "$root$password"
  promise "the queue is kept" test -s "$root$state/unsent.sqlite3"

  title "install.sh uninstall --purge"
  inside "/offer/$version/systemd/install.sh" uninstall --purge
  compare_files
  promise "of $(wc -l <"$work/files.before") files, folders and digests none differs" not grep . "$work/differences"
}

debian_package() {
  local config
  title "apt install of the Debian package"
  inside systemctl start mosquitto
  from_here_on
  with_apt install "/offer/debs/emotion-agent_${version}_$(dpkg --print-architecture).deb"
  let_the_image_allow_single_people
  put_configuration_on_the_boot_partition
  promise "provisioning runs on demand too" inside systemctl start emotion-agent-provision
  promise "the file is gone from the boot partition" not test -e "$root$boot_file"
  promise "$version counts" within 60 counts_anew "$version"

  title "apt install of a newer one"
  config=$(inside sha256sum /etc/emotion-agent/config.toml)
  from_here_on
  with_apt install "/offer/debs/emotion-agent_${newer}_$(dpkg --print-architecture).deb"
  promise "$newer is in use" is_version "$newer"
  promise "the configuration is the same" test "$(inside sha256sum /etc/emotion-agent/config.toml)" = "$config"
  promise "$newer counts" within 60 counts_anew "$newer"

  title "apt purge"
  with_apt purge emotion-agent
  compare_files
  promise "no file, folder or digest differs from before" not grep . "$work/differences"
}

with_apt() { inside env DEBIAN_FRONTEND=noninteractive apt-get "$1" --yes --quiet=2 --option Dpkg::Use-Pty=0 "$2"; }
