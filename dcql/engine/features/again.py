"""Stored values of a feature, computed again for some samples and compared."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dcql.arrays import present
from dcql.catalog.features import ID_DIGITS, StoredFeature, features_folder
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.duck import Resources, Session
from dcql.engine.features import files
from dcql.engine.features.asking import Asking
from dcql.engine.features.columns import Tell, identity_of
from dcql.engine.features.reading import Read, read_inner
from dcql.engine.features.report import Computing
from dcql.engine.features.running import Running
from dcql.engine.features.stages import each_demand
from dcql.engine.features.vectors import array_of, has_vector, matrix, vectors_or_none, width_of
from dcql.errors import Diagnostic, RunError
from dcql.lower.program import Demand, Program
from dcql.subset import Uids

_DOMAIN = b"dcql.feature.verify.v1\0"
_NAMED = 5


@dataclass
class Compared:
    """What came of computing again.

    Of `compared` samples `differing` have another value now: `beyond` of them by more than `tolerance`, or in a way
    that has no size, as text and NULL do. `largest` is the largest difference of numbers on a grid, or of two numbers
    of a vector. `uids` are the lowest of those beyond.
    """

    id: str
    tolerance: float
    stored: int = 0
    compared: int = 0
    differing: int = 0
    beyond: int = 0
    largest: float = 0.0
    uids: list[str] = field(default_factory=list)


def compute_again(
    program: Program,
    feature: str,
    pool: Pool,
    share: Fraction,
    resources: Resources,
    computing: Computing,
    tell: Tell,
) -> Compared:
    """Compute a feature again for a share of the samples that it is stored for; the store is not changed.

    A sample belongs to the share where SHA-256 says so of its uid, so that it is the same in any order of the pool.
    Raises RunError where nothing is stored, or the model cannot run.
    """
    found: list[Compared] = []

    def satisfy(asking: Asking, demand: Demand) -> None:
        if demand.feature == feature:
            found.append(_Again(asking, asking.features.spec(feature), pool, share, computing, tell).compare())
        else:
            asking.satisfy(demand)

    def make(given: Program, session: Session) -> Asking:
        return Asking(given, pool, session, computing, resources, tell)

    each_demand(program, pool, resources, make, satisfy, tell)
    return found[0]


@dataclass
class _Again:
    asking: Asking
    spec: FeatureSpec
    pool: Pool
    share: Fraction
    computing: Computing
    tell: Tell

    def compare(self) -> Compared:
        identity = identity_of(self.spec, self.asking.assets)
        place = features_folder() / identity.removeprefix("sha256:")[:ID_DIGITS]
        if not place.is_dir():
            raise RunError(_nothing(self.spec, self.pool))
        result = Compared(identity, self.spec.model.tolerance)
        with StoredFeature(identity, place).reading():
            chosen = list(self._chosen(StoredFeature(identity, place), result))
            if not result.stored:
                raise RunError(_nothing(self.spec, self.pool))
            total = sum(len(positions) for _, positions, _, _ in chosen)
            if total:
                self._compute(chosen, total, result)
        result.uids = sorted(result.uids)[:_NAMED]
        return result

    def _chosen(
        self, stored: StoredFeature, result: Compared
    ) -> Iterator[tuple[PoolFile, NDArray[np.int64], Uids, Any]]:
        """Yield for each file the rows to compute, their uids, and their stored values."""
        inputs = self.asking.features.inputs
        for file in self.pool.files:
            newest = stored.newest(inputs.key(file, self.spec)) if file.rows else None
            if newest is None:
                continue
            values = files.read_values(newest, file.rows)
            known = np.flatnonzero(values.known)
            result.stored += len(known)
            uids = inputs.uids(file)[known]
            picked = is_chosen(uids, self.share)
            if picked.any():
                rows = known[picked]
                before = values.value.take(pa.array(rows))
                if self.spec.is_embedding:
                    vectors = vectors_or_none(newest, values.value)
                    before = array_of(vectors[rows], present(before)) if vectors.shape[1] else pa.nulls(len(rows))
                yield file, rows, uids[picked], before

    def _compute(
        self, chosen: list[tuple[PoolFile, NDArray[np.int64], Uids, Any]], total: int, result: Compared
    ) -> None:
        inputs = self.asking.features.inputs
        with Running(self.spec, self.asking.assets, self.computing, total) as running:
            for file, positions, uids, before in chosen:
                read = self._read(file, positions)
                lacking = np.flatnonzero(~read.there)
                self._compared(before.take(pa.array(lacking)), pa.nulls(len(lacking)), uids[lacking], result)
                there = np.flatnonzero(read.there)
                done = 0
                for answers in running.ask(
                    inputs.pieces(file, self.spec, positions[there], running.rows, read.vectors)
                ):
                    here = there[done : done + len(answers.values)]
                    now = files.as_stored(answers, self.spec.output, self.spec.name).values
                    self._compared(before.take(pa.array(here)), now, uids[here], result)
                    done += len(here)
                    self.tell(self.spec.name, result.compared, total)

    def _read(self, file: PoolFile, positions: NDArray[np.int64]) -> Read:
        """Return the stored vectors that the feature reads. Raises RunError where they are not stored."""
        for inner in self.spec.inner.values():
            self.asking.features.stored(inner)
            if not files.read_known(self.asking.features.path(inner, file), file.rows)[positions].all():
                raise RunError(_nothing(inner, self.pool))
        return read_inner(self.spec, file, positions, self.asking.features.path)

    def _compared(self, before: Any, now: Any, uids: Uids, result: Compared) -> None:
        bits = self.spec.output.bits
        if self.spec.is_embedding:
            equal, apart = _vectors_apart(before, now)
        else:
            now = now.cast(before.type)
            both_null = pc.and_(before.is_null(), now.is_null())
            equal = pc.or_(both_null, pc.fill_null(pc.equal(before, now), False)).to_numpy(zero_copy_only=False)
            apart = np.full(len(equal), -1.0)
            if bits is not None:
                steps = pc.abs(pc.subtract(before.cast(pa.int64()), now.cast(pa.int64())))
                apart = pc.fill_null(steps, -1).to_numpy(zero_copy_only=False) * 2.0**-bits
        result.largest = max(result.largest, float(apart.max(initial=0.0)))
        # A text has no size, nor has a value against NULL: where these differ, they are always beyond.
        beyond = ~equal & ((apart < 0) | (apart > result.tolerance))
        result.compared += len(equal)
        result.differing += int(np.count_nonzero(~equal))
        result.beyond += int(np.count_nonzero(beyond))
        result.uids += [f"{int(uid['f0']):016x}{int(uid['f1']):016x}" for uid in uids[beyond]]


def _vectors_apart(before: Any, now: Any) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which vectors are equal, and the largest difference of their numbers; -1 where that has no size."""
    old, new = has_vector(before), has_vector(now)
    apart = np.full(len(old), -1.0)
    both = np.flatnonzero(old & new)
    if len(both) and width_of(before) == width_of(now):
        was, is_ = matrix(before)[both].astype(np.float64), matrix(now)[both].astype(np.float64)
        apart[both] = np.abs(was - is_).max(axis=1, initial=0.0)
    return (apart == 0) | (~old & ~new), apart


