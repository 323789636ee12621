"""The end of the service: what SIGTERM and Ctrl-C leave of the requests that it has."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from services import post

from tinybert.deploy.service import server

BODY = {"texts": ["some text"]}
SERVICE = """
import socket, sys
from services import FakeModel
from tinybert.deploy import serve
from tinybert.deploy.service import limits, server
limits.SHUTDOWN_SECONDS, limits.SHUTDOWN_RECEIVE_SECONDS = 2, 0.3
class Model(FakeModel):
    def __call__(self, texts):
        print("called", flush=True)
        return super().__call__(texts)
with server.bind("127.0.0.1", int(sys.argv[1])) as listener:
    serve.run(serve.create(Model(seconds=float(sys.argv[2]))), listener)
"""


@pytest.fixture
def service():
    """Starts the service in a process, with a model that takes some seconds."""
    with ExitStack() as stack:

        def start(seconds: float) -> tuple[subprocess.Popen, tuple[str, int]]:
            with server.bind("127.0.0.1", 0) as free:
                address = free.getsockname()
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", SERVICE, str(address[1]), str(seconds)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={"PYTHONPATH": ":".join(sys.path)},
                )
            )
            stack.callback(process.kill)
            for _ in range(300):
                try:
                    socket.create_connection(address).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.1)
            return process, address

        yield start


def test_sigterm_answers_complete_requests_and_drops_half_of_one(service):
    process, address = service(1.0)
    with (
        socket.create_connection(address) as complete,
        socket.create_connection(address) as half,
        socket.create_connection(address) as slow,
        socket.create_connection(address),
    ):
        half.sendall(post(BODY)[:-5])
        slow.sendall(post(BODY)[:-5])
        complete.sendall(post(BODY))
        process.stdout.readline()  # the model is called
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.15)
        slow.sendall(post(BODY)[-5:])  # what arrives soon is answered, too
        assert complete.recv(100).startswith(b"HTTP/1.1 200")
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
        assert process.wait(10) == -signal.SIGTERM
        assert time.monotonic() - start < 4
    assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_does_not_wait_for_a_slow_model(service, number):
    process, address = service(30.0)
    with socket.create_connection(address) as client:
        client.sendall(post(BODY))
        process.stdout.readline()
        start = time.monotonic()
        process.send_signal(number)
        assert client.recv(1000).startswith(b"HTTP/1.1 503")
        assert process.wait(10) == -number
        assert time.monotonic() - start < 5
    assert "Traceback" not in process.stderr.read()
