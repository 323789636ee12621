"""The address that the service takes, and the open files that its connections need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinybert.deploy.service import limits, server
from tinybert.pipeline.errors import InputError


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_an_error_that_says_so(host):
    try:
        listener = server.bind(host, 0)
    except InputError:
        pytest.skip("no IPv6")
    with listener, pytest.raises(InputError, match=f"port {listener.getsockname()[1]} .* --port"):
        server.bind(host, listener.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", 70_000),
        ("127.0.0.1", -1),
        ("no such host.invalid", 0),
        ("x" * 70, 0),
        ("198.51.100.1", 0),  # of no machine (RFC 5737)
    ],
)
def test_an_address_that_cannot_be_bound_is_an_error(host, port):
    with pytest.raises(InputError, match="cannot listen on"):
        server.bind(host, port)


def test_an_empty_host_does_not_open_the_service_to_the_network():
    with pytest.raises(InputError, match="--host is empty"):
        server.bind("", 0)


def run(script: str) -> str:
    """The output of Python code in a process of its own, of which nothing remains."""
    imports = "import os, resource\nfrom tinybert.deploy.service import server\n"
    done = subprocess.run(
        [sys.executable, "-c", imports + script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return done.stdout + done.stderr


def test_a_port_that_needs_rights_is_an_error_that_says_so():
    file = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not file.exists() or int(file.read_text()) <= 81:
        pytest.skip("any user may listen on any port")
    nobody = "os.setuid(65534)" if os.getuid() == 0 else "pass"
    output = run(f"{nobody}\nserver.bind('127.0.0.1', 81)")
    assert "InputError: cannot listen on port 81 of 127.0.0.1" in output
    assert "ports below 1024 may need rights; choose another --port" in output


def test_the_limit_of_open_files_is_raised_for_the_connections():
    output = run(
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "server.bind('127.0.0.1', 0)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
        "server.bind('127.0.0.1', 0)\n"
    )
    assert output.startswith(f"{limits.OPEN_FILES}\n")
    assert "InputError: the service needs 1024 open files, and the limit is 256" in output
