"""What a command may compute of features: its options, and how they become a `Computing`."""

import re
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dcql.engine.features.report import Computing

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%?", re.ASCII)


class Device(StrEnum):
    """Where a model runs: the first CUDA device that is there, else the CPU; or one of them."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def percent(text: str) -> Fraction:
    """Read a share such as `1`, `0.5` or `2%` as an exact fraction of 1."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None or Fraction(match[1]) > 100:
        raise typer.BadParameter(f"{text!r} is no share: write a percentage from 0 to 100, as in 1 or 0.5")
    return Fraction(match[1]) / 100


NoComputeOption = Annotated[
    bool, typer.Option("--no-compute", help="Never compute a feature; fail where one that is asked for is not stored.")
]
OwnCodeOption = Annotated[
    bool, typer.Option("--own-code", help="Let the recipe's own Python models run; read them first.")
]
FailuresOption = Annotated[
    Fraction | None,
    typer.Option(
        "--max-failures",
        metavar="PERCENT",
        parser=percent,
        help="The share of the samples that a model may fail on; 1 without it.",
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where models that can use a GPU run.")]


def computing(
    threads: int | None,
    *,
    compute: bool = True,
    own_code: bool = False,
    max_failures: Fraction | None = None,
    device: Device = Device.AUTO,
) -> "Computing":
    """Return what the options of a command allow; `threads` limits the processes of models too."""
    from dcql.engine.features.report import Computing

    allowed = max_failures if max_failures is not None else Fraction(1, 100)
    return Computing(compute, own_code, allowed, threads, device.value)
