"""Models in processes of their own: one a core, fed with Arrow over pipes.

A worker is `python -m dcql.engine.features.workers`. It reads one line of JSON, the model to load, then messages: eight
bytes of length, then an Arrow IPC stream of the inputs. It answers each with another one of value, failure and margin.
Nothing is pickled, and a caller needs no `if __name__ == "__main__"`.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import numpy as np
import pyarrow as pa

from dcql.arrays import texts_of
from dcql.catalog.types import Type
from dcql.engine.udfs.answers import Answers, Model
from dcql.errors import Diagnostic, RunError

_LENGTH = 8
# Small enough that all workers end at nearly the same time, large enough that messages cost nothing.
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Ask:
    """What a worker loads: a model of the library, or a user's file, with weights, assets as files, and options.

    `code` is the user's file, `sha256` its digest in hex and `returns` the name of the type of its answers.
    """

    model: str
    code: str
    sha256: str
    returns: str
    weights: str
    assets: Mapping[str, str]
    options: Mapping[str, bool | int | float | str]


class Workers:
    """Processes that answer for one model; `ask` may be called again and again, from one thread."""

    def __init__(self, ask: Ask, count: int) -> None:
        self._ask = ask
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._all = [_Worker(ask) for _ in range(max(1, count))]
        for worker in self._all:
            self._free.put(worker)
        self._threads = ThreadPoolExecutor(len(self._all))

    def stop(self, *, at_once: bool) -> None:
        """End the processes: once they have answered, or at once, whatever they are at."""
        if at_once:
            for worker in self._all:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._all:
            worker.stop()

    def ask(self, pieces: Iterable[tuple[Any, ...]]) -> Iterator[Answers]:
        """Yield the answers for pieces of input columns, in their order, a few pieces ahead of the caller.

        Raises RunError where a worker ends or the model cannot be loaded.
        """
        waiting: list[Any] = []
        for piece in pieces:
            waiting.append(self._threads.submit(self._one, piece))
            if len(waiting) > 2 * len(self._all):
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()

    def _one(self, piece: tuple[Any, ...]) -> Answers:
        worker = self._free.get()
        try:
            return worker.answer(piece)
        finally:
            self._free.put(worker)


class _Worker:
    def __init__(self, ask: Ask) -> None:
        self._model = ask.model
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        # The worker imports the dcql that runs here, whatever the current folder holds.
        root = str(Path(__file__).parents[3])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "dcql.engine.features.workers"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        head = {
            "model": ask.model,
            "code": ask.code,
            "sha256": ask.sha256,
            "returns": ask.returns,
            "weights": ask.weights,
            "assets": dict(ask.assets),
            "options": dict(ask.options),
        }
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # a process that ended already is found out when it is asked
            self._process.stdin.write(json.dumps(head).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self, piece: tuple[Any, ...]) -> Answers:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            columns = {str(number): _sent(column) for number, column in enumerate(piece)}
            _send(self._process.stdin, pa.table(columns))
            table = _receive(self._process.stdout)
        except (OSError, ValueError) as error:
            raise self._ended() from error
        if table is None:
            raise self._ended()
        if fault := (table.schema.metadata or {}).get(b"fault"):
            raise RunError(Diagnostic(**json.loads(fault)))
        return _answers(table)

    def _ended(self) -> RunError:
        reason = "it does not answer"
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=5)
            reason = f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with status {code}"
        return RunError(
            Diagnostic(
                "E0610",
                f"a process that runs the model `{self._model}` ended",
                None,
                reason,
                ("what was computed is kept: run it again", "with fewer --threads it needs less memory"),
            )
        )

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # it may have ended before
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _sent(column: Any) -> Any:
    """Return an input column as an arrow array: (n, d) numbers as lists of d, images as binary."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    if isinstance(column, np.ndarray):
        return pa.FixedSizeListArray.from_arrays(pa.array(column.reshape(-1)), column.shape[1])
    return pa.array(column, pa.binary()) if isinstance(column, list) else column


def _given(column: Any) -> Any:
    """Return an input column as a model takes it, from what `_sent` made of it."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
    return column.to_pylist() if pa.types.is_binary(column.type) else column


def _send(stream: IO[bytes], table: Any) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = sink.getvalue()
    stream.write(len(content).to_bytes(_LENGTH, "big"))
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    """Return the next table, None at the end."""
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    length = int.from_bytes(head, "big")
    content = stream.read(length)
    if len(content) < length:
        return None
    return pa.ipc.open_stream(content).read_all().combine_chunks()


def _answers(table: Any) -> Answers:
    values, failure = (_column(table, name) for name in ("value", "failure"))
    failures = {}
    if failure.null_count < len(failure):
        failures = {place: text for place, text in enumerate(failure.to_pylist()) if text is not None}
    if "margin" not in table.schema.names:
        return Answers(values, failures)
    return Answers(values, failures, _column(table, "margin").to_numpy(zero_copy_only=False).astype(np.float32))


def _column(table: Any, name: str) -> Any:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks else pa.nulls(0, column.type)


def _table(answers: Answers) -> Any:
    rows = len(answers.values)
    failures = pa.nulls(rows, pa.string())
    if answers.failures:
        reasons = (answers.failures.get(place) for place in range(rows))
        failures = texts_of([None if reason is None else reason.encode() for reason in reasons])
    columns = {"value": answers.values, "failure": failures}
    if answers.margin is not None:
        columns["margin"] = pa.array(answers.margin, pa.float32())
    return pa.table(columns)


def _serve() -> None:
    """Load the model that the first line names, and answer until the input ends."""
    # What a model prints or reads must not come between the messages.
    answers, source = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    # Control-C goes to every process of a terminal; the one that asks ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    head = json.loads(source.readline())
    model: Model | None = None
    while (table := _receive(source)) is not None:
        try:
            model = model or loaded(Ask(**head))
            answered = _table(model(*(_given(column) for column in table.columns)))
        except RunError as error:
            first = error.diagnostics[0]
            fault = {"code": first.code, "message": first.message, "label": first.label, "helps": list(first.helps)}
            answered = pa.table({"value": pa.nulls(0)}).replace_schema_metadata({"fault": json.dumps(fault)})
        _send(answers, answered)


def _end_with(parent: int) -> None:
    """End this process once the one that asks is gone: a model that never answers would run on for nobody."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def loaded(ask: Ask) -> Model:
    from dcql.engine.features.assets import read_asset
    from dcql.engine.udfs import table

    assets = {name: read_asset(Path(path), name) for name, path in ask.assets.items()}
    weights = Path(ask.weights) if ask.weights else None
    if ask.code:
        from dcql.engine.udfs import own

        code, returns = Path(ask.code), Type[ask.returns]
        return own.load(code, sha256=ask.sha256, returns=returns, weights=weights, assets=assets, options=ask.options)
    return table.load(ask.model, weights=weights, assets=assets, options=ask.options)


if __name__ == "__main__":
    _serve()
