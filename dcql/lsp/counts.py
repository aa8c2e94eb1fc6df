"""What predicates keep of a pool, counted one after the other beside the server, and remembered."""

import asyncio
from pathlib import Path

from dcql.editing.counting import Rate, rate_elsewhere
from dcql.editing.predicates import Question

Key = tuple[Question, str, Path | None]

MAX_REMEMBERED = 1_000


class Counts:
    """Counts one question at a time. Of those that wait only the newest is kept: the cursor went on from the others."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Rate]] = {}
        self._running: set[Key] = set()
        self._turn = asyncio.Semaphore(1)

    async def ask(self, question: Question, pool: str, path: Path | None, seconds: float) -> Rate | None:
        """Return what a question's predicate keeps, None where that is not known after so many seconds.

        Counting goes on then, and asking again gives what it found.
        """
        key = (question, pool, path)
        task = self._tasks.get(key)
        if task is None or task.cancelled():
            self._drop_waiting()
            task = self._tasks[key] = asyncio.create_task(self._count(key))
        done, _ = await asyncio.wait({task}, timeout=seconds)
        return task.result() if done and not task.cancelled() else None

    def forget(self) -> None:
        """Forget all rates, and end what is being counted: a file or the pool is another one."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def stop(self) -> None:
        """End what is being counted."""
        tasks = list(self._tasks.values())
        self.forget()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _count(self, key: Key) -> Rate:
        async with self._turn:
            self._running.add(key)
            try:
                return await rate_elsewhere(*key)
            except OSError as error:
                return Rate(fault=error.strerror or str(error))
            finally:
                self._running.discard(key)

    def _drop_waiting(self) -> None:
        for key in [key for key, task in self._tasks.items() if not task.done() and key not in self._running]:
            self._tasks.pop(key).cancel()
        if len(self._tasks) > MAX_REMEMBERED:
            self._tasks = {key: task for key, task in self._tasks.items() if not task.done()}
