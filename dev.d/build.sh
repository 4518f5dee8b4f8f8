# Configure and build, with progress.

# configure PRESET
configure() {
  local folder=$ROOT/build/$1 log
  [ -f "$folder/build.ninja" ] && return 0  # Ninja itself configures again when a list file changed.
  mkdir -p "$folder"; log=$folder/configure.log
  say "configuring $1"
  (cd "$ROOT" && cmake --preset "$1") >"$log" 2>&1 </dev/null || { cat "$log" >&2; return 1; }
}

# build PRESET TARGET...
build() {
  local preset=$1; shift
  configure "$preset" || return 1
  say "building $preset: $*"
  # A line about every fifth second is progress enough where nobody watches a terminal.
  (cd "$ROOT" && NINJA_STATUS='[%f/%t, %es] ' cmake --build "build/$preset" --parallel "${JOBS:-$(nproc)}" --target "$@") \
    </dev/null 2>&1 | if [ -t 1 ]; then cat; else thin_out; fi
  return "${PIPESTATUS[0]}"
}

thin_out() {
  awk '/^\[[0-9]+\/[0-9]+, [0-9.]+s\] / { split($2, t, "s"); if (t[1] + 0 < next_at && $0 !~ /FAILED/) next; next_at = t[1] + 5 }
       { print; fflush() }'
}
