"""Publishes as fast as the socket takes it, until it is ended. Usage: flood.py HOST PORT QUEUE."""
import os
import sys
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.wire import Wire, publish

wire = Wire(types.SimpleNamespace(host=sys.argv[1], port=int(sys.argv[2])), timeout=None).open().channel()
batch = publish(1, sys.argv[3], b"x" * 100) * 1000
wire.send(batch)
print("flooding", flush=True)
while True:
    wire.send(batch)
