# shellcheck shell=bash
# Makes a Debian root folder once, outside the repository. Sourced by the other scripts here, not run.
#
#   make_debian_root NAME SUITE PACKAGES   leaves the folder in $SERVERS_DIR/NAME
#
# The mirror is the machine's own: it is read from apt's sources. SUIDEN_DEBIAN_MIRROR overrides it.

SERVERS_DIR="${SUIDEN_SERVERS_DIR:-/var/cache/suiden/servers}"
RECIPE=1 # raise it when a folder made by an older script no longer serves

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() {
  say "$@"
  exit 1
}

# Every address in apt's sources, in both of its formats, each on a line.
apt_mirrors() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -r "$file" ] || continue
    sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^[:space:]]+)[[:space:]].*/\2/p' "$file"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -r "$file" ] || continue
    awk '
      function flush(  i, n, uri) {
        if (types ~ /(^|[ \t])deb([ \t]|$)/ && enabled != "no") {
          n = split(uris, uri, /[ \t]+/)
          for (i = 1; i <= n; i++) if (uri[i] != "") print uri[i]
        }
        types = uris = enabled = field = ""
      }
      /^#/ { next }
      /^[ \t]*$/ { flush(); next }
      /^[^ \t]/ {
        field = tolower($0); sub(/:.*/, "", field)
        value = $0; sub(/^[^:]*:[ \t]*/, "", value)
        if (field == "types") types = value
        if (field == "uris") uris = value
        if (field == "enabled") enabled = tolower(value)
        next
      }
      field == "uris" { uris = uris " " $0 }
      END { flush() }
    ' "$file"
  done
}

# The first of apt's mirrors that holds the suite.
debian_mirror() {
  local suite=$1 uri list
  if [ -n "${SUIDEN_DEBIAN_MIRROR:-}" ]; then
    printf '%s\n' "${SUIDEN_DEBIAN_MIRROR%/}"
    return
  fi
  while read -r uri; do
    uri=${uri%/}
    case $uri in http://* | https://*) ;; *) continue ;; esac
    if wget -q --spider --tries=2 --timeout=20 "$uri/dists/$suite/InRelease"; then
      printf '%s\n' "$uri"
      return
    fi
  done < <(
    apt_mirrors | while read -r uri; do
      case $uri in
        mirror+file:*)
          list=${uri#mirror+file:}
          if [ -r "$list" ]; then awk '!/^#/ && NF { print $1 }' "$list"; fi
          ;;
        *) printf '%s\n' "$uri" ;;
      esac
    done | awk '!seen[$0]++'
  )
  return 1
}

use_apts_proxy() {
  local proxy=
  [ -z "${http_proxy:-}" ] || return 0
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  [ -z "$proxy" ] || [ "$proxy" = DIRECT ] || export http_proxy="$proxy"
}

need_debootstrap() {
  if command -v debootstrap >/dev/null && [ -r /usr/share/keyrings/debian-archive-keyring.gpg ]; then return; fi
  command -v apt-get >/dev/null ||
    fail "debootstrap is missing and this machine has no apt-get: install debootstrap and Debian's archive keyring, then run this again"
  say "installing debootstrap"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap debian-archive-keyring; } >&2 ||
    fail "apt could not install debootstrap: run 'apt-get install debootstrap debian-archive-keyring' and read its error"
}

# A folder may hold mounts (debootstrap's /proc) when its making was killed: they go first.
remove_folder() {
  local folder=$1 mount
  while read -r mount; do umount -l "$mount"; done < <(
    awk -v prefix="$folder/" 'index($2, prefix) == 1 { print $2 }' /proc/self/mounts | sort -r
  )
  rm -rf --one-file-system "$folder"
}

root_is_made() {
  local name=$1 suite=$2 packages=$3
  [ "$(cat "$SERVERS_DIR/$name/.suiden-made" 2>/dev/null)" = "$RECIPE $suite $packages" ]
}

make_debian_root() {
  local name=$1 suite=$2 packages=$3 mirror part seconds=$SECONDS
  local root="$SERVERS_DIR/$name"
  if root_is_made "$name" "$suite" "$packages"; then return; fi
  [ "$(id -u)" = 0 ] ||
    fail "$root is not made yet, and making it needs root, once: sudo env SUIDEN_SERVERS_DIR=$SERVERS_DIR $(realpath "$0") make"
  mkdir -p "$SERVERS_DIR"
  exec 8>"$SERVERS_DIR/.$name.lock"
  flock 8
  if root_is_made "$name" "$suite" "$packages"; then
    exec 8>&-
    return
  fi
  need_debootstrap
  use_apts_proxy
  mirror=$(debian_mirror "$suite") ||
    fail "none of apt's sources holds Debian's '$suite': set SUIDEN_DEBIAN_MIRROR to the address of a Debian mirror that does"
  part="$root.part"
  remove_folder "$part"
  remove_folder "$root"
  say "making $root ($suite: $packages); a minute or two"
  if ! debootstrap --variant=minbase --include="$packages" "$suite" "$part" "$mirror" >"$SERVERS_DIR/$name.log" 2>&1; then
    tail -n 20 "$SERVERS_DIR/$name.log" >&2
    fail "debootstrap failed; its whole log is $SERVERS_DIR/$name.log. Cure what it names, then run this again"
  fi
  find "$part/var/cache/apt" "$part/var/lib/apt/lists" "$part/usr/share/doc" "$part/usr/share/locale" -type f -delete
  rm -rf "$part/var/lib/postgresql/17"
  chmod 755 "$part"
  printf '%s\n' "$RECIPE $suite $packages" >"$part/.suiden-made"
  mv "$part" "$root"
  exec 8>&-
  say "made $root in $((SECONDS - seconds)) s"
}
