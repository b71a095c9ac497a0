"""``contrail.query()``: every reported value of many trials as a table.

Asks the server over HTTP and reads what it sends while it arrives; a table of ten million rows needs the room of
its columns and little more. pandas and pyarrow are used where they are installed, and nothing needs them.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from array import array
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from ._outside import is_here

Id = Union[int, str]

_TIMEOUT_S = 300.0
_FRAMES = ("pandas", "pyarrow", "dict")


class QueryError(Exception):
    """A query that was not answered. ``code`` is one of ``docs/errors.md``, or ``unreachable``, ``cut_off``,
    ``no_server``, ``not_contrail``, ``option_invalid`` where no server has said anything; ``hint`` is what to do."""

    def __init__(self, code: str, detail: str, hint: str, status: int = 0) -> None:
        self.code = code
        self.detail = detail
        self.hint = hint
        self.status = status
        super().__init__("%s: %s %s" % (code, detail if detail.endswith(".") else detail + ".", hint))

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.code, self.detail, self.hint, self.status), self.__dict__


class ServerUnreachable(QueryError, ConnectionError):
    """No server answered, it went away in the middle, or it (or a proxy before it) cannot just now; the same query
    may be asked again."""

    __str__ = Exception.__str__


def query(
    ids: Union[None, Id, Iterable[Id]] = None,
    *,
    filter: Optional[str] = None,
    names: Union[None, str, Iterable[str]] = None,
    from_step: Optional[int] = None,
    to_step: Optional[int] = None,
    superseded: bool = False,
    frame: Optional[str] = None,
    server: Optional[str] = None,
    token: Optional[str] = None,
) -> Any:
    """All points, never thinned, of these experiments and trials (``3``, ``"3.12"``, or several), or of the
    experiments that ``filter`` finds (``docs/filters.md``), or of all.

    Columns: experiment, trial, run, seq, step, time, name, value, superseded. ``names`` keeps some metrics,
    ``superseded`` adds the points in whose place a later report counts. ``frame`` is "pandas" (a DataFrame),
    "pyarrow" (a Table) or "dict" (lists by column); by default the first of them that is installed.

    The server is ``server``, else CONTRAIL_SERVER, else the one that ``contrail login`` made the current one; the
    token ``token``, else CONTRAIL_TOKEN unless CONTRAIL_SERVER names another server, else the one stored for that
    server. Raises QueryError.
    """
    kind = _frame(frame)
    url, key = _target(server, token)
    options = {
        "format": "arrow" if kind == "pyarrow" or (kind == "pandas" and _has("pyarrow")) else "csv",
        "ids": _joined(ids),
        "filter": filter,
        "names": _joined(names),
        "from_step": from_step,
        "to_step": to_step,
        "superseded": "true" if superseded else None,
    }
    pairs = {name: str(value) for name, value in options.items() if value is not None}
    try:
        with _ask(url + "/api/v1/metrics/export?" + urllib.parse.urlencode(pairs), url, key) as answer:
            return _read(answer, kind, options["format"])
    except (http.client.HTTPException, OSError) as error:
        if isinstance(error, QueryError):
            raise
        hint = "Ask again; the server's log says why it ended the connection."
        raise ServerUnreachable("cut_off", "the answer of %s ended too early" % url, hint) from error


def _read(answer: Any, kind: str, sent: Optional[str]) -> Any:
    if sent == "arrow":
        import pyarrow

        with pyarrow.ipc.open_stream(answer) as reader:
            table = reader.read_all()
        # Whatever stands behind the end mark, so that an answer that was cut off is seen.
        answer.read()
        return table.to_pandas() if kind == "pandas" else table
    columns = _columns(io.TextIOWrapper(answer, encoding="utf-8", newline=""))
    if kind != "pandas":
        return {name: values if isinstance(values, list) else values.tolist() for name, values in columns.items()}
    import pandas

    data = pandas.DataFrame(columns)
    data["time"] = pandas.to_datetime(data["time"], utc=True)
    return data


def _columns(lines: Iterable[str]) -> Dict[str, Any]:
    rows = csv.reader(lines)
    header = next(rows)
    whole = [array("q") for _ in range(5)]
    times: List[datetime] = []
    names: List[str] = []
    values = array("d")
    flags: List[bool] = []
    known: Dict[str, str] = {}
    for row in rows:
        for column, text in zip(whole, row):
            column.append(int(text))
        times.append(_time(row[5]))
        names.append(known.setdefault(row[6], row[6]))
        values.append(float(row[7]))
        flags.append(row[8] == "true")
    return dict(zip(header, [*whole, times, names, values, flags]))


def _time(text: str) -> datetime:
    # Python before 3.11 does not read the Z.
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for this server, and would be sent along to another."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(address: str, url: str, token: Optional[str]) -> Any:
    headers = {"accept": "*/*"}
    if token:
        headers["authorization"] = "Bearer " + token
    request = urllib.request.Request(address, headers=headers)
    handlers: List[Any] = [_NoRedirect]
    if is_here(urllib.parse.urlsplit(url).hostname or ""):
        # A proxy that the environment names could not reach this machine's own server, and would be told the token.
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        return urllib.request.build_opener(*handlers).open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error.code, error.read()) from None
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        hint = "Start it with `contrail up`, or correct CONTRAIL_SERVER."
        raise ServerUnreachable("unreachable", "no server answers at %s (%s)" % (url, reason), hint) from error


# What passes, of a server and of a proxy before it.
_PASSING = (408, 425, 429, 502, 503, 504)


def _refusal(url: str, status: int, body: bytes) -> QueryError:
    kind = ServerUnreachable if status in _PASSING else QueryError
    try:
        problem = json.loads(body.decode("utf-8"))
        return kind(problem["code"], problem["detail"], problem["hint"], status)
    except (ValueError, KeyError, TypeError):
        detail = "%s answered %d with no message of Contrail" % (url, status)
        hint = "Ask again; if it stays, check the address." if status in _PASSING else "Check the address."
        return kind("not_contrail", detail, hint, status)


def _target(server: Optional[str], token: Optional[str]) -> Tuple[str, Optional[str]]:
    around = os.environ.get("CONTRAIL_SERVER")
    named = server or around
    stored = _credentials()
    url = (named or stored.get("current") or "").rstrip("/")
    if not url.startswith(("http://", "https://")) or "@" in url:
        hint = "Set CONTRAIL_SERVER to an address like http://127.0.0.1:4747, or run `contrail login URL`."
        if url:
            raise QueryError("option_invalid", "the server's address is not one that can be asked", hint)
        raise QueryError("no_server", "no server is known", hint)
    own = stored.get("servers", {}).get(url, {})
    # Named together they belong together: to another server the token is a secret that it could use.
    given = os.environ.get("CONTRAIL_TOKEN") if not around or around.rstrip("/") == url else None
    key = token or given or own.get("token")
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise QueryError("option_invalid", "the token is not one", "`contrail token create NAME` makes one.")
    return url, key


def _credentials() -> Dict[str, Any]:
    """What `contrail login` and `contrail up` have stored; nothing where there is nothing that can be read."""
    environment = os.environ
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    folder = environment.get("CONTRAIL_CONFIG_DIR") or os.path.join(base, "contrail")
    try:
        stored = json.loads(Path(folder, "credentials.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _joined(words: Union[None, Id, Iterable[Id]]) -> Optional[str]:
    if words is None:
        return None
    if isinstance(words, (int, str)):
        return str(words)
    return ",".join(str(word) for word in words)


def _has(module: str) -> bool:
    return find_spec(module) is not None


def _frame(wanted: Optional[str]) -> str:
    if wanted is None:
        return next(name for name in _FRAMES if name == "dict" or _has(name))
    if wanted not in _FRAMES:
        hint = "Use one of: %s." % ", ".join(_FRAMES)
        raise QueryError("option_invalid", "frame is %r" % (wanted,), hint)
    if wanted != "dict" and not _has(wanted):
        raise QueryError("option_invalid", "%s is not installed here" % wanted, "pip install %s" % wanted)
    return wanted
