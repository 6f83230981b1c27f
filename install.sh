#!/bin/sh
# Installs, upgrades or removes anomaly-detector on Debian and Ubuntu with systemd:
#     curl -fsSL URL/install.sh | sudo sh             the detector, and nginx with Nextcloud in compose
#     sudo ./install.sh --detector-only               from a checkout (builds) or an unpacked release
# The same line again upgrades, or changes nothing. --help lists the rest. Exit codes: 0 done, 1 failed,
# 2 usage, 3 not for this machine, 4 not what was signed, 5 the new one did not come up and the old one is back.
# All of it stands in one { } block: of a download that was cut short, the shell runs nothing.
# shellcheck disable=SC2317  # called by trap, and through change()
{
set -euf
umask 077
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
BASE_URL=${ANOMALY_DETECTOR_BASE_URL:-https://get.anomaly-detector.example}
PUBLIC_KEY=''     # ed25519, one line of base64; `bun run release` writes it here
THIS_VERSION=dev  # and this
NAME=anomaly-detector
BINARY=/usr/local/bin/$NAME ETC=/etc/$NAME STATE=/var/lib/$NAME LOGS=/var/log/$NAME SHARE=/usr/local/share/$NAME
OPT=/opt/$NAME NGINX_LOGS=/var/log/hng-nginx UNITS=/etc/systemd/system RUN_LOG=/var/log/$NAME-install.log
CONFIG=$ETC/$NAME.yaml WEBHOOK=$ETC/credentials/webhook HASH=$ETC/dashboard.hash PASSWORD=$ETC/dashboard.password HEALTH_SECONDS=30
# Docker before 27 only keeps IPv6 clients of published ports apart with this.
DAEMON_JSON='{ "experimental": true, "ip6tables": true }'
dry='' action=install stack=yes only='' wanted=${ANOMALY_DETECTOR_VERSION:-} from='' webhook='' allow='' public=''
channel=${ANOMALY_DETECTOR_CHANNEL:-stable} tmp='' log=/dev/null stage='' sum='' unproven='' restart='' changes=0 was_active='' new_docker=''

usage() {
  cat <<'END'
usage: install.sh [options]
  --dry-run                  list every change, make none
  --detector-only            this host has an nginx: find its JSON log; no Docker, no Nextcloud
  --no-stack                 no nginx and Nextcloud in compose
  --allow CIDR               never ban this address or range; may be given several times (first install)
  --slack-webhook-file FILE  file whose only line is the Slack webhook URL
  --public-dashboard         serve the dashboard on every address, with a login (first install)
  --from FILE                install this archive; SHA256SUMS and SHA256SUMS.sig lie beside it
  --version [VERSION]        install that version; alone: print the installer's own
  --channel NAME             stable (default) or another that is published
  --non-interactive          accepted; nothing is ever asked
  --uninstall                remove program, unit and firewall rules; keep configuration, state and logs
  --purge                    remove those too (Nextcloud's data volumes stay)
END
}
say() { printf '%s\n' "$*"; printf '%s\n' "$*" >>"$log"; }
warn() { printf '%s: %s\n' "$NAME" "$*" >&2; printf '%s\n' "$*" >>"$log"; }
die() { code=$1; shift; warn "$*"; exit "$code"; }
has() { command -v "$1" >/dev/null 2>&1; }
# change WORDS COMMAND...: says it, and does it unless this is a dry run. Output goes to the log of the run.
change() {
  changes=$((changes + 1)); say "  $1"; shift
  [ -n "$dry" ] || "$@" >>"$log" 2>&1 </dev/null
}

parse() {
  while [ $# -gt 0 ]; do
    case $1 in --slack-webhook-file|--from|--allow|--channel) [ $# -gt 1 ] || die 2 "$1 needs a value" ;; esac
    case $1 in
      --dry-run) dry=yes ;;
      --detector-only) only=yes stack='' ;;
      --no-stack) stack='' ;;
      --uninstall) [ "$action" = purge ] || action=uninstall ;;
      --purge) action=purge ;;
      --public-dashboard) public=yes ;;
      --non-interactive) ;;
      --slack-webhook-file) webhook=$2; shift ;;
      --from) from=$2; shift ;;
      --allow) is_source "$2" || die 2 "--allow $2: not an address or CIDR"; allow="$allow $2"; shift ;;
      --channel) channel=$2; shift ;;
      --version=*) wanted=${1#*=} ;;
      --version) case ${2:--} in -*) say "$NAME installer $THIS_VERSION"; exit 0 ;; *) wanted=$2; shift ;; esac ;;
      -h|--help) usage; exit 0 ;;
      *) usage >&2; die 2 "unknown option $1" ;;
    esac
    shift
  done
  case $wanted$channel in *[!A-Za-z0-9.+~-]*) die 2 "not a version or channel: $wanted $channel" ;; esac
}
is_source() { printf '%s' "$1" | grep -Eq '^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)(/[1-9][0-9]{0,2})?$'; }

