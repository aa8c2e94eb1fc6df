"""Captions as the models of language and words read them."""

from typing import Any


def captions(texts: Any) -> tuple[list[str | None], dict[int, str]]:
    """Return a pyarrow array of text as Python strings, None for NULL, and position -> reason where that fails.

    A file can hold bytes that are no UTF-8, lone surrogates among them; such a caption is None and has a reason.
    """
    try:
        return texts.to_pylist(), {}
    except UnicodeDecodeError:
        pass
    read: list[str | None] = []
    failures: dict[int, str] = {}
    for position, text in enumerate(texts):
        try:
            read.append(text.as_py())
        except UnicodeDecodeError:
            read.append(None)
            failures[position] = "the caption is not UTF-8"
    return read, failures
