# ./dev sim: seeds of the Raft simulator (raft/sim/README.md); all arguments go to it.
verb_sim() {
  need_packages build
  build release pontoon-sim || die "the simulator does not build"
  exec "$ROOT/build/release/bin/pontoon-sim" "$@"
}
