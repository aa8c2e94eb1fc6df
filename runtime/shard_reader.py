"""Samples of training shards, read at random by their position in the order of the shards."""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from dcql.runtime.shards import INDEX, ShardSet, open_index, place_of
from numpy.typing import NDArray

from dcql.arrays import numbers
from dcql.checksum import crc32
from dcql.errors import Diagnostic, RunError
from dcql.files import LocalFiles, locate, unreadable

_OPEN = 256  # tars that are held open; a process may open 1024 files on most systems
_GAP = 64 << 10  # bytes between image and caption that are read rather than skipped


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample as it lies in the shards: `image` is encoded in `image_format`, webp, jpg or png."""

    key: str
    image: bytes
    image_format: str
    caption: str


class ShardReader:
    """Reads samples of a ShardSet by position, from 0 up to its `samples`, in the order of the shards.

    It may be used by many threads, and by processes that are forked or started with a copy: it is picklable, and holds
    no place in a file. A sample is one read of its tar, checked by its CRC-32. Raises RunError where the index cannot
    be used; `read` does where a tar cannot be read or a sample is not the one that was written.

        >>> reader = ShardReader(shards.read("runs/mine/shards"))       # doctest: +SKIP
        >>> reader.read(0).caption                                      # doctest: +SKIP
        'a red balloon'
    """

    def __init__(self, shards: ShardSet) -> None:
        table = open_index(shards)
        self.shards = shards
        self._keys = table["key"].combine_chunks()
        formats = table["image_format"].combine_chunks().dictionary_encode()
        self._formats: list[str] = formats.dictionary.to_pylist()
        self._format = numbers(formats.indices)
        self._tar = _numbers(table["tar"])
        self._image = _numbers(table["image_offset"]), _numbers(table["image_size"])
        self._caption = _numbers(table["caption_offset"]), _numbers(table["caption_size"])
        self._crc32 = _numbers(table["crc32"])
        self._check()
        self._open: OrderedDict[int, _Opened] = OrderedDict()
        self._lock = threading.Lock()

    def _check(self) -> None:
        """Raise RunError where a sample lies outside of its tar: nothing beyond one is read."""
        sizes = np.array([tar.size for tar in self.shards.tars], np.int64)
        right = (self._tar >= 0) & (self._tar < len(sizes))
        right[right] &= self._within(sizes[self._tar[right]], right)
        if not right.all():
            _refuse_place(self.shards, self.key(int(np.argmin(right))))

    def _within(self, ends: NDArray[np.int64], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return whether the image and the caption of some rows end before `ends`."""
        within = np.ones(len(ends), np.bool_)
        for offsets, lengths in (self._image, self._caption):
            start, length = offsets[rows], lengths[rows]
            within &= (start >= 0) & (length >= 0) & (length <= ends) & (start <= ends - length)
        return within

    def __len__(self) -> int:
        return self.shards.samples

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open, self._lock = OrderedDict(), threading.Lock()

    def key(self, position: int) -> str:
        """Return the key of a sample, `{uid}-{j}`, without reading it."""
        return str(self._keys[position].as_py())

    def read(self, position: int) -> Sample:
        """Return the sample at a position, from 0 up to `len`. Raises IndexError outside."""
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of {len(self)} samples")
        tar = int(self._tar[position])
        image_at, image_size = (int(column[position]) for column in self._image)
        caption_at, caption_size = (int(column[position]) for column in self._caption)
        start, end = min(image_at, caption_at), max(image_at + image_size, caption_at + caption_size)
        opened = self._opened(tar)
        if end - start <= image_size + caption_size + _GAP:
            content = opened.read(start, end - start)
            image = content[image_at - start : image_at - start + image_size]
            caption = content[caption_at - start : caption_at - start + caption_size]
        else:
            image, caption = opened.read(image_at, image_size), opened.read(caption_at, caption_size)
        if crc32(caption, crc32(image)) != int(self._crc32[position]):
            _refuse_sample(self.shards.place(tar), self.key(position), start)
        # A caption that is not UTF-8 is trained on as far as it can be read: no sample of a subset is left out.
        text = caption.decode("utf-8", "replace")
        return Sample(self.key(position), image, self._formats[self._format[position]], text)

    def _opened(self, tar: int) -> "_Opened":
        with self._lock:
            opened = self._open.get(tar)
            if opened is None:
                opened = self._open[tar] = _Opened(self.shards.place(tar))
                if len(self._open) > _OPEN:
                    # A thread that still reads from it holds it open until it is done.
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(tar)
            return opened


class _Opened:
    """A tar that is open for reads at any place; closed when nobody holds it."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._descriptor: int | None = None
        try:
            self._filesystem, self._path = locate(place)
            if isinstance(self._filesystem, LocalFiles):
                self._descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except (OSError, ImportError, ValueError) as error:
            raise RunError(unreadable(place, error)) from error

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the tar, fewer where it ends before."""
        try:
            if self._descriptor is not None:
                return os.pread(self._descriptor, length, offset)
            return bytes(self._filesystem.cat_file(self._path, start=offset, end=offset + length))
        except OSError as error:
            raise RunError(unreadable(self._place, error)) from error

    def __del__(self) -> None:
        if getattr(self, "_descriptor", None) is not None:
            os.close(self._descriptor)  # type: ignore[arg-type]


def _numbers(column: Any) -> NDArray[Any]:
    """Return a column of whole numbers, which has no NULL."""
    return np.concatenate([np.zeros(0, str(column.type)), *(numbers(chunk) for chunk in column.chunks)])


def _refuse_place(shards: ShardSet, key: str) -> NoReturn:
    place = place_of(shards.folder, INDEX)
    label = f"sample `{key}` lies in none of its tars"
    raise RunError(Diagnostic("E1002", f"`{place}` cannot be used", None, label, ("reshard the run again",)))


def _refuse_sample(place: str, key: str, offset: int) -> NoReturn:
    raise RunError(
        Diagnostic(
            "E1005",
            f"sample `{key}` is damaged",
            None,
            f"`{place}` holds other bytes from byte {offset} on than when the shards were made",
            ("put the tar back as it was, or reshard the run again into a new folder",),
        )
    )
