# ./dev fuzz, fmt, tidy and bench.

# The C++ files that differ from main (or, on main, from the last commit), or all with --all.
chosen_files() {
  local base
  if [ "${1:-}" = --all ]; then git -C "$ROOT" ls-files -- '*.cc' '*.h'; return; fi
  base=$(git -C "$ROOT" merge-base HEAD origin/main 2>/dev/null || git -C "$ROOT" merge-base HEAD main 2>/dev/null || echo HEAD)
  [ "$base" != "$(git -C "$ROOT" rev-parse HEAD)" ] || base=HEAD~1
  {
    git -C "$ROOT" diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h'
    git -C "$ROOT" ls-files --others --exclude-standard -- '*.cc' '*.h'
  } | sort -u
}

verb_fmt() {  # ./dev fmt [--check] [--all]
  local files mode=-i all=
  for option in "$@"; do
    case $option in
      --check) mode='--dry-run --Werror' ;;
      --all) all=--all ;;
      *) die "fmt: unknown option '$option' (usage: ./dev fmt [--check] [--all])" ;;
    esac
  done
  need_packages tools
  mapfile -t files < <(chosen_files $all)
  if [ ${#files[@]} = 0 ]; then say "no C++ file changed"; return 0; fi
  (cd "$ROOT" && clang-format-14 $mode "${files[@]}") || die "these files are not formatted; run ./dev fmt"
  say "${#files[@]} files are formatted"
}

verb_tidy() {  # ./dev tidy [--all]: with the flags of the Clang preset
  local files
  [ "${1:---all}" = --all ] || die "tidy: unknown option '$1' (usage: ./dev tidy [--all])"
  need_packages build tools
  configure fuzz || die "the preset fuzz does not configure"
  ninja -C "$ROOT/build/fuzz" -t query proto_generated >/dev/null 2>&1 && build fuzz proto_generated
  mapfile -t files < <(chosen_files "${1:-}" | grep '\.cc$' | while read -r file; do
    ! grep -q "\"file\": \"$ROOT/$file\"" "$ROOT/build/fuzz/compile_commands.json" || echo "$file"; done)
  if [ ${#files[@]} = 0 ]; then say "no C++ source changed (tests are not part of the Clang preset)"; return 0; fi
  (cd "$ROOT" && printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-14 --quiet -p build/fuzz) || die "clang-tidy found something"
  say "${#files[@]} files are tidy"
}

verb_fuzz() {  # ./dev fuzz [TARGET...] [--for 1m|1h]
  local names=() for_how_long=1m
  while [ $# -gt 0 ]; do
    case $1 in
      --for) [[ ${2:-} =~ ^[0-9]+[smh]$ ]] || die "--for wants 30s, 5m or 1h"; for_how_long=$2; shift ;;
      -*) die "fuzz: unknown option '$1' (usage: ./dev fuzz [TARGET...] [--for 1m|1h])" ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  need_packages build tools
  build fuzz all_fuzzers || die "the fuzz targets do not build"
  PONTOON_ROOT=$ROOT PONTOON_BUILD=$ROOT/build/fuzz PONTOON_FUZZ_FOR=$for_how_long "$ROOT/tests/fuzz/run" "${names[@]}"
}

verb_bench() {  # ./dev bench [what bench/run takes], ./dev bench raft [what bench/raft/run takes]
  local run=bench/run
  if [ -n "${1:-}" ] && [ -x "$ROOT/bench/$1/run" ]; then run=bench/$1/run; shift; fi
  need_packages build bench
  build release $(header "$ROOT/$run" targets) || die "the build failed"
  cd "$ROOT" && PONTOON_ROOT=$ROOT PONTOON_BUILD=$ROOT/build/release PONTOON_BIN=$ROOT/build/release/bin exec "$run" "$@"
}
