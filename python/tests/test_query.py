"""``contrail.query()`` against a server of a few lines; the real one answers it in ``e2e/export.test.ts``."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
import threading
import unittest
import urllib.parse
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List
from unittest import mock

import support  # noqa: F401  (puts the package on the path)

import contrail

HEADER = "experiment,trial,run,seq,step,time,name,value,superseded\n"
ROWS = (
    HEADER
    + "3,12,1,1,1,2026-11-01T08:00:00.123Z,loss,0.5,false\n"
    + '3,12,1,2,2,2026-11-01T08:00:01.000Z,"a ""b"",\nc",NaN,true\n'
    + "3,12,2,1,2,2026-11-01T08:00:02.000Z,loss,-Infinity,false\n"
)


@contextlib.contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator["tuple[str, List[Dict[str, Any]]]"]:
    asked: List[Dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802
            path, _, text = self.path.partition("?")
            asked.append(
                {"path": path, "query": dict(urllib.parse.parse_qsl(text)), "headers": dict(self.headers)}
            )
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield "http://127.0.0.1:%d" % server.server_address[1], asked
        finally:
            server.shutdown()
            thread.join()


def chunks(*parts: str, whole: bool = True) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for part in parts:
            data = part.encode()
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return answer


def refusal(status: int, body: str, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        data = body.encode()
        handler.send_response(status)
        for name, value in {"content-length": str(len(data)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


class Query(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.config = Path(folder.name)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CONTRAIL_", "XDG_"))}
        patch = mock.patch.dict(os.environ, {**clean, "CONTRAIL_CONFIG_DIR": folder.name}, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def test_gives_columns_with_every_value_as_it_was(self) -> None:
        # Cut in the middle of a line.
        with serving(chunks(ROWS[:70], ROWS[70:])) as (url, asked):
            table = contrail.query("3.12", server=url, token="secret", frame="dict")
        self.assertEqual(list(table), HEADER.strip().split(","))
        self.assertEqual(table["experiment"], [3, 3, 3])
        self.assertEqual(table["step"], [1, 2, 2])
        self.assertEqual(table["name"], ["loss", 'a "b",\nc', "loss"])
        self.assertEqual(table["superseded"], [False, True, False])
        self.assertEqual(table["time"][0], datetime(2026, 11, 1, 8, 0, 0, 123000, timezone.utc))
        self.assertEqual((table["value"][0], table["value"][2]), (0.5, -math.inf))
        self.assertTrue(math.isnan(table["value"][1]))
        self.assertEqual(asked[0]["path"], "/api/v1/metrics/export")
        self.assertEqual(asked[0]["query"], {"format": "csv", "ids": "3.12"})
        self.assertEqual(asked[0]["headers"]["Authorization"], "Bearer secret")

    def test_sends_what_was_asked_for(self) -> None:
        with serving(chunks(HEADER)) as (url, asked):
            table = contrail.query(
                filter="label:vision", names=["loss", "acc"], from_step=0, to_step=9, superseded=True,
                server=url + "/", frame="dict",
            )  # fmt: skip
            contrail.query([3, "4.12"], server=url, frame="dict")
        self.assertEqual(table["value"], [])
        want = {"format": "csv", "filter": "label:vision", "names": "loss,acc", "from_step": "0"}
        self.assertEqual(asked[0]["query"], {**want, "to_step": "9", "superseded": "true"})
        self.assertEqual(asked[1]["query"], {"format": "csv", "ids": "3,4.12"})
        self.assertNotIn("Authorization", asked[0]["headers"])

    def test_finds_server_and_token_as_the_command_line_does(self) -> None:
        with serving(chunks(HEADER)) as (url, asked):
            stored = {"version": 1, "current": url, "servers": {url: {"token": "stored", "user": "ada"}}}
            (self.config / "credentials.json").write_text(json.dumps(stored))
            contrail.query(frame="dict")
            with mock.patch.dict(os.environ, {"CONTRAIL_SERVER": url, "CONTRAIL_TOKEN": "given"}):
                contrail.query(frame="dict")
            with mock.patch.dict(os.environ, {"CONTRAIL_SERVER": "http://x", "CONTRAIL_TOKEN": "of x"}):
                contrail.query(server=url + "/", frame="dict")
        self.assertEqual(
            [one["headers"]["Authorization"] for one in asked],
            ["Bearer stored", "Bearer given", "Bearer stored"],
        )

    def fails(self, code: str, **how: Any) -> contrail.QueryError:
        with self.assertRaises(contrail.QueryError) as caught:
            contrail.query(**{"frame": "dict", **how})
        self.assertEqual(caught.exception.code, code, caught.exception)
        self.assertTrue(caught.exception.hint)
        return caught.exception

    def test_says_what_is_wrong(self) -> None:
        self.fails("no_server")
        self.fails("option_invalid", server="ftp://x")
        self.assertNotIn("hunter2", str(self.fails("option_invalid", server="http://ada:hunter2@x")))
        self.assertNotIn("top", str(self.fails("option_invalid", server="http://x", token="top secret")))
        self.fails("option_invalid", frame="polars")
        problem = {"code": "not_found", "detail": "there is no experiment 9", "hint": "List them."}
        with serving(refusal(404, json.dumps(problem))) as (url, _):
            error = self.fails("not_found", server=url)
        self.assertEqual((error.status, error.detail), (404, "there is no experiment 9"))
        self.assertEqual(str(error), "not_found: there is no experiment 9. List them.")
        with serving(refusal(400, "<html>")) as (url, _):
            self.assertNotIsInstance(self.fails("not_contrail", server=url), contrail.ServerUnreachable)

    def test_what_passes_may_be_asked_again(self) -> None:
        problem = {"code": "unavailable", "detail": "the database does not answer", "hint": "Try again."}
        for status, body, code in (
            (502, "<html>", "not_contrail"),
            (429, "", "not_contrail"),
            (503, json.dumps(problem), "unavailable"),
        ):
            with serving(refusal(status, body)) as (url, _):
                error = self.fails(code, server=url)
            self.assertIsInstance(error, contrail.ServerUnreachable)
            self.assertEqual(error.status, status)
            self.assertRegex(error.hint, "(?i)again")

    def test_an_answer_that_is_cut_off_is_an_error_and_no_shorter_table(self) -> None:
        with serving(chunks(ROWS, whole=False)) as (url, _):
            error = self.fails("cut_off", server=url)
        self.assertIsInstance(error, contrail.ServerUnreachable)
        self.assertIsInstance(self.fails("unreachable", server="http://127.0.0.1:9"), ConnectionError)

    def test_a_server_on_this_machine_is_not_asked_through_a_proxy(self) -> None:
        with serving(refusal(502, "")) as (proxy, relayed), serving(chunks(HEADER)) as (url, asked):
            named = {"http_proxy": proxy, "no_proxy": ""}
            with mock.patch.dict(os.environ, named):
                contrail.query(server=url, token="secret", frame="dict")
                contrail.query(server=url.replace("127.0.0.1", "localhost"), token="secret", frame="dict")
                self.fails("not_contrail", server="http://contrail.invalid")
        self.assertEqual(len(asked), 2)
        self.assertEqual([one["path"] for one in relayed], ["http://contrail.invalid/api/v1/metrics/export"])

    def test_the_token_is_not_sent_on(self) -> None:
        with serving(chunks(HEADER)) as (other, asked):
            with serving(refusal(302, "", location=other)) as (url, _):
                self.fails("not_contrail", server=url, token="secret")
        self.assertEqual(asked, [])


if __name__ == "__main__":
    unittest.main()
