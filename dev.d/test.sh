# ./dev test: every suite under tests/, each a program tests/SUITE/run (tests/README.md says what it must look like).
LOGS=$ROOT/build/test-logs

# header FILE KEY: the value of the line `# KEY: value` near the top of a suite's run file.
header() { sed -nE "1,15s/^# $2: *(.*)/\1/p" "$1" | head -n 1; }

# All suites as lines "order name": those of the command line, or all that fit.
suites() {
  local run name
  for run in "$ROOT"/tests/*/run; do
    [ -x "$run" ] || continue
    name=$(basename "$(dirname "$run")")
    if [ ${#NAMES[@]} -gt 0 ]; then
      [[ " ${NAMES[*]} " == *" $name "* ]] || continue
    elif [ "$QUICK" = yes ]; then
      [ "$(header "$run" quick)" = yes ] || continue
    fi
    echo "$(header "$run" order) $name"
  done | sort -n -k1,1 -k2,2
}

presets_of() {
  local presets
  presets=$(header "$ROOT/tests/$1/run" presets)
  if [ "$QUICK" = yes ]; then grep -ow -m 1 release <<<"$presets" || true; else echo "$presets"; fi
}

record() {  # record NAME PASSED FAILED SECONDS
  PASSED=$((PASSED + $2)); FAILED=$((FAILED + $3))
  SUMMARY+=$(printf '%-28s %6d passed %4d failed %5d s' "$1" "$2" "$3" "$4")$'\n'
  say "$1: $2 passed, $3 failed ($4 s)"
}

run_suite() {  # run_suite NAME PRESET
  local run=$ROOT/tests/$1/run title="$1 ($2)" log=$LOGS/$1-$2.log minutes began=$SECONDS status=0 last passed=0 failed=1
  minutes=$(header "$run" minutes)
  say "running $title"
  (
    cd "$ROOT" || exit 1
    export PONTOON_ROOT=$ROOT PONTOON_PRESET=$2 PONTOON_BUILD=$ROOT/build/$2 PONTOON_BIN=$ROOT/build/$2/bin PONTOON_QUICK=$QUICK
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
    export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
    export TSAN_OPTIONS=${TSAN_OPTIONS:-ignore_noninstrumented_modules=1:second_deadlock_stack=1}
    exec timeout --kill-after=30 "$((${minutes:-10} * 60))" "$run"
  ) >"$log" 2>&1 </dev/null || status=$?
  last=$(tail -n 1 "$log")
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
    # A suite that ran nothing, or failed without counting it, has failed.
    [ $((passed + failed)) -gt 0 ] && { [ $status = 0 ] || [ "$failed" -gt 0 ]; } || failed=$((failed + 1))
  fi
  if [ "$failed" -gt 0 ]; then
    echo "---- $title failed (exit status $status); the end of $log:"
    tail -n 150 "$log"
    echo "----"
  fi
  record "$title" "$passed" "$failed" $((SECONDS - began))
}

build_for_suites() {  # build_for_suites PRESET: all that the chosen suites want of this preset
  local name targets=() began=$SECONDS
  while read -r _ name; do
    [[ " $(presets_of "$name") " == *" $1 "* ]] || continue
    read -r -a wanted <<<"$(header "$ROOT/tests/$name/run" targets)"
    targets+=("${wanted[@]}")
  done < <(suites)
  [ ${#targets[@]} -gt 0 ] || return 0
  mapfile -t targets < <(printf '%s\n' "${targets[@]}" | sort -u)
  if ! build "$1" "${targets[@]}"; then
    record "build $1" 0 1 $((SECONDS - began))
    return 1
  fi
  say "built $1 in $((SECONDS - began)) s"
}

verb_test() {
  local name preset presets=() known
  QUICK=no NAMES=() PASSED=0 FAILED=0 SUMMARY=
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) QUICK=yes ;;
      -*) die "test: unknown option '$1' (usage: ./dev test [--quick] [SUITE...])" ;;
      *) [ -x "$ROOT/tests/$1/run" ] || die "no suite tests/$1/run (suites: $(cd "$ROOT/tests" && ls -d */run 2>/dev/null | xargs -r -n 1 dirname | xargs))"
         NAMES+=("$1") ;;
    esac
    shift
  done
  need_packages build test
  mkdir -p "$LOGS"
  known=$(suites)
  for preset in release dev tsan fuzz; do
    while read -r _ name; do
      if [[ " $(presets_of "$name") " == *" $preset "* ]]; then presets+=("$preset"); break; fi
    done <<<"$known"
  done
  for preset in "${presets[@]}"; do
    build_for_suites "$preset" || continue
    while read -r _ name; do
      [[ " $(presets_of "$name") " == *" $preset "* ]] && run_suite "$name" "$preset"
    done <<<"$known"
  done
  echo
  printf '%s' "$SUMMARY"
  echo "(logs: build/test-logs; whole run: $SECONDS s)"
  echo "$PASSED passed, $FAILED failed"
  [ "$FAILED" = 0 ] && [ "$PASSED" -gt 0 ]
}
