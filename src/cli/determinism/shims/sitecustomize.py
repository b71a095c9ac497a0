"""What `contrail doctor determinism` puts in front of a Python program: it holds still, or moves on purpose, the things
that a result must not depend on, and notes where the program touches them.

Python imports a module of this name by itself before the program begins; the program is not changed. CONTRAIL_DOCTOR
holds {"modes": {condition: mode}, "trace": file, "root": folder, "pid": of the program}. The modes are those of
`conditions.ts`. Works in every process of the program; in its children the condition "workers" stands for all
generators.
"""

import builtins
import importlib.abc
import importlib.util
import json
import os
import random
import sys
import threading
import time

_REAL_TIME = time.time
_REAL_SLEEP = time.sleep
_SEED = 20_260_701
_CLOCK_START_S = 1_767_225_600.0
_SHIFT_S = 26 * 3600.0 + 61.0
_JITTER_S = 0.02
_PLACES_MAX = 5

_settings = json.loads(os.environ.get("CONTRAIL_DOCTOR", "{}"))
_modes = _settings.get("modes", {})
_root = _settings.get("root", "")
_first_pid = _settings.setdefault("pid", os.getpid())
# Children inherit the environment and learn from it that they are none of them the first.
os.environ["CONTRAIL_DOCTOR"] = json.dumps(_settings)
_seen = {}
_jitter = random.Random(os.urandom(8))


def _is_child():
    return os.getpid() != _first_pid


def _mode(name):
    return _modes.get(name, "natural")


def _generators_mode(own):
    """In the program itself each generator has its condition; in its workers they have one together."""
    return _mode("workers") if _is_child() else _mode(own)


def note(kind, depth=2):
    """Writes down where in the program's own files something was touched, a few places for each kind."""
    places = _seen.setdefault((os.getpid(), kind), set())
    if len(places) >= _PLACES_MAX:
        return
    frame = sys._getframe(depth)
    for _ in range(40):
        if frame is None:
            return
        path = frame.f_code.co_filename
        if path.startswith(_root + os.sep) and not path.startswith(os.path.dirname(__file__)):
            break
        frame = frame.f_back
    else:
        return
    place = "%s:%d" % (os.path.relpath(path, _root), frame.f_lineno)
    if place not in places:
        places.add(place)
        _write({"kind": kind, "place": place})


