"""An engine child without a server: what runs in it passed no rewriter, so that its walls stand alone."""

import json
import os
import pathlib
import socket
import struct
import subprocess

from harness import BINARY

CONTROL_FD = 3
DEADLINE_SECONDS = 60


class Refused(Exception):
    """An error that the child answered, or its end."""


class EngineChild:
    """`lakehouse engine` with a grant; `options` are its own: "sandbox" 0 best effort, 1 strict, 2 off."""

    def __init__(self, spill, readable=(), writable=(), port=None, **options):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        arguments = ["--memory-limit-bytes", str(1 << 30), "--threads", "2", "--spill", str(spill)]
        for name, paths in (("--readable", readable), ("--writable", writable)):
            for path in paths:
                arguments += [name, str(path)]
        if port is not None:
            arguments += ["--loopback-port", str(port)]
        for name, value in options.items():
            arguments += ["--" + name.replace("_", "-"), str(value)]
        self.log = pathlib.Path(f"{spill}.log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "engine", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: os.dup2(theirs.fileno(), CONTROL_FD, inheritable=True), close_fds=False,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ENGINE_CANARY": "canary-7f3a91"})
        theirs.close()
        self.control = ours
        self.control.settimeout(DEADLINE_SECONDS)
        kind, payload = receive(self.control)
        self.greeting = json.loads(payload)
        if kind != b"V":
            self.close()
            raise Refused(self.greeting["message"])

    def close(self):
        self.control.close()
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, sql, *, before=(), after=(), variables=()):
        """The rows of one statement as it stands; Refused with the child's message."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours, theirs:
            socket.send_fds(self.control, [b"c"], [theirs.fileno()])
            theirs.close()
            ours.settimeout(DEADLINE_SECONDS)
            request = {"operation": 1, "time_left_ms": DEADLINE_SECONDS * 1000, "statement": {
                "text": sql, "is_tree": False, "around_tree": "", "parameters": None, "encoding": 0,
                "variables": [{"name": name, "value": value} for name, value in variables],
                "before": list(before), "after": list(after)}}
            payload = json.dumps(request).encode()
            ours.sendall(struct.pack("<IB", len(payload), ord("Q")) + payload)
            rows = b""
            while True:
                kind, payload = receive(ours)
                if kind == b"X":
                    raise Refused(json.loads(payload)["message"])
                if kind == b"E":
                    return json.loads(b"[" + rows + b"]")
                if kind == b"D":
                    rows += payload


def receive(connection):
    header = take(connection, 5)
    size, kind = struct.unpack("<IB", header)
    return bytes([kind]), take(connection, size)


def take(connection, size):
    got = b""
    while len(got) < size:
        part = connection.recv(size - len(got))
        if not part:
            raise Refused("the engine ended")
        got += part
    return got
