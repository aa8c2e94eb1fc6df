"""Models of the tests' own, as a user writes them: files that log which samples they are asked of."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcql.engine.features.workers import Ask, loaded
from dcql.engine.udfs.answers import Answers

# Logs the uid of each sample that it is asked of, then answers by the body that a test gives.
_LOGGING = """
from pathlib import Path

LOG = Path(__file__).with_suffix(".log")


def one(text):
{body}


def load(weights, assets, options):
    def answer(uids, texts):
        with LOG.open("a") as log:
            log.write("".join(f"{{uid}}\\n" for uid in uids))
        return [None if text is None else one(text) for text in texts]

    return answer
"""


@dataclass(frozen=True)
class OwnModel:
    """A model's file, and the statement that declares it in a recipe beside that file."""

    path: Path
    statement: str

    def asked(self) -> list[str]:
        """Return the uids that it was asked of since `forget`, in order; one comes twice if asked twice."""
        log = self.path.with_suffix(".log")
        return log.read_text().split() if log.exists() else []

    def forget(self) -> None:
        self.path.with_suffix(".log").unlink(missing_ok=True)


def own_model(folder: Path, name: str, code: str, parameters: str, returns: str, extra: str = "") -> OwnModel:
    """Write a model's file and return its MODEL statement."""
    path = folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = f"FROM '{path.name}' SHA256 '{digest}'"
    return OwnModel(path, f"MODEL {name}({parameters}) RETURNS {returns} VERSION 1 {source}{extra};\n")


def logging_model(folder: Path, name: str, body: str, returns: str) -> OwnModel:
    """Write a model of uid and caption that logs; `body` is Python that returns the answer for `text`."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return own_model(folder, name, _LOGGING.format(body=indented), "uid TEXT, caption TEXT", returns)


def recipe_file(folder: Path, text: str, name: str = "recipe.dcql") -> Path:
    """Write a recipe beside its models."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def stored_files(home: Path) -> Mapping[str, bytes]:
    """Return every file of values in the store by its path, but for the ones in which nothing is known."""
    features = home / "features"
    found = (path for path in features.rglob("*.parquet") if path.parent.name != "nothing")
    return {path.relative_to(features).as_posix(): path.read_bytes() for path in sorted(found)}


class Here:
    """Stands for processes of models in tests in which these would take longer than all that they answer."""

    def __init__(self, ask: Ask, count: int) -> None:
        self._model = loaded(ask)

    def ask(self, pieces: Iterable[tuple[Any, ...]]) -> Iterator[Answers]:
        for piece in pieces:
            yield self._model(*piece)

    def stop(self, *, at_once: bool) -> None:
        pass
