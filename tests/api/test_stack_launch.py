"""`lumina up` as a process of its own, over small children: announcing, taken ports, a second one, ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest

from lumina_api.stack.ports import free_port, holder
from lumina_api.stack.state import StackState, read_state

# `lumina up --json` whose children answer /ready on the stack's ports, or crash where told so.
PROGRAM = """
import os, sys
from lumina_schemas.settings import Settings
from lumina_api.stack.launch import up
from lumina_api.stack.plan import ready_over_http
from lumina_api.stack.supervisor import ChildSpec, Limits

SERVE = (
    "import http.server, sys\\n"
    "class Ready(http.server.BaseHTTPRequestHandler):\\n"
    "    def do_GET(self):\\n"
    "        self.send_response(200); self.end_headers()\\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Ready).serve_forever()\\n"
)
CRASH = "import sys; sys.exit('no luck')"

TALK = "print('injected  a/b \\x1b[2J')"

async def at_once():
    return ""

async def never():
    return "it never is"

def plan(settings, ports):
    env = dict(os.environ)
    specs = [
        ChildSpec(
            name, (sys.executable, "-c", SERVE, str(port)), env, ready_over_http(f"http://127.0.0.1:{port}/")
        )
        for name, port in (("stream", ports.health), ("gateway", ports.otlp_http), ("api", ports.api))
    ]
    if "talk" in sys.argv:
        talk = (sys.executable, "-c", TALK)
        requires = [spec.name for spec in specs]
        specs.append(ChildSpec("demo", talk, env, at_once, requires, essential=False, shown=True))
    if "crash" in sys.argv:
        specs.append(ChildSpec("crasher", (sys.executable, "-c", CRASH), env, never))
    return specs

sys.exit(up(Settings(), as_json="json" in sys.argv, plan=plan, limits=Limits(backoff_s=0.05)))
"""

DEADLINE_S = 20.0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


class Launch:
    """Starts stacks on one data folder and ends whatever is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        ports = {
            name: str(free_port()) for name in ("PORT", "OTLP_HTTP_PORT", "OTLP_GRPC_PORT", "KAFKA_PORT")
        }
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("LUMINA_", "KAFKA_"))}
        self.env |= {f"LUMINA_{name}": port for name, port in ports.items()}
        self.env["LUMINA_DATA_DIR"] = str(folder)

    def up(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def state(self) -> StackState:
        state = read_state(self.folder)
        assert state is not None
        return state

    def children(self) -> list[psutil.Process]:
        return [psutil.Process(process.pid) for process in self.state().processes[1:]]


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    launch = Launch(tmp_path / "data")
    yield launch
    for process in launch.started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=DEADLINE_S)


@contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_announces_one_json_line_once_ready_and_nothing_else_on_stdout(launch: Launch) -> None:
    first = launch.up("json")
    said = json.loads(line(first.stdout))
    assert said["api"] == f"http://127.0.0.1:{launch.env['LUMINA_PORT']}"
    assert said["otlp_http"] == f"http://127.0.0.1:{launch.env['LUMINA_OTLP_HTTP_PORT']}"
    assert said["kafka"] == f"127.0.0.1:{launch.env['LUMINA_KAFKA_PORT']}"
    assert said["data_dir"] == str(launch.folder)
    assert said["topic_prefix"] == "lumina."
    assert set(said["pids"]) == {"lumina", "stream", "gateway", "api"}
    assert said["pids"]["lumina"] == first.pid
    assert launch.state().ready
    first.terminate()
    out, err = first.communicate(timeout=DEADLINE_S)
    assert out == ""
    assert first.returncode == 0, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_children_and_the_state(launch: Launch, number: signal.Signals) -> None:
    first = launch.up("json")
    line(first.stdout)
    children = launch.children()
    assert len(children) == 3
    first.send_signal(number)
    _, err = first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 0, err
    assert "Traceback" not in err
    assert not any(child.is_running() for child in children)
    assert read_state(launch.folder) is None


def test_a_second_one_says_where_the_first_is(launch: Launch) -> None:
    first = launch.up("json")
    announced = line(first.stdout)
    second = launch.up("json")
    out, _ = second.communicate(timeout=DEADLINE_S)
    assert second.returncode == 0
    assert json.loads(out)["pids"] == json.loads(announced)["pids"]
    third = launch.up()
    out, _ = third.communicate(timeout=DEADLINE_S)
    assert third.returncode == 0
    assert f"running already (pid {first.pid})" in out
    assert launch.state().api in out
    assert first.poll() is None


def test_a_second_one_waits_for_the_first_to_get_ready(launch: Launch) -> None:
    first, second = launch.up("json"), launch.up("json")
    lines = [json.loads(line(first.stdout)), json.loads(line(second.stdout))]
    assert lines[0]["pids"] == lines[1]["pids"]
    until(lambda: [first.poll(), second.poll()].count(0) == 1)


