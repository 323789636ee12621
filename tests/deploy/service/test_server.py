"""A server under clients that stall, flood, leave or send half, on real sockets."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx
import pytest
from services import FakeModel, closed_after, post, running

from tinybert.deploy import serve
from tinybert.deploy.service import limits, server

HEALTH = b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n"


BODY = {"texts": ["some text"]}
PARTS = {
    "nothing": b"",
    "half of the headers": HEALTH[:-6],
    "half of the body": post(BODY)[:-5],
    "a chunk": b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "a request and half of another": HEALTH + HEALTH[:-6],
    "too large a body": post(BODY).replace(b"Length: ", b"Length: 99999999"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_client_that_stalls_is_disconnected(monkeypatch, part):
    monkeypatch.setattr(limits, "RECEIVE_SECONDS", 0.4)
    with running(serve.create(FakeModel())) as address, socket.create_connection(address) as client:
        client.sendall(PARTS[part])
        assert 0.3 < closed_after(client) < 3


@pytest.mark.parametrize("start", [HEALTH[:-2], post(BODY)[:-20]])
def test_a_client_that_sends_byte_by_byte_is_disconnected(monkeypatch, start):
    monkeypatch.setattr(limits, "RECEIVE_SECONDS", 0.5)
    with running(serve.create(FakeModel())) as address, socket.create_connection(address) as client:
        client.sendall(start)
        begin = time.monotonic()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while time.monotonic() - begin < 5:
                client.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - begin < 3


def test_the_kernel_holds_no_part_of_a_response_back(monkeypatch):
    """Head and body are two writes, of which Nagle's algorithm would delay the second."""
    made, options = server.Connection.connection_made, []

    def connection_made(connection, transport):
        made(connection, transport)
        accepted = transport.get_extra_info("socket")
        options.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(server.Connection, "connection_made", connection_made)
    with running(serve.create(FakeModel())) as (host, port):
        assert httpx.get(f"http://{host}:{port}/health").status_code == 200
    assert len(options) == 1 and options[0]


def test_a_pause_between_requests_is_no_stall(monkeypatch):
    monkeypatch.setattr(limits, "RECEIVE_SECONDS", 0.3)
    monkeypatch.setattr(limits, "SEND_SECONDS", 0.3)
    model = FakeModel(seconds=0.8)  # nor is a slow answer
    with running(serve.create(model)) as (host, port), httpx.Client() as client:
        url = f"http://{host}:{port}"
        assert client.get(f"{url}/health").status_code == 200
        kept = client._transport._pool.connections
        time.sleep(0.8)
        assert client.post(f"{url}/predict", json=BODY).status_code == 200
        assert client._transport._pool.connections == kept  # the same one


def test_a_connection_is_kept_for_more_than_a_minute_then_closed(monkeypatch):
    assert server.server(serve.create(FakeModel())).config.timeout_keep_alive > 60
    monkeypatch.setattr(limits, "KEEP_ALIVE_SECONDS", 1)
    with running(serve.create(FakeModel())) as address, socket.create_connection(address) as client:
        client.sendall(HEALTH)
        assert 0.9 < closed_after(client) < 3


def test_a_client_that_does_not_read_its_response_is_disconnected(monkeypatch):
    monkeypatch.setattr(limits, "SEND_SECONDS", 0.5)

    class Talkative(FakeModel):
        def __call__(self, texts):
            return [{"label": "x" * 20_000_000, "probabilities": {}} for _ in texts]

    with running(serve.create(Talkative())) as address, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address)
        client.sendall(post(BODY))
        time.sleep(2)
        received = 0
        client.settimeout(5)
        with suppress(ConnectionResetError):
            while chunk := client.recv(1_000_000):
                received += len(chunk)
        assert received < 20_000_000


def test_silent_connections_do_not_keep_others_out(monkeypatch):
    monkeypatch.setattr(limits, "MAX_IDLE", 5)
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 10)
    with running(serve.create(FakeModel())) as address, ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address)) for _ in range(60)]
        time.sleep(0.5)
        assert httpx.post("http://{}:{}/predict".format(*address), json=BODY).status_code == 200
        for client in silent[:10]:
            assert closed_after(client) < 1
        closed = 0
        for client in silent:
            client.settimeout(0.01)
            try:
                closed += client.recv(1) == b""
            except ConnectionResetError:
                closed += 1
            except TimeoutError:
                pass
        assert closed >= 60 - limits.MAX_IDLE


