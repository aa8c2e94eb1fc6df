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
        return uid16 in block.entered, tuple(test.of(sample) for test in block.written)

    # A stage that nothing reads is not run, nor is a query in IN that no sample comes to.
    written = [block for block in program.blocks if block.written]
    last = [block for block in written if block.tests and block.name.split(".")[0] == "query"]
    return Sample(kept.get(uid16, 0), frozenset(map(told, written)), frozenset(map(told, last)))
