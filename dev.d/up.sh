# ./dev up and ./dev down: one broker on loopback, its data in run/ (which git ignores).
RUN=$ROOT/run

running_pid() {
  local pid
  pid=$(cat "$RUN/pid" 2>/dev/null) && [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$ROOT/build/release/bin/pontoon-server" ] &&
    echo "$pid"
}

holder_of() {  # who listens on a TCP port, as far as this user may know
  local holder
  holder=$(ss -Hltnp "sport = :$1" 2>/dev/null | sed -nE 's/.*users:\(\("([^"]+)",pid=([0-9]+).*/\1, pid \2/p' | head -n 1)
  echo "${holder:-a process that this user may not see}"
}

port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

print_where() {
  local port admin
  read -r port admin <"$RUN/ports"
  cat <<END

Pontoon is up (pid $1).
  AMQP            amqp://guest:guest@127.0.0.1:$port
  administration  127.0.0.1:$admin  (build/release/bin/pontoonctl --data-dir $RUN/data status)
  data            $RUN/data
  log             $RUN/pontoon.log
Stop it with: ./dev down
END
}

verb_up() {
  local port=5672 admin pid started deadline
  while [ $# -gt 0 ]; do
    case $1 in
      --port) [[ ${2:-} =~ ^[0-9]+$ ]] || die "--port wants a number"; port=$2; shift 2 ;;
      *) die "up: unknown option '$1' (usage: ./dev up [--port N])" ;;
    esac
  done
  admin=$((port + 20000))
  if pid=$(running_pid); then
    say "it runs already"
    print_where "$pid"
    return 0
  fi
  for p in "$port" "$admin"; do
    ! port_in_use "$p" || die "port $p on 127.0.0.1 is in use by $(holder_of "$p"); free it, or take another: ./dev up --port N"
  done
  need_packages build
  build release pontoon-server pontoonctl pontoon-bench || die "the build failed"

  mkdir -p "$RUN"
  say "starting the broker"
  echo "$port $admin" >"$RUN/ports"
  : >"$RUN/pontoon.log"
  setsid "$ROOT/build/release/bin/pontoon-server" --data-dir "$RUN/data" --listeners.tcp.default "127.0.0.1:$port" \
    >>"$RUN/pontoon.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$RUN/pid"
  deadline=$((SECONDS + 60))
  until grep -q 'Server startup complete' "$RUN/pontoon.log"; do
    if ! kill -0 "$pid" 2>/dev/null; then rm -f "$RUN/pid"; tail -n 20 "$RUN/pontoon.log" >&2; die "the broker ended while starting (log: $RUN/pontoon.log)"; fi
    [ $SECONDS -lt $deadline ] || die "the broker is not ready after 60 s (log: $RUN/pontoon.log; stop it with ./dev down)"
    sleep 0.1
  done
  say "publishing and consuming one message"
  timeout 30 "$ROOT/build/release/bin/pontoon-bench" smoke --uri "amqp://guest:guest@127.0.0.1:$port" ||
    die "the broker runs but the message did not come through (log: $RUN/pontoon.log; stop it with ./dev down)"
  print_where "$pid"
}

verb_down() {
  local pid waited
  if ! pid=$(running_pid); then
    rm -f "$RUN/pid"
    say "nothing to stop: no broker started by ./dev up is running"
    return 0
  fi
  kill -TERM "$pid"
  for ((waited = 0; waited < 300; waited++)); do
    if ! kill -0 "$pid" 2>/dev/null; then
      rm -f "$RUN/pid"
      say "stopped the broker (pid $pid); its data stays in $RUN/data"
      return 0
    fi
    sleep 0.1
  done
  die "the broker (pid $pid) still runs 30 s after SIGTERM; see $RUN/pontoon.log"
}
