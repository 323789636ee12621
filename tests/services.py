"""A model that needs no file, and a server of it on a free port of the loopback interface."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tinybert.deploy.service import server

LABELS = ["bad", "good"]


class FakeModel:
    """Predicts the length of a text; records the sizes of batches, and the texts."""

    kind, labels, pair = "classification", LABELS, False

    def __init__(self, seconds: float = 0.0):
        self.sizes, self.texts, self.seconds = [], [], seconds

    def __call__(self, texts):
        self.sizes.append(len(texts))
        self.texts += texts
        time.sleep(self.seconds)
        return [{"label": "good", "probabilities": {"bad": 0.0, "good": len(t)}} for t in texts]


@contextmanager
def running(app) -> Iterator[tuple[str, int]]:
    """The address of a server of the app, with the limits as they are now."""
    with server.bind("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        instance = server.server(app)
        thread = threading.Thread(target=instance.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not instance.started:
                time.sleep(0.01)
            yield address
        finally:
            instance.should_exit = True
            thread.join()


def post(body: dict, path: str = "/predict") -> bytes:
    """A request to post, as bytes."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def closed_after(connection: socket.socket, timeout: float = 5.0) -> float:
    """Seconds until the server closes a connection; ignores what it sends. Raises TimeoutError."""
    start = time.monotonic()
    connection.settimeout(timeout)
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - start
