"""What the oracle says of one sample: its verdict, and what each conjunct of each SELECT gives for it."""

from dataclasses import dataclass
from typing import Any

import oracle
import pools

Told = tuple[bool, tuple[bool | None, ...]]


@dataclass(frozen=True)
class Sample:
    """A sample as the oracle sees it: its copies (0: dropped), and for each SELECT with a WHERE what `told` says.

    That is whether the FROM holds the sample, and what each conjunct gives.
    """

    copies: int
    selects: frozenset[Told]
    last: frozenset[Told]


def sample_of(text: str, rows: pools.Pool, uid: str) -> Sample:
    """Ask the oracle about a sample. Raises OracleError."""
    program = oracle.program(text, rows, None, None)
    kept = program.run()
    uid16 = bytes.fromhex(uid)
    sample = program.samples[uid16]

    def told(block: Any) -> Told:
        return uid16 in block.entered, tuple(test.of(sample) for test in block.tests)

    # A stage that nothing reads is not run, and has no tests.
    ran = [block for block in program.blocks if block.tests]
    last = [block for block in ran if block.name.split(".")[0] == "query"]
    return Sample(kept.get(uid16, 0), frozenset(map(told, ran)), frozenset(map(told, last)))
