"""Steps of a reshard in processes of their own, since headers are parsed in Python.

All that they share passes through the folder of the work; a caller needs no `if __name__ == "__main__"`.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from dcql.runtime.reshard.work import Work

from dcql.errors import DcqlError, Diagnostic, RunError


def each(work: Work, step: str, numbers: Sequence[int], workers: int, told: Callable[[int], None]) -> None:
    """Do a step, scan or write, for each number; `told` is called with how many are done, from 0 on.

    Raises the RunError of the step that failed first; the others that are under way are done or left off.
    """
    told(0)
    if workers == 1 or len(numbers) < 2:
        for done, number in enumerate(numbers, 1):
            getattr(work, step)(number)
            told(done)
        return
    count = min(workers, len(numbers))
    free: SimpleQueue[_Worker] = SimpleQueue()
    processes = [_Worker(work.folder) for _ in range(count)]
    for process in processes:
        free.put(process)

    def one(number: int) -> None:
        process = free.get()
        try:
            process.do(step, number)
        finally:
            free.put(process)

    with ThreadPoolExecutor(count) as threads:
        try:
            waiting = {threads.submit(one, number) for number in numbers}
            while waiting:
                done_now, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done_now:
                    future.result()
                told(len(numbers) - len(waiting))
        except DcqlError:
            # What is under way is finished, for the next time.
            threads.shutdown(cancel_futures=True)
            raise
        except BaseException:
            for process in processes:
                process.kill()
            threads.shutdown(cancel_futures=True)
            raise
        finally:
            for process in processes:
                process.stop()


class _Worker:
    """A process that does one step after another."""

    def __init__(self, folder: Path) -> None:
        # -P: what lies in the working directory is not imported.
        command = [sys.executable, "-P", "-m", "dcql.runtime.reshard.serve", str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, step: str, number: int) -> None:
        """Do a step. Raises RunError where it fails, or the process ended."""
        answer = ""
        with contextlib.suppress(OSError, ValueError):
            _of(self._process.stdin).write(f"{step} {number}\n")
            _of(self._process.stdin).flush()
            answer = _of(self._process.stdout).readline()
        if not answer:
            code = self._process.wait()
            advice = ("use fewer of them: --workers 1", "run the same command again: it goes on where it was")
            label = f"it ended with status {code}, most often for want of memory"
            raise RunError(Diagnostic("E1013", "a process of the reshard ended", None, label, advice))
        told = json.loads(answer)
        if told:
            raise RunError(
                *(Diagnostic(code, message, None, label, tuple(helps)) for code, message, label, helps in told)
            )

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def stop(self) -> None:
        """End the process, which has nothing to do."""
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                _of(stream).close()
        self._process.wait()


def _of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