def _write(line):
    try:
        handle = os.open(_settings["trace"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, (json.dumps(line) + "\n").encode())
        os.close(handle)
    except (OSError, KeyError):
        pass


# Wall clock.


def _patch_clock():
    import datetime

    mode = _mode("clock")
    ticks = [0]

    def now_ns(kind="clock"):
        note(kind, 3)
        if mode == "fixed":
            ticks[0] += 1
            return int(_CLOCK_START_S * 1_000_000_000) + ticks[0] * 1_000_000
        shift_s = _SHIFT_S if mode == "moved" else 0.0
        return int((_REAL_TIME() + shift_s) * 1_000_000_000)

    def patched(real):
        return lambda seconds=None: real(now_ns() / 1e9 if seconds is None else seconds)

    time.time = lambda: now_ns() / 1e9
    time.time_ns = lambda: now_ns()
    for name in ("localtime", "gmtime", "ctime"):
        setattr(time, name, patched(getattr(time, name)))
    real_strftime, real_localtime = time.strftime, time.localtime
    time.strftime = lambda form, t=None: real_strftime(form, real_localtime() if t is None else t)
    if mode == "fixed":
        counter = [0]

        def steady():
            note("clock")
            counter[0] += 1
            return counter[0] / 1000

        # Not monotonic(): libraries wait by it.
        time.perf_counter = steady
        time.perf_counter_ns = lambda: int(steady() * 1e9)

    real_datetime, real_date = datetime.datetime, datetime.date

    class _Kind(type):
        def __instancecheck__(cls, value):
            return isinstance(value, cls.__mro__[1])

        def __subclasscheck__(cls, other):
            return issubclass(other, cls.__mro__[1])

    class Moment(real_datetime, metaclass=_Kind):
        @classmethod
        def now(cls, tz=None):
            return real_datetime.fromtimestamp(now_ns() / 1e9, tz)

        @classmethod
        def utcnow(cls):
            utc = real_datetime.fromtimestamp(now_ns() / 1e9, datetime.timezone.utc)
            return utc.replace(tzinfo=None)

        @classmethod
        def today(cls):
            return cls.now()

    class Day(real_date, metaclass=_Kind):
        @classmethod
        def today(cls):
            return real_date.fromtimestamp(now_ns() / 1e9)

    Moment.__name__ = Moment.__qualname__ = "datetime"
    Day.__name__ = Day.__qualname__ = "date"
    datetime.datetime, datetime.date = Moment, Day


# Order of directory listings.


def _patch_listings():
    mode = _mode("listing")
    real_listdir, real_scandir = os.listdir, os.scandir

    def arranged(entries, key):
        if mode == "fixed":
            return sorted(entries, key=key)
        return sorted(entries, key=key, reverse=True) if mode == "moved" else list(entries)

    def listdir(*args, **named):
        note("listing")
        return arranged(real_listdir(*args, **named), lambda name: name)

    class Scan:
        def __init__(self, real):
            self._real = real
            self._left = None

        def __iter__(self):
            return self

        def __next__(self):
            if self._left is None:
                self._left = iter(arranged(self._real, lambda entry: entry.name))
            return next(self._left)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

        def close(self):
            self._real.close()

    def scandir(*args, **named):
        note("listing")
        return Scan(real_scandir(*args, **named))

    os.listdir, os.scandir = listdir, scandir


# Generators.


def _patch_random():
    real_seed, real_urandom = random.seed, os.urandom
    draws = [0]

    def seed(a=None, version=2):
        if a is None:
            note("workers" if _is_child() else "python_random")
            if _generators_mode("python_random") == "fixed":
                a = _SEED
        real_seed(a, version)

    def urandom(size):
        note("workers" if _is_child() else "python_random")
        if _generators_mode("python_random") != "fixed":
            return real_urandom(size)
        draws[0] += 1
        return random.Random("%d %d" % (_SEED, draws[0])).randbytes(size)

    random.seed, os.urandom = seed, urandom
    if _generators_mode("python_random") == "fixed":
        real_seed(_SEED)
    started = [0]

    def before_fork():
        started[0] += 1

    def in_child():
        note("processes", 1)
        # Python seeds a child anew from the system, whatever its parent was seeded with.
        if _mode("workers") == "fixed":
            real_seed(_SEED + started[0])
            numpy = sys.modules.get("numpy")
            if numpy is not None:
                numpy.random.seed(_SEED + started[0])

    os.register_at_fork(before=before_fork, after_in_child=in_child)


def _patch_numpy(numpy):
    real_seed, real_default = numpy.random.seed, numpy.random.default_rng
    made = [0]

    def own():
        made[0] += 1
        return _SEED + made[0]

    def fixed():
        return _generators_mode("numpy") == "fixed"

    def seed(value=None):
        if value is None:
            note("workers" if _is_child() else "numpy")
        real_seed(own() if value is None and fixed() else value)

    def default_rng(value=None):
        if value is None:
            note("workers" if _is_child() else "numpy")
        return real_default(own() if value is None and fixed() else value)

    numpy.random.seed, numpy.random.default_rng = seed, default_rng
    _write({"kind": "uses_numpy", "place": ""})
    if fixed():
        real_seed(_SEED)


# Threads and workers: the order in which concurrent work is done and finished.


class Task:
    """Work that is handed to a worker process. Module level, so that it can be sent there."""

    def __init__(self, work, jitter, seeded):
        self.work, self.jitter, self.seeded = work, jitter, seeded

    def __call__(self, *args, **named):
        if self.jitter:
            _REAL_SLEEP(random.Random(os.urandom(8)).random() * _JITTER_S)
        if self.seeded:
            import pickle
            import zlib

            key = _SEED + zlib.crc32(pickle.dumps((args, named)))
            random.seed(key)
            numpy = sys.modules.get("numpy")
            if numpy is not None:
                numpy.random.seed(key % 2**32)
        return self.work(*args, **named)


def _patch_threads():
    mode = _mode("threads")
    real_start, real_run = threading.Thread.start, threading.Thread.run

    def start(self):
        note("threads")
        real_start(self)
        if mode == "fixed":
            # One after the other, unless it is one that waits for work.
            self.join(0.05)

    def run(self):
        if mode == "moved":
            _REAL_SLEEP(_jitter.random() * _JITTER_S)
        real_run(self)

    threading.Thread.start, threading.Thread.run = start, run
    if mode == "fixed":
        sys.setswitchinterval(5.0)
    elif mode == "moved":
        sys.setswitchinterval(1e-5)


def _patch_futures(futures):
    mode = _mode("threads")
    numbered = [0]

    def arrange(pool, is_process):
        real_init, real_submit = pool.__init__, pool.submit

        def init(self, max_workers=None, *args, **named):
            note("threads")
            real_init(self, 1 if mode == "fixed" else max_workers, *args, **named)

        def submit(self, work, /, *args, **named):
            jitter = mode == "moved"
            seeded = is_process and _mode("workers") == "fixed"
            future = real_submit(self, Task(work, jitter, seeded) if jitter or seeded else work, *args, **named)
            numbered[0] += 1
            future._contrail_number = numbered[0]
            return future

        pool.__init__, pool.submit = init, submit

    arrange(futures.ThreadPoolExecutor, False)
    try:
        arrange(futures.ProcessPoolExecutor, True)
    except (ImportError, NotImplementedError):
        pass
    if mode == "fixed":

        def as_completed(fs, timeout=None):
            for future in sorted(set(fs), key=lambda f: getattr(f, "_contrail_number", 0)):
                futures.wait([future], timeout)
                yield future

        futures.as_completed = as_completed


def _patch_pools(pool):
    mode = _mode("threads")
    kind = pool.Pool
    real_init = kind.__init__

    def init(self, processes=None, *args, **named):
        note("threads")
        real_init(self, 1 if mode == "fixed" else processes, *args, **named)

    kind.__init__ = init
    names = ["apply_async", "_map_async", "imap", "imap_unordered"]
    for name in names:
        real = getattr(kind, "imap" if name == "imap_unordered" and mode == "fixed" else name)

        def call(self, func, *args, _real=real, **named):
            is_process = type(self).__name__ != "ThreadPool"
            jitter, seeded = mode == "moved", is_process and _mode("workers") == "fixed"
            return _real(self, Task(func, jitter, seeded) if jitter or seeded else func, *args, **named)

        setattr(kind, name, call)


# Network: only noted.


def _patch_network(socket):
    real = socket.socket.connect

    def connect(self, address):
        if isinstance(address, tuple) and str(address[0]) not in ("127.0.0.1", "localhost", "::1"):
            note("network")
        return real(self, address)

    socket.socket.connect = connect


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls something once a module has been imported, for those that are not here yet."""

    def __init__(self, hooks):
        self._hooks = hooks

    def find_spec(self, name, path, target=None):
        hook = self._hooks.pop(name, None)
        if hook is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        real = spec.loader.exec_module

        def exec_module(module):
            real(module)
            hook(module)

        spec.loader.exec_module = exec_module
        return spec


def _guarded(patch):
    """A fault of ours must not become one of the program's."""

    def call(*args):
        try:
            patch(*args)
        except Exception as fault:
            _write({"kind": "fault", "place": "%s: %s" % (patch.__name__, fault)})

    return call


def _install():
    _write({"kind": "python", "place": ""})
    for patch in (_patch_clock, _patch_listings, _patch_random, _patch_threads):
        _guarded(patch)()
    hooks = {
        "numpy": _patch_numpy,
        "concurrent.futures": _patch_futures,
        "multiprocessing.pool": _patch_pools,
        "socket": _patch_network,
    }
    for name in [name for name in hooks if name in sys.modules]:
        _guarded(hooks.pop(name))(sys.modules[name])
    sys.meta_path.insert(0, _AfterImport({name: _guarded(hook) for name, hook in hooks.items()}))


def _next_of_this_name():
    """A sitecustomize of the user's own still counts."""
    own = os.path.dirname(os.path.abspath(__file__))
    for folder in sys.path:
        if os.path.abspath(folder) == own:
            continue
        path = os.path.join(folder, "sitecustomize.py")
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                code = compile(file.read(), path, "exec")
            exec(code, {"__name__": "sitecustomize", "__file__": path, "__builtins__": builtins})
            return


if _settings.get("trace"):
    _install()
_next_of_this_name()