finish() {
  code=$?; trap - EXIT; set +e
  [ -z "$unproven" ] || { roll_back; code=5; }
  [ -z "$tmp" ] || rm -rf "$tmp"
  exit "$code"
}

# ---- what this machine is, and what stands in the way; nothing is changed here ----
preflight() {
  [ "$(id -u)" = 0 ] || die 1 "needs root: run it with sudo"
  case $(uname -s)-$(uname -m) in Linux-x86_64) arch=x64 ;; Linux-aarch64) arch=arm64 ;; *) die 3 "there is no build for $(uname -sm): Linux on x86_64 or aarch64 only" ;; esac
  [ $arch != x64 ] || grep -qw sse4_2 /proc/cpuinfo || die 3 "needs a CPU with SSE4.2: of a virtual machine, set the CPU type to host or x86-64-v2" # AVX is not needed
  getconf GNU_LIBC_VERSION >/dev/null 2>&1 || die 3 "needs glibc, this is musl or another: use Debian or Ubuntu"
  systemd='' systemd_version=0; if [ -d /run/systemd/system ]; then systemd=yes systemd_version=$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p'); fi
  [ -z "$systemd" ] || [ "$systemd_version" -ge 247 ] || die 3 "needs systemd 247 or newer (Debian 11, Ubuntu 22.04); this is $systemd_version"
  upgrade=''; [ ! -x "$BINARY" ] || upgrade=yes
}
note() { say "note: $*"; }
active() { [ -n "$systemd" ] && systemctl -q is-active "$1"; }
survey() {
  [ -z "$webhook" ] || [ -r "$webhook" ] || die 1 "--slack-webhook-file $webhook: cannot be read"
  need=300 least=150; [ -z "$stack" ] || need=2500 least=1000
  free=$(df -Pm /var/lib | awk 'NR == 2 { print $4 }') memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
  [ "$free" -ge "$need" ] || die 1 "only $free MB free on the disk of /var/lib, $need are needed: make room, or use --no-stack"
  [ "$memory" -ge "$least" ] || note "only $memory MB of memory are free, $least are advised: stop something, or add swap"
  [ "$(date +%Y)" -ge 2026 ] || die 1 "the clock says $(date): set it (timedatectl set-ntp true)"
  [ "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)" != no ] || note "the clock is not synchronised: timedatectl set-ntp true (bans are timed by it)"
  for p in fail2ban crowdsec sshguard; do ! active $p || note "$p is running too, and both may ban: disable one (systemctl disable --now $p) or leave both, their rules do not meet"; done
  ! ufw status 2>/dev/null | grep -q '^Status: active' || note "ufw is active: our rules stand before its own; nothing to do"
  ! active firewalld || note "firewalld is active: its reload drops our rules; they are back within 30 s"
  ! docker ps --format '{{.Ports}}' 2>/dev/null | grep -q -- '->' || note "Docker publishes ports: bans act before Docker (raw/PREROUTING), so they hold there too"
  ! iptables -V 2>/dev/null | grep -q nf_tables || ! iptables-legacy-save 2>/dev/null | grep -q '^-A' ||
    note "rules of iptables-legacy and iptables-nft are mixed: update-alternatives --config iptables chooses one"
  if [ -n "$stack" ] && [ ! -e "$OPT/docker-compose.yml" ] && listener 80; then die 1 "port 80 is in use by $holder: stop it, or protect it with --detector-only"; fi
  port=8080
  while [ ! -e "$CONFIG" ] && [ $port -lt 8099 ] && listener $port; do note "port $port is in use by $holder: the dashboard takes $((port + 1))"; port=$((port + 1)); done
  find_log
}
listener() { # PORT: is it taken? $holder says by whom
  holder=$(ss -Hltnp "sport = :$1" | sed -n '1{s/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (pid \2)/p;}')
  [ -n "$holder" ] || [ -z "$(ss -Hltn "sport = :$1")" ] || holder='another program'
  [ -n "$holder" ]
}
find_log() {
  logfile=$NGINX_LOGS/hng-access.log
  [ -n "$only" ] || return 0
  logfile=/var/log/nginx/hng-access.log
  for f in "$logfile" "$NGINX_LOGS/hng-access.log" $(find /var/log/nginx -maxdepth 1 -name '*.log' 2>/dev/null | grep '^[A-Za-z0-9._/-]*$' | sort); do
    if tail -n 1 "$f" 2>/dev/null | grep -q '^{.*"status"'; then logfile=$f; say "nginx's JSON log: $f"; return 0; fi
  done
  note "no JSON access log of nginx was found. Put these into nginx's http block, then nginx -s reload:
        include $SHARE/log-format.conf; access_log $logfile hng;"
}
# The address this very session comes from; sudo hides it, a process above us still has it.
ssh_client() {
  [ -z "${SSH_CONNECTION:-}" ] || { printf '%s\n' "${SSH_CONNECTION%% *}"; return 0; }
  p=$$
  while [ "${p:-0}" -gt 1 ]; do
    c=$(tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=\([^ ]*\) .*/\1/p')
    [ -z "$c" ] || { printf '%s\n' "$c"; return 0; }
    p=$(sed 's/.*) . //' "/proc/$p/stat" 2>/dev/null | cut -d' ' -f1)
  done
}

# ---- the release: fetched, verified, unpacked into $stage ----
fetch() { # URL FILE: tried three times, whatever went wrong: curl and wget differ in what they would try again
  for pause in 1 2 ''; do
    if has curl; then curl -fsSL --connect-timeout 15 --speed-limit 1 --speed-time 30 -o "$2" "$1"; else wget -q --tries=1 --timeout=30 -O "$2" "$1"; fi </dev/null 2>>"$log" && return 0
    [ -z "$pause" ] || sleep "$pause"
  done
  die 1 "cannot download $1 (behind a proxy: https_proxy, which sudo -E hands on; offline: --from FILE)"
}
verify() { # DIRECTORY
  [ -n "$PUBLIC_KEY" ] || die 4 "this copy of install.sh carries no public key to verify with: use the one of a release"
  openssl pkeyutl -help 2>&1 | grep -q -e -rawin || die 3 "needs OpenSSL 3 to verify (Debian 12, Ubuntu 22.04), or ./install.sh of an archive that you verified elsewhere: this is $(openssl version)"
  printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$PUBLIC_KEY" >"$tmp/key.pem"
  openssl pkeyutl -verify -pubin -inkey "$tmp/key.pem" -rawin -in "$1/SHA256SUMS" -sigfile "$1/SHA256SUMS.sig" >>"$log" 2>&1 ||
    die 4 "the signature of SHA256SUMS is not ours: nothing was installed"
}
obtain() {
  here=''; case $0 in */install.sh|install.sh) here=$(cd "$(dirname "$0")" && pwd) ;; esac
  [ -z "$from" ] || here=''
  if [ -n "$here" ] && [ -f "$here/src/main.ts" ]; then build; return 0; fi
  if [ -n "$here" ] && [ -x "$here/$NAME" ]; then stage=$here program=$here/$NAME; return 0; fi
  packages openssl
  if [ -n "$from" ]; then
    [ -f "$from" ] || die 2 "--from $from: no such file"
    dir=$(cd "$(dirname "$from")" && pwd) archive=$(basename "$from")
    for f in SHA256SUMS SHA256SUMS.sig; do [ -f "$dir/$f" ] || die 4 "$dir/$f is missing: it is needed to verify $archive"; done
    verify "$dir"
  else
    url=$BASE_URL; [ "$channel" = stable ] || url=$url/$channel; [ -z "$wanted" ] || url=$url/v${wanted#v}; dir=$tmp/get; mkdir "$dir"
    fetch "$url/SHA256SUMS" "$dir/SHA256SUMS"; fetch "$url/SHA256SUMS.sig" "$dir/SHA256SUMS.sig"; verify "$dir"
    archive=$(sed -n "s/^[0-9a-f]\{64\}  \($NAME-[A-Za-z0-9.+~-]*-linux-$arch\.tar\.gz\)\$/\1/p" "$dir/SHA256SUMS" | head -n 1)
    [ -n "$archive" ] || die 4 "$url/SHA256SUMS names no archive for linux-$arch"
  fi
  sum=$(sed -n "s/^\([0-9a-f]\{64\}\)  $archive\$/\1/p" "$dir/SHA256SUMS" | head -n 1)
  [ -n "$sum" ] || die 4 "SHA256SUMS does not name $archive"
  no_downgrade "${archive#"$NAME"-}"
  if [ "$(cat "$SHARE/release" 2>/dev/null)" = "$sum" ] && sha256sum --status -c "$SHARE/files.sha256" 2>/dev/null && { [ -z "$stack" ] || [ -e "$OPT/docker-compose.yml" ]; }; then return 0; fi
  [ -n "$from" ] || { say "fetching $archive"; fetch "$url/$archive" "$dir/$archive"; }
  [ "$(sha256sum <"$dir/$archive" | cut -d' ' -f1)" = "$sum" ] || die 4 "$archive is not what SHA256SUMS promises: nothing was installed"
  stage=$tmp/stage program=$tmp/stage/$NAME; mkdir "$stage"
  tar -xzf "$dir/$archive" -C "$stage" --strip-components=1 --no-same-owner
}
# A signed list of an old release must not bring an old hole back unasked.
no_downgrade() {
  [ -z "$wanted$from" ] && [ -n "$upgrade" ] || return 0
  new=${1%%-linux-*} old=$("$BINARY" version 2>/dev/null | cut -d' ' -f2) || return 0
  newest=$(printf '%s\n%s\n' "${new%%+*}" "${old%%+*}" | sort -V | tail -n 1)
  [ "$newest" = "${new%%+*}" ] || die 4 "the release offered ($new) is older than the installed one ($old): --version $new takes it nevertheless"
}
build() {
  stage=$here program=$here/dist/$NAME sum=checkout
  has npm || packages nodejs npm
  [ -z "$dry" ] || { say "  build $program"; [ -x "$program" ] || exit 0; return 0; }
  say "building from $here"; owner=$(stat -c %U "$here")
  # shellcheck disable=SC2016
  runuser -u "$owner" -- sh -c 'cd "$1" && sh scripts/setup.sh && npm run --silent build' sh "$here" >>"$log" 2>&1 </dev/null ||
    die 1 "the build failed: see $log"
}
prove() { # Does the new binary run, and does it understand the configuration?
  "$program" version >>"$log" 2>&1 </dev/null || refuse "the new binary does not run on this machine (see $log)"
  if [ -f "$CONFIG" ]; then config=$CONFIG; else make_config; config=$tmp/config.yaml; fi
  "$program" check --config "$config" >>"$log" 2>&1 </dev/null || refuse "the new binary does not accept $CONFIG (see $log)"
}
refuse() { [ -n "$upgrade" ] || die 1 "$*"; die 5 "$*: the installed one stays as it is"; }
make_config() {
  list='' hook='' login='' at=127.0.0.1:$port; [ -z "$webhook" ] || hook="s|^  # webhook_file: .*|  webhook_file: $WEBHOOK|"
  [ -z "$public" ] || { at=0.0.0.0:$port login="s|^  # password_file: .*|  password_file: $HASH|"; [ ! -e /proc/net/if_inet6 ] || at="\"[::]:$port\""; } # :: is IPv4 too
  for a in $(ssh_client) $allow; do if is_source "$a"; then list="$list${list:+, }\"$a\""; fi; done
  sed -e "s|^  path: /var/log/nginx/hng-access.log\$|  path: $logfile|" -e "s|^allowlist: \[\]\$|allowlist: [$list]|" \
    -e "s|^  listen: 127.0.0.1:8080\$|  listen: $at|" -e "$hook" -e "$login" "$stage/config/$NAME.yaml" >"$tmp/config.yaml"
}

# ---- changes ----
packages() { # NAMES: those of them that are missing
  for p in "$@"; do shift; dpkg -s "$p" 2>/dev/null | grep -q '^Status: install ok installed' || set -- "$@" "$p"; done
  [ $# -gt 0 ] || return 0
  has apt-get || die 3 "needs $*, and there is no apt-get: install it by hand"
  change "apt-get install $*" apt_install "$@" || die 1 "apt-get install $* failed: see $log"
  [ -n "$dry" ] || printf '%s\n' "$@" >>"$tmp/packages"
}
apt_install() { apt-get install -y -q --no-install-recommends "$@" || { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; }; }
directory() { # PATH MODE OWNER GROUP
  [ "$(stat -c '%a %U %G' "$1" 2>/dev/null)" != "$2 $3 $4" ] || return 0
  change "directory $1 ($2 $3:$4)" install -d -m "$2" -o "$3" -g "$4" "$1"
}
put() { # SOURCE TARGET MODE [GROUP]: written by rename, only when it differs; the old one is kept for a roll-back
  if cmp -s "$1" "$2" && [ "$(stat -c '%a %U %G' "$2")" = "$3 root ${4:-root}" ]; then return 1; fi
  change "write $2" replace "$@" || die 1 "cannot write $2: see $log"
}
replace() {
  mkdir -p "$tmp/old$(dirname "$2")"
  if [ -e "$2" ]; then cp -p "$2" "$tmp/old$2"; fi
  printf '%s\n' "$2" >>"$tmp/replaced"
  install -m "$3" -o root -g "${4:-root}" "$1" "$2.$NAME-new" && mv -f "$2.$NAME-new" "$2"
}
roll_back() {
  unproven=''
  [ -z "$systemd" ] || journalctl -u "$NAME" -n 15 --no-pager -o cat 2>/dev/null | tee -a "$log" >&2
  while read -r f; do if [ -e "$tmp/old$f" ]; then mv -f "$tmp/old$f" "$f"; else rm -f "$f"; fi; done <"$tmp/replaced"
  systemctl daemon-reload; systemctl reset-failed "$NAME" 2>/dev/null
  if [ -n "$was_active" ]; then systemctl restart "$NAME"; else systemctl stop "$NAME" 2>/dev/null; [ -n "$upgrade" ] || systemctl disable "$NAME" 2>/dev/null; fi >>"$log" 2>&1
  warn "$NAME did not come up within $HEALTH_SECONDS s; everything is as it was before (log: $log)"
}
install_detector() {
  packages iptables ipset nftables logrotate ca-certificates
  [ -n "$dry" ] || iptables -w -t raw -S >/dev/null 2>>"$log" || die 3 "iptables -t raw does not work here (a container without NET_ADMIN? a kernel without netfilter?): see $log"
  id -u $NAME >/dev/null 2>&1 || change "system user $NAME" useradd --system --user-group --home-dir "$STATE" --no-create-home --shell /usr/sbin/nologin $NAME
  for d in "$ETC" "$ETC/credentials"; do directory "$d" 750 root $NAME; done
  directory "$SHARE" 755 root root
  if [ -z "$only" ]; then
    directory "$NGINX_LOGS" 2751 root adm
    [ -e "$NGINX_LOGS/hng-access.log" ] || change "file $NGINX_LOGS/hng-access.log" install -m 640 -o root -g adm /dev/null "$NGINX_LOGS/hng-access.log"
  fi
  ! active $NAME || was_active=yes
  [ -n "$dry" ] || [ -z "$systemd" ] || unproven=yes
  if [ -n "$webhook" ] && put "$webhook" "$WEBHOOK" 640 $NAME; then restart=yes; fi
  if [ -n "$stage" ]; then
    if put "$program" "$BINARY" 755; then restart=yes; fi
    if [ ! -e "$CONFIG" ]; then [ -z "$public" ] || make_login; put "$tmp/config.yaml" "$CONFIG" 640 $NAME || :
    elif ! cmp -s "$stage/config/$NAME.yaml" "$SHARE/$NAME.yaml"; then put "$stage/config/$NAME.yaml" "$CONFIG.new" 640 $NAME || :; fi
    if [ -n "$systemd" ]; then
      if put "$stage/systemd/$NAME.service" "$UNITS/$NAME.service" 644; then restart=yes; fi
      put "$stage/systemd/$NAME-gave-up.service" "$UNITS/$NAME-gave-up.service" 644 || :
      drop=''; [ "$systemd_version" -ge 252 ] || drop="old-systemd"; [ "$systemd_version" -lt 254 ] || drop=backoff
      [ -z "$drop" ] || { directory "$UNITS/$NAME.service.d" 755 root root; put "$stage/systemd/$drop.conf" "$UNITS/$NAME.service.d/10-$drop.conf" 644 || :; }
    fi
    put "$stage/systemd/logrotate.conf" /etc/logrotate.d/$NAME 644 || :
    put "$stage/install.sh" "$SHARE/install.sh" 755 || :
    for f in config/$NAME.yaml config/$NAME.schema.json nginx/log-format.conf docs/operations.md LICENSES.txt sbom.cdx.json; do
      if [ -f "$stage/$f" ]; then put "$stage/$f" "$SHARE/${f##*/}" 644 || :; fi
    done
  fi
  for a in $allow; do
    [ -n "$dry" ] || grep -Fq "$a" "$CONFIG" || note "--allow $a: $CONFIG is yours by now; add it to allowlist there, then systemctl reload $NAME"
  done
  [ -z "$public" ] || [ -n "$dry" ] || grep -q '^  password_file:' "$CONFIG" || note "--public-dashboard: $CONFIG is yours by now; $SHARE/operations.md says what to set there"
}
make_login() { # The password is for root, its hash for the service.
  "$program" password --generate --file "$tmp/hash" >"$tmp/password" 2>>"$log" || die 1 "cannot make a password: see $log"
  put "$tmp/password" "$PASSWORD" 600 || :; put "$tmp/hash" "$HASH" 640 $NAME || :
}
start() {
  [ -n "$systemd" ] || { say "no systemd here: only the program was installed. Run it: $BINARY run --config $CONFIG"; return 0; }
  if [ -z "$restart" ] && active $NAME && systemctl -q is-enabled $NAME; then unproven=''; return 0; fi
  [ -n "$dry" ] || { systemctl daemon-reload; systemctl reset-failed $NAME 2>/dev/null || :; }
  systemctl -q is-enabled $NAME 2>/dev/null || change "systemctl enable $NAME" systemctl enable $NAME
  change "systemctl restart $NAME" systemctl restart --no-block $NAME
  [ -n "$dry" ] || healthy || { unproven=yes; exit 5; }
  unproven=''
}
healthy() { # Twice in a row, so that one that dies at once does not count as up.
  good=0 until=$(($(date +%s) + HEALTH_SECONDS))
  while [ $good -lt 2 ]; do
    restarts=$(systemctl show -p NRestarts --value $NAME)
    if active $NAME && [ "$restarts" = 0 ] && timeout 5 "$BINARY" status --json >/dev/null 2>&1; then good=$((good + 1)); else good=0; fi
    [ "$(date +%s)" -lt "$until" ] && [ "$restarts" -lt 3 ] || return 1
    sleep 1
  done
}
remember() { # What was installed, so that the next run can tell without fetching it.
  [ -z "$dry" ] || return 0
  if [ -s "$tmp/packages" ]; then sort -u "$tmp/packages" "$SHARE/packages" 2>/dev/null >"$tmp/all" || sort -u "$tmp/packages" >"$tmp/all"; put "$tmp/all" "$SHARE/packages" 644 >/dev/null || :; fi
  [ -n "$stage" ] && [ -n "$sum" ] && [ -n "$systemd" ] || return 0
  find "$BINARY" "$SHARE" "$UNITS/$NAME.service" "$UNITS/$NAME-gave-up.service" -type f ! -name packages ! -name release ! -name files.sha256 | sort | xargs sha256sum >"$tmp/files"
  printf '%s\n' "$sum" >"$tmp/release"
  put "$tmp/release" "$SHARE/release" 644 >/dev/null || :; put "$tmp/files" "$SHARE/files.sha256" 644 >/dev/null || :
}

# ---- nginx and Nextcloud in compose ----
compose() { if docker compose version >/dev/null 2>&1; then (cd $OPT && docker compose "$@"); else (cd $OPT && docker-compose "$@"); fi; }
install_stack() {
  [ -n "$systemd" ] || die 3 "the stack needs systemd for Docker: use --no-stack"
  has docker || { set -- docker.io; [ ! -d /sys/module/apparmor ] || set -- "$@" apparmor; packages "$@"; new_docker=yes; }
  has docker-compose || docker compose version >/dev/null 2>&1 ||
    if apt-cache show docker-compose-v2 >/dev/null 2>&1; then packages docker-compose-v2; else packages docker-compose; fi
  if [ -n "$new_docker" ] && [ ! -e /etc/docker/daemon.json ]; then
    printf '%s\n' "$DAEMON_JSON" >"$tmp/daemon.json"
    directory /etc/docker 755 root root; put "$tmp/daemon.json" /etc/docker/daemon.json 644 || :
    [ -n "$dry" ] || systemctl restart docker >>"$log" 2>&1 || die 1 "Docker does not start: journalctl -u docker"
  fi
  site=''
  for d in $OPT $OPT/nginx $OPT/nginx/sites $OPT/nginx/certificates $OPT/acme; do directory "$d" 755 root root; done
  if [ -n "$stage" ]; then
    for f in docker-compose.yml docker-compose.tls.yml .env.example nginx/nginx.conf nginx/log-format.conf nginx/nextcloud.conf nginx/sites/tls.conf.example; do
      if put "$stage/$f" "$OPT/$f" 644; then site=yes; fi
    done
    for f in nginx/trusted-proxies.conf nginx/sites/nextcloud.conf; do [ -e "$OPT/$f" ] || put "$stage/$f" "$OPT/$f" 644 || :; done
  fi
  if [ ! -e $OPT/.env ]; then
    printf 's|^NEXTCLOUD_ADMIN_PASSWORD=$|&%s|\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$tmp/env.sed" # in nobody's argv
    names="localhost $(ip -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print (index($4, ":") ? "[" $4 "]" : $4) }' | tr '\n' ' ')$(hostname -f 2>/dev/null || hostname)"
    sed -f "$tmp/env.sed" -e "s|^NEXTCLOUD_TRUSTED_DOMAINS=.*|NEXTCLOUD_TRUSTED_DOMAINS=$names|" "${stage:-$OPT}/.env.example" >"$tmp/env"
    put "$tmp/env" $OPT/.env 600 || :
  fi
  running=$(compose ps -q nginx 2>/dev/null || true)
  if [ -z "$running" ] || [ "$(docker inspect -f '{{.State.Running}}' "$running" 2>/dev/null)" != true ] || [ -n "$site" ]; then
    change "docker-compose up -d (nginx on port 80, Nextcloud)" compose up -d ||
      die 1 "the detector runs, but compose could not start nginx and Nextcloud (see $log): mend it and run the same line again"
    [ -n "$dry" ] || [ -z "$running" ] || [ -z "$site" ] || compose exec -T nginx nginx -c /etc/nginx/hng/nginx.conf -s reload >>"$log" 2>&1 || warn "nginx refused the new configuration: see $log"
  fi
}

# ---- and away again ----
remove_rules() {
  for v in iptables ip6tables iptables-legacy ip6tables-legacy; do
    for table in $("$v"-save 2>/dev/null | awk '/^\*/ { t = substr($0, 2) } /^:ANOMALY-DETECTOR / { print t }'); do
      "$v" -w 5 -t "$table" -S | sed -n 's/^-A \(.*-j ANOMALY-DETECTOR\)$/\1/p' >"$tmp/jumps"
      xargs -r -L 1 "$v" -w 5 -t "$table" -D <"$tmp/jumps"
      "$v" -w 5 -t "$table" -F ANOMALY-DETECTOR; "$v" -w 5 -t "$table" -X ANOMALY-DETECTOR
      family=ip; case $v in ip6*) family=ip6 ;; esac
      ! grep -q 'made this table' "$tmp/jumps" || "$v"-save -t "$table" | grep -q '^-A' || nft delete table "$family" "$table" || :
    done
  done
  for s in $NAME-v4 $NAME-v6; do ipset destroy "$s" 2>/dev/null || :; done
}
remove() {
  [ ! -e "$UNITS/$NAME.service" ] || change "stop and disable $NAME" sh -c "systemctl disable --now $NAME; systemctl reset-failed $NAME $NAME-gave-up; true"
  change "remove the firewall's ANOMALY-DETECTOR chains and sets" remove_rules || :
  if [ -e $OPT/docker-compose.yml ] && has docker; then change "docker-compose down (Nextcloud's data volumes stay)" compose down || warn "docker-compose down failed: see $log"; fi
  set -- "$BINARY" "$UNITS/$NAME.service" "$UNITS/$NAME-gave-up.service" "$UNITS/$NAME.service.d" /etc/logrotate.d/$NAME
  installed=$(tr '\n' ' ' 2>/dev/null <$SHARE/packages || true)
  if [ "$action" = purge ]; then
    set -- "$@" "$ETC" "$STATE" "$LOGS" "$NGINX_LOGS" "$OPT" "$SHARE" "$RUN_LOG"
    [ "$(cat /etc/docker/daemon.json 2>/dev/null)" != "$DAEMON_JSON" ] || set -- "$@" /etc/docker/daemon.json
    if has docker && docker volume inspect HNG-nginx-logs >/dev/null 2>&1; then change "docker volume HNG-nginx-logs" docker volume rm HNG-nginx-logs || :; fi
  fi
  for f in "$@"; do [ ! -e "$f" ] || change "remove $f" rm -rf "$f"; done
  [ -z "$systemd" ] || [ -n "$dry" ] || systemctl daemon-reload
  if [ "$action" = purge ]; then
    ! id -u $NAME >/dev/null 2>&1 || change "remove user $NAME" userdel $NAME
    [ -z "$installed" ] || say "Packages it had installed stay, others may need them by now: apt-get purge $installed"
    ! docker volume inspect ${NAME}_nextcloud >/dev/null 2>&1 || say "Nextcloud's files stay: docker volume rm ${NAME}_nextcloud ${NAME}_mariadb deletes them for good"
  else
    say "Kept: $ETC, $STATE, $LOGS, $OPT. --purge removes them too."
  fi
}
next_steps() {
  at=$(sed -n 's/^  listen: *"\{0,1\}\([][0-9A-Fa-f.:]*:[0-9]*\).*/\1/p' "$CONFIG" 2>/dev/null | head -n 1)
  look="ssh -L 8080:${at:=127.0.0.1:8080} ${SUDO_USER:-root}@$(hostname -f 2>/dev/null || hostname)   then open http://127.0.0.1:8080"
  case $at in 0.0.0.0:*|'[::]':*) look="http://THIS-HOST:${at##*:}/  the dashboard, in plain http (TLS: $SHARE/operations.md); its password is in $PASSWORD, readable by root" ;; esac
  say "$NAME $("$BINARY" version | cut -d' ' -f2) is running, and learning what is normal here. Next:
  $look
  $NAME status                     what it sees; $NAME check: what could be better
  sudoedit $CONFIG   then: sudo systemctl reload $NAME"
  [ ! -e "$OPT/.env" ] || [ -z "$stack" ] || say "  Nextcloud: http://THIS-HOST/ as admin; its password is in $OPT/.env (readable by root)"
}

main() {
  parse "$@"
  trap finish EXIT; trap 'exit 1' HUP INT TERM
  preflight
  tmp=$(mktemp -d); : >"$tmp/replaced"
  [ -n "$dry" ] || { log=$RUN_LOG; rm -f "$log"; : >"$log"; date -u >>"$log"; }
  if [ "$action" != install ]; then remove; [ "$action" != purge ] || [ -n "$dry" ] || rm -f "$RUN_LOG"; return 0; fi
  survey; obtain; [ -z "$stage" ] || prove
  install_detector; start; remember; [ -z "$stack" ] || install_stack
  [ -z "$dry" ] || { say "dry run: $changes changes, none made"; return 0; }
  if [ $changes = 0 ]; then say "$("$BINARY" version | cut -d' ' -f1-2) is installed and running: nothing to do"; elif [ -n "$systemd" ]; then next_steps; fi
}
main "$@"; exit; }
