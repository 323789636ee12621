"""The service under load, on loopback: requests per second, latency, and memory over time.

    python -m benchmarks.serve models/pydocs/onnx [--seconds 600] [--connections 32] [--json FILE]

wrk (Debian: wrk) sends one text per request over that number of connections; each connection waits
for its response.
"""

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.machine import describe
from tinybert.pipeline.files import write_json

PARTS = 10  # of the time; memory is read after each
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local texts = {%s}
local next = 0
request = function()
  next = next %% #texts + 1
  return wrk.format(nil, "/predict", nil, '{"texts": ["' .. texts[next] .. '"]}')
end
"""
TEXTS = (
    "Draws a line between two points of the axes.",
    "The shortest path between the nodes of a graph.",
    "A tensor on a device. " * 8,
    "Rows and columns with labels, sorted by the index, where values may be missing.",
)


def megabytes(process: int) -> float:
    """Resident memory, 10^6 bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is needed (Debian: apt-get install wrk)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "tinybert.commands.cli", "serve", options.model]
    command = [*serve, "--port", str(port)]
    rates, p99, memory, failed = [], [], [], 0
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command) as service:
        script = Path(folder) / "requests.lua"
        script.write_text(SCRIPT % ", ".join(f'"{text}"' for text in TEXTS))
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{address}/health").close()
                break
            except OSError:
                time.sleep(0.2)
        for _ in range(PARTS):
            load = ["-t1", f"-c{options.connections}", f"-d{options.seconds // PARTS}s"]
            wrk = ["wrk", *load, "--latency", "-s", str(script), address]
            output = subprocess.run(wrk, check=True, capture_output=True, text=True).stdout
            rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]))
            number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", output).groups()
            p99.append(float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit])
            failed += int((re.search(r"Non-2xx or 3xx responses: (\d+)", output) or [0, 0])[1])
            memory.append(megabytes(service.pid))
        service.terminate()
    print(f"{describe()}\n\n| part | requests/s | p99, ms | memory, MB |")
    print("| --- | ---: | ---: | ---: |")
    for i, row in enumerate(zip(rates, p99, memory, strict=True), 1):
        print(f"| {i} of {PARTS} | {row[0]:.0f} | {row[1]:.1f} | {row[2]:.1f} |")
    print(f"\n{options.connections} connections, {options.seconds} s; {failed} requests failed")
    if options.json:
        result = {"requests_per_second": rates, "p99_ms": p99, "megabytes": memory}
        write_json(options.json, {**result, "failed": failed, "machine": describe()})


if __name__ == "__main__":
    main()
