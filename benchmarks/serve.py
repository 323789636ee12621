"""The service under load, on loopback: requests a second, latency, and whether its memory grows.

    python -m benchmarks.serve models/pydocs/onnx [--seconds 600] [--connections 32] [--json FILE]

wrk (Debian: wrk) asks for one text at a time over so many connections, which wait for each answer.
"""

import argparse
import json
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

POINTS = 10  # at which memory is looked at
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
    command = [sys.executable, "-m", "tinybert.cli", "serve", options.model, "--port", str(port)]
    rates, p99, memory, wrong = [], [], [], 0
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command) as service:
        script = Path(folder) / "ask.lua"
        script.write_text(SCRIPT % ", ".join(f'"{text}"' for text in TEXTS))
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{address}/health").close()
                break
            except OSError:
                time.sleep(0.2)
        for _ in range(POINTS):
            words = ["-t1", f"-c{options.connections}", f"-d{options.seconds // POINTS}s"]
            load = ["wrk", *words, "--latency", "-s", str(script), address]
            said = subprocess.run(load, check=True, capture_output=True, text=True).stdout
            rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]))
            number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()
            p99.append(float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit])
            wrong += int((re.search(r"Non-2xx or 3xx responses: (\d+)", said) or [0, 0])[1])
            memory.append(megabytes(service.pid))
        service.terminate()
    print(f"{describe()}\n\n| part | requests/s | p99, ms | memory, MB |")
    print("| --- | ---: | ---: | ---: |")
    for i, row in enumerate(zip(rates, p99, memory, strict=True), 1):
        print(f"| {i} of {POINTS} | {row[0]:.0f} | {row[1]:.1f} | {row[2]:.1f} |")
    print(
        f"\n{options.connections} connections, {options.seconds} s; {wrong} answers were no success"
    )
    if options.json:
        found = {"requests_per_second": rates, "p99_ms": p99, "megabytes": memory, "failed": wrong}
        text = json.dumps({**found, "machine": describe()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
