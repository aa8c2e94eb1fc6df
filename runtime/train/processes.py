"""The processes of one training: alone, or as torchrun starts them."""

import contextlib
import ctypes
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import distributed

from dcql.errors import Diagnostic, RunError


@dataclass(frozen=True)
class Processes:
    """This process among those of a training, and the device it computes on."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and tells progress."""
        return self.rank == 0

    def sums(self, numbers: torch.Tensor) -> list[float]:
        """Return (n,) float64 numbers added up over all processes."""
        summed = numbers.to(self.device, torch.float64)
        if self.size > 1:
            distributed.all_reduce(summed)
        return [float(number) for number in summed.cpu()]

    def texts(self, own: str) -> list[str]:
        """Return the text of each process, in their order."""
        if self.size == 1:
            return [own]
        encoded = own.encode()
        lengths = [torch.zeros(1, dtype=torch.int64, device=self.device) for _ in range(self.size)]
        distributed.all_gather(lengths, torch.tensor([len(encoded)], device=self.device))
        longest = max(int(length) for length in lengths)
        padded = torch.tensor(list(encoded.ljust(longest or 1, b"\0")), dtype=torch.uint8, device=self.device)
        gathered = [torch.zeros_like(padded) for _ in range(self.size)]
        distributed.all_gather(gathered, padded)
        pairs = zip(gathered, lengths, strict=True)
        return [bytes(part.cpu().tolist())[: int(length)].decode() for part, length in pairs]


@contextlib.contextmanager
def joined(device: str, threads: int) -> Iterator[Processes]:
    """Give this process its place in the training; torch computes as it is to until the end of the block.

    `device` is auto, cpu, cuda or cuda:N; `threads` is for the processor. On the processor processes talk by gloo, on
    GPUs by nccl. Raises RunError for a device that is not there.
    """
    rank, size, local = (int(os.environ.get(name, fallback)) for name, fallback in _PLACE.items())
    found = _device(device, local)
    threads_before = torch.get_num_threads()
    tf32_before = torch.backends.cuda.matmul.allow_tf32
    torch.set_num_threads(threads)
    # As open_clip_train has it.
    torch.backends.cuda.matmul.allow_tf32 = True
    if found.type == "cuda":
        torch.cuda.set_device(found)
    else:
        _keep_memory()
    if size > 1:
        distributed.init_process_group("nccl" if found.type == "cuda" else "gloo")
    try:
        yield Processes(rank, size, found)
    finally:
        if size > 1:
            distributed.destroy_process_group()
        torch.backends.cuda.matmul.allow_tf32 = tf32_before
        torch.set_num_threads(threads_before)


def _keep_memory() -> None:
    """Let the C library keep the memory that a step frees for the next one.

    By default it gives large blocks back at once, and the system clears them again: a fifth of a step at `demo`.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most that glibc takes
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of malloc.h

_PLACE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}


def _device(named: str, local: int) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if named == "cpu" or (named == "auto" and not count):
        return torch.device("cpu")
    # Of several processes on a machine each has a GPU of its own.
    wanted = re.fullmatch(r"cuda:([0-9]{1,4})", f"cuda:{local}" if named in ("auto", "cuda") else named)
    if wanted is None or int(wanted[1]) >= count:
        raise RunError(
            Diagnostic(
                "E1110",
                f"no device `{named}`",
                None,
                f"torch sees {count} CUDA device{'' if count == 1 else 's'}",
                ("train on the processor: `--device cpu`",),
            )
        )
    return torch.device(wanted[0])


def describe(device: torch.device) -> str:
    """Return what a device is: the GPU's name, or `cpu`."""
    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else "cpu"
