"""Tensors on disk: safetensors files, written whole or not at all, with plain data in their header. Nothing is pickled.

A checkpoint is one file, so that weights, optimizer and counts are always of the same step.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from dcql.runtime.identity import weights_sha256
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dcql.errors import Diagnostic, RunError

FOLDER = "checkpoints"

_HEADER = "dcql"  # the one entry of a file's metadata
Tensors = dict[str, torch.Tensor]


def save(path: Path, tensors: Mapping[str, torch.Tensor], header: dict[str, Any]) -> None:
    """Write tensors and plain data to a file, over the one that is there. Raises RunError where the disk does."""
    with writing(path), replaced(path) as unfinished:
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, unfinished, {_HEADER: json.dumps(header, sort_keys=True)})


def load(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read a file that `save` wrote, on the CPU. Raises RunError for another one."""
    try:
        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()[_HEADER])
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            Diagnostic(
                "E1105",
                f"`{path}` cannot be read",
                None,
                str(error).splitlines()[0] if str(error) else type(error).__name__,
                ("remove it: training goes on from the checkpoint before, or begins anew",),
            )
        ) from error


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the digest of weights."""

    def rows() -> Iterator[tuple[str, str, tuple[int, ...], memoryview]]:
        for name, tensor in tensors.items():
            on_cpu = tensor.detach().cpu().contiguous()
            content = on_cpu.reshape(-1).view(torch.uint8).numpy().data if on_cpu.numel() else memoryview(b"")
            yield name, str(on_cpu.dtype).removeprefix("torch."), tuple(on_cpu.shape), content

    return weights_sha256(rows())


def newest(folder: Path) -> Path | None:
    """Return the checkpoint of the latest step in a training folder, or None."""
    return max((folder / FOLDER).glob("step-*.safetensors"), default=None)


def put(folder: Path, step: int, tensors: Mapping[str, torch.Tensor], header: dict[str, Any]) -> None:
    """Write the checkpoint after so many steps; the ones before are removed once it is there."""
    path = folder / FOLDER / f"step-{step:010d}.safetensors"
    save(path, tensors, header)
    for other in sorted((folder / FOLDER).glob("step-*.safetensors")):
        if other != path:
            other.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove the checkpoints of a training that is done."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


# The state of an optimizer by names of parameters: torch numbers them by their order, which is nobody's promise.


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[torch.nn.Parameter, str]) -> Tensors:
    """Return the state of AdamW as tensors by name."""
    return {
        f"optimizer.{names[parameter]}.{kind}": value
        for parameter, state in optimizer.state.items()
        for kind, value in state.items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[torch.nn.Parameter, str], tensors: Tensors
) -> None:
    """Put back what `optimizer_tensors` gave. Raises KeyError where a tensor is missing."""
    for parameter, name in names.items():
        kinds = ("step", "exp_avg", "exp_avg_sq")
        state = {kind: tensors[f"optimizer.{name}.{kind}"] for kind in kinds}
        optimizer.state[parameter] = {
            # torch keeps the count of steps on the CPU.
            kind: value if kind == "step" else value.to(parameter.device, parameter.dtype)
            for kind, value in state.items()
        }


# Files that are there whole or not at all.


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` at the end, or nothing where the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the disk into a RunError that names `path`."""
    try:
        yield
    except OSError as error:
        _refuse(path, error.strerror or str(error), full=error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    except SafetensorError as error:  # what the disk answers is in its text alone
        _refuse(path, str(error), full="No space left" in str(error) or "File too large" in str(error))


def _refuse(path: Path, reason: str, *, full: bool) -> NoReturn:
    advice = "free some space on the disk" if full else "check the path and its permissions"
    raise RunError(
        Diagnostic(
            "E1108",
            f"cannot write `{path}`",
            None,
            reason,
            (f"{advice}, and run the command again: it goes on from the last checkpoint",),
        )
    )