def test_taken_ports_are_named_and_stood_in_for(launch: Launch) -> None:
    taken = [int(launch.env[f"LUMINA_{name}"]) for name in ("OTLP_HTTP_PORT", "OTLP_GRPC_PORT", "KAFKA_PORT")]
    with listening(taken[0]), listening(taken[1]), listening(taken[2]):
        who = holder(taken[0])
        assert who is not None
        assert who.pid == os.getpid()
        first = launch.up("json")
        ports = json.loads(line(first.stdout))["ports"]
        assert not {ports["otlp_http"], ports["otlp_grpc"], ports["kafka"]} & set(taken)
        assert len(set(ports.values())) == len(ports)
        first.terminate()
        _, err = first.communicate(timeout=DEADLINE_S)
    for port, what in zip(taken, ("OTLP/HTTP", "OTLP/gRPC", "Kafka"), strict=True):
        assert f"Port {port} ({what}) is taken by {who.name} (pid {who.pid}): using " in err


def test_what_a_shown_child_prints_is_in_the_terminal(launch: Launch) -> None:
    first = launch.up("talk")
    while "demo | " not in (shown := line(first.stdout)):
        assert shown, first.communicate()[1]
    assert shown == "demo | injected  a/b ·[2J\n"
    first.terminate()
    out, err = first.communicate(timeout=DEADLINE_S)
    assert "demo |" not in out + err


def test_beside_a_json_line_it_is_on_the_error_output(launch: Launch) -> None:
    first = launch.up("talk", "json")
    json.loads(line(first.stdout))
    while "demo | " not in (shown := line(first.stderr)):
        assert shown, "it ended"
    assert shown == "demo | injected  a/b ·[2J\n"
    first.terminate()
    out, _ = first.communicate(timeout=DEADLINE_S)
    assert out == ""


def test_a_taken_main_port_is_an_error_that_says_what_to_do(launch: Launch) -> None:
    port = int(launch.env["LUMINA_PORT"])
    with listening(port):
        first = launch.up("json")
        out, err = first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 1
    assert out == ""
    assert f"Port {port} is taken by " in err
    assert f"(pid {os.getpid()})" in err
    assert "--port" in err


def test_five_crashes_end_it_with_a_status_and_no_child(launch: Launch) -> None:
    first = launch.up("crash")
    until(lambda: read_state(launch.folder) or first.poll() is not None)
    out, err = first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 1
    assert out == ""
    assert err.count("crasher crashed (exit status 1), restarting in") == 4
    assert "Lumina stopped: crasher crashed (exit status 1), 5 times within 120 s" in err
    assert "  | no luck" in err
    for name in ("PORT", "OTLP_HTTP_PORT"):
        assert holder(int(launch.env[f"LUMINA_{name}"])) is None


def test_children_die_with_a_killed_supervisor(launch: Launch) -> None:
    first = launch.up("json")
    line(first.stdout)
    children = launch.children()
    first.kill()
    until(lambda: not any(child.is_running() for child in children))
    assert launch.state().ready  # a leftover, which the next one must not take for a running stack
    second = launch.up("json")
    assert json.loads(line(second.stdout))["pids"]["lumina"] == second.pid


def test_the_next_one_ends_what_a_killed_supervisor_left_but_nobody_else(launch: Launch) -> None:
    import msgspec

    from lumina_api.stack.process import process_of
    from lumina_api.stack.state import Ports, write_state

    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(sleep) as left, subprocess.Popen(sleep) as stranger:
        try:
            ours, theirs = process_of("stream", left.pid), process_of("api", stranger.pid)
            assert ours is not None
            assert theirs is not None
            reused = msgspec.structs.replace(theirs, born=theirs.born - 100)  # the pid was another's then
            launch.folder.mkdir()
            write_state(
                launch.folder,
                StackState(
                    ready=True,
                    host="127.0.0.1",
                    ports=Ports(1, 2, 3, 4, 5),
                    kafka="",
                    data_dir=str(launch.folder),
                    topic_prefix="lumina.",
                    processes=(ours, reused),
                ),
            )
            first = launch.up("json")
            assert json.loads(line(first.stdout))["pids"]["lumina"] == first.pid
            assert left.wait(DEADLINE_S) == -signal.SIGTERM
            assert stranger.poll() is None
        finally:
            left.kill()
            stranger.kill()


def test_a_data_folder_that_cannot_be_written_is_said_so(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    launch.env["LUMINA_DATA_DIR"] = str(tmp_path / "file" / "data")
    first = launch.up("json")
    _, err = first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 1
    assert "Set LUMINA_DATA_DIR to another" in err
    assert "Traceback" not in err