def test_requests_beyond_the_limit_of_connections_are_refused(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 4)
    with running(serve.create(FakeModel(seconds=0.5))) as address, ThreadPoolExecutor(8) as pool:
        url = "http://{}:{}/predict".format(*address)
        calls = [pool.submit(httpx.post, url, json=BODY) for _ in range(7)]
        statuses = [call.result().status_code for call in calls]
        assert set(statuses) == {200, 503}
        assert httpx.post(url, json=BODY).status_code == 200


def test_half_sent_bodies_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(limits, "MAX_BUFFERED_BYTES", 1_000_000)
    body = post({"texts": ["a" * 20_000] * 20})
    with running(serve.create(FakeModel())) as address, ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address)) for _ in range(5)]
        for client in clients:
            client.sendall(body[:-5])
            client.settimeout(0.5)
        answers = []
        for client in clients:
            with suppress(TimeoutError):
                answers.append(client.recv(100)[:12])
        assert answers and set(answers) == {b"HTTP/1.1 429"}
        url = "http://{}:{}/predict".format(*address)
        assert httpx.post(url, json=BODY).status_code == 200  # a small one is read all the same


def test_texts_of_clients_that_left_are_dropped(monkeypatch):
    monkeypatch.setattr(limits, "BATCH_SIZE", 2)
    model = FakeModel(seconds=0.3)
    with running(serve.create(model)) as address:
        url = "http://{}:{}".format(*address)
        with socket.create_connection(address) as first:
            first.sendall(post({"texts": ["first"]}))
            time.sleep(0.1)  # the model reads it
            for _ in range(20):
                with socket.create_connection(address) as client:
                    client.sendall(post({"texts": ["left", "left"]}))
                    time.sleep(0.002)
            start = time.monotonic()
            assert httpx.post(f"{url}/predict", json={"texts": ["honest"]}).status_code == 200
            assert time.monotonic() - start < 0.9  # two batches, not 21
            assert first.recv(100).startswith(b"HTTP/1.1 200")
        metrics = httpx.get(f"{url}/metrics").text
    assert model.texts == ["first", "honest"]
    assert 'tinybert_requests_total{path="/predict",status="499"} 20.0' in metrics


def test_comparisons_of_clients_that_left_are_dropped():
    teacher = FakeModel(seconds=0.3)
    with running(serve.create(FakeModel(), teacher)) as address:
        for _ in range(10):
            with socket.create_connection(address) as client:
                client.sendall(post({"texts": ["left"]}, "/compare"))
                time.sleep(0.02)
        start = time.monotonic()
        url = "http://{}:{}/compare".format(*address)
        assert httpx.post(url, json={"texts": ["honest"]}).status_code == 200
        assert time.monotonic() - start < 1.2  # not ten times 0.3 s
    assert len(teacher.texts) <= 3


def test_a_body_in_chunks_of_one_byte_does_not_keep_others_waiting():
    head = b"POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running(serve.create(FakeModel())) as address, socket.create_connection(address) as client:
        url = "http://{}:{}/health".format(*address)
        client.sendall(head + b"1\r\n \r\n" * 200_000)
        for _ in range(3):
            start = time.monotonic()
            assert httpx.get(url).status_code == 200
            assert time.monotonic() - start < 0.3


def test_what_follows_a_response_and_is_not_http_leaves_no_traceback(monkeypatch, caplog):
    monkeypatch.setattr(limits, "MAX_BYTES", 10)
    head = b"POST /predict HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running(serve.create(FakeModel())) as address, socket.create_connection(address) as client:
        client.sendall(head + b"14\r\n" + b"x" * 20 + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 413")
        client.sendall(b"no chunk\r\n")
        closed_after(client)
    assert [r.getMessage() for r in caplog.records if r.name == "asyncio"] == []


def test_a_client_that_asks_for_a_websocket_leaves_no_advice_in_the_log(capsys):
    with running(serve.create(FakeModel())) as (host, port):
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        assert httpx.get(f"http://{host}:{port}/health", headers=headers).status_code == 200
    assert "pip install" not in capsys.readouterr().err


def test_pipelined_requests_are_answered_in_order():
    with running(serve.create(FakeModel())) as address, socket.create_connection(address) as client:
        client.sendall(post({"texts": ["a"]}) + post({"texts": ["abc"]}) + HEALTH)
        received = b""
        client.settimeout(5)
        while b'"pair"' not in received:
            received += client.recv(65536)
        assert received.index(b'"good":1') < received.index(b'"good":3') < received.index(b'"pair"')