def is_chosen(uids: Uids, share: Fraction) -> NDArray[np.bool_]:
    """Return which uids belong to a share of all, (n,) bool: those whose digest is low."""
    limit = int(share * (1 << 64))
    words = np.empty((len(uids), 2), ">u8")
    words[:, 0], words[:, 1] = uids["f0"], uids["f1"]
    texts = words.tobytes()
    digests = (hashlib.sha256(_DOMAIN + texts[at : at + 16]).digest()[:8] for at in range(0, len(texts), 16))
    return np.fromiter((int.from_bytes(digest, "big") < limit for digest in digests), np.bool_, len(uids))


def refuse_beyond(feature: str, found: Compared) -> None:
    """Raise RunError where a value differs by more than the model's TOLERANCE."""
    if not found.beyond:
        return
    more = f" and {found.beyond - len(found.uids):,} more" if found.beyond > len(found.uids) else ""
    allowed = f"TOLERANCE is {found.tolerance:g}" if found.tolerance else "the model has no TOLERANCE"
    raise RunError(
        Diagnostic(
            "E0614",
            f"`{feature}` has other values now for {found.beyond:,} of {found.compared:,} samples",
            None,
            f"{allowed}; uids {', '.join(found.uids)}{more}",
            (
                "a library, a driver or the device may be another one than when they were computed",
                "subsets that were made with the stored values keep them: nothing was changed",
            ),
        )
    )


def _nothing(spec: FeatureSpec, pool: Pool) -> Diagnostic:
    return Diagnostic(
        "E0607",
        f"`{spec.name}` is not stored for `{pool.name}`",
        None,
        "there is nothing to compare with",
        (f"compute it: `dcql feature compute {spec.name} --pool {pool.name}`",),
    )
