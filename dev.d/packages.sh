# Debian packages: what is missing is installed, and nothing is fetched when nothing is missing.

# missing_packages GROUP...: the packages of dev.d/packages in these groups that this machine lacks.
missing_packages() {
  local group package program
  while read -r group package program; do
    [[ " $* " == *" $group "* ]] || continue
    if [ -n "$program" ] && command -v "$program" >/dev/null; then continue; fi
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done < <(grep -v '^#' "$ROOT/dev.d/packages") | sort -u
}

# need_packages GROUP...: installs what is missing, or says how and stops.
need_packages() {
  local missing removed first
  missing=$(missing_packages "$@" | xargs)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "dev: Debian packages are missing; run this line as root, then ./dev again:" >&2
    first=
    apt-cache show $missing >/dev/null 2>&1 || first='apt-get update && '
    echo "${first}apt-get install --no-install-recommends -y $missing" >&2
    exit 1
  fi
  say "installing $missing"
  export DEBIAN_FRONTEND=noninteractive
  if ! apt-get install -s --no-install-recommends $missing >/dev/null 2>&1; then
    say "the package lists are missing or old: apt-get update"
    apt-get update -q || die "apt-get update failed"
  fi
  # Debian's default Boost headers (1.74) give way to 1.81; nothing else may be removed on the way.
  removed=$(apt-get install -s --no-install-recommends $missing | awk '/^Remv/ {print $2}' | xargs)
  if [ -n "$(tr ' ' '\n' <<<"$removed" | grep -vE '^(libboost.*-dev|bjam|boost-build)?$')" ]; then
    die "installing these would remove $removed: decide about that first (apt-get install $missing)"
  fi
  [ -z "$removed" ] || say "removing $removed: conflicts with Boost 1.81"
  install_quietly $missing || { apt-get update -q && install_quietly $missing; } || die "apt-get install failed"
}

# Debian starts services as they are installed; a broker that nobody asked for would take port 5672. And in minimal images
# the manual's folders are missing, without which Java's packages fail to install.
install_quietly() {
  local policy=/usr/sbin/policy-rc.d status=0
  mkdir -p /usr/share/man/man1
  if [ -e $policy ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; fi
  apt-get install -y -q --no-install-recommends "$@" </dev/null || status=$?
  [ -z "$policy" ] || rm -f "$policy"
  return $status
}
