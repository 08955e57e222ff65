"""Lumina's real processes on the test's own topics: started, killed and restarted as an operator would."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from lumina_api.stack.ports import free_port
from lumina_schemas.settings import Settings

START_S = 60.0
TESTS = Path(__file__).parents[1]

MODULES = {
    "gateway": "lumina_api.gateway",
    "api": "lumina_api.server",
    "stream": "lumina_streams.worker",
    "actor": "lumina_streams.actor",
}


class Process:
    """One child process of the stack and the address of its /ready page."""

    def __init__(self, name: str, module: str, ready: str, env: dict[str, str], logs: Path) -> None:
        self.name = name
        self.ready_url = ready
        self.log = logs / f"{name}.log"
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", module], env=env, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        """Kill -9 and reap."""
        self._popen.kill()
        self._popen.wait()

    def pause(self) -> None:
        """SIGSTOP: it holds its connections, and does nothing."""
        self._popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._popen.send_signal(signal.SIGCONT)

    def stop(self, deadline_s: float = 20) -> int:
        """SIGTERM, then wait; returns the exit status."""
        if self.running:
            self._popen.send_signal(signal.SIGTERM)
        try:
            return self._popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    async def ready(self) -> None:
        """Wait until the process says that it does its work."""
        said = "it does not answer"
        async with httpx.AsyncClient() as client:

            async def answers() -> bool:
                nonlocal said
                assert self.running, f"{self.name} ended:\n{self.log.read_text()[-3000:]}"
                try:
                    answer = await client.get(self.ready_url)
                except httpx.HTTPError:
                    return False
                said = answer.text
                return answer.status_code == 200

            await eventually(
                answers,
                START_S,
                lambda: f"{self.name} is not ready: {said}\n{self.log.read_text()[-3000:]}",
            )


class Stack:
    """Gateway, stream workers and api on one set of topics."""

    def __init__(self, settings: Settings, env: dict[str, str], logs: Path) -> None:
        self.settings = settings
        self.logs = logs
        self.otlp_port, self.grpc_port, self.api_port = (free_port() for _ in range(3))
        self.env = env | {
            "LUMINA_OTLP_HTTP_PORT": str(self.otlp_port),
            "LUMINA_OTLP_GRPC_PORT": str(self.grpc_port),
            "LUMINA_PORT": str(self.api_port),
            "LUMINA_DAILY_TRACE_LIMIT": "0",  # long attacks send more
        }
        self.otlp = f"http://127.0.0.1:{self.otlp_port}"
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self.processes: list[Process] = []

    async def start(self, *names: str) -> list[Process]:
        """Start processes (gateway, stream, actor, api, a module) side by side; wait until all are ready."""
        started = [self.spawn(name) for name in names]
        await asyncio.gather(*(process.ready() for process in started))
        return started

    def spawn(self, name: str, module: str = "", **more: str) -> Process:
        """Start one process without waiting; `module` runs in place of its own, `more` its environment."""
        env = self.env | more
        if name == "gateway":
            ready = f"{self.otlp}/ready"
        elif name == "api":
            ready = f"{self.api_url}/ready"
        else:
            port = free_port()
            env["LUMINA_HEALTH_PORT"] = str(port)
            ready = f"http://127.0.0.1:{port}/ready"
        module = module or MODULES.get(name, name)
        if module.startswith("faults."):  # a worker by another entry, a module of the tests'
            env["PYTHONPATH"] = str(TESTS)
        process = Process(name, module, ready, env, self.logs)
        self.processes.append(process)
        return process

    async def get(self, path: str, **params: Any) -> Any:
        """JSON of a REST answer."""
        async with httpx.AsyncClient(base_url=self.api_url, timeout=20) as client:
            response = await client.get(path, params=params)
            assert response.status_code == 200, response.text
            return response.json()

    def stop(self) -> None:
        for process in self.processes:
            if process.running:
                os.kill(process.pid, signal.SIGTERM)
        for process in self.processes:
            if process.running:
                try:
                    process.stop()
                except subprocess.TimeoutExpired:
                    continue


async def eventually(
    condition: Callable[[], Awaitable[bool]], deadline_s: float, what: Callable[[], str]
) -> None:
    """Wait for a condition; fails with what there is to say when the deadline passes."""
    deadline = asyncio.get_running_loop().time() + deadline_s
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, what()
        await asyncio.sleep(0.05)
