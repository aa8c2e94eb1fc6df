"""The oracle against hand-worked cases, the specification's vectors, and DataComp's rules in numpy."""

import ast
import hashlib
import math
import random
import re
import struct
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import OracleError, clause_counts, datacomp, dcql1, npy_bytes, select, thresholds
from oracle.functions import fasttext_words, like, re2
from oracle.numeric import float_arithmetic, nearest_float32
from oracle.parser import parse
from pools import ADVERSARIAL, LAYOUTS, Pool, write
from pools.build import read

INT, FLOAT, DOUBLE, TEXT, BOOL = "int64", "float32", "float64", "string", "bool"


# What begins with none of these is the condition of a WHERE.
RECIPE = re.compile(r"[\s(]*(SELECT|WITH|DEFINE|PARAM|SET|IMPORT|TABLE|DCQL)", re.IGNORECASE)


def uid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def pool_of(**columns: tuple[str, list[Any]]) -> Pool:
    """Make a pool of samples 0, 1, 2 .. from (type, values) columns."""
    rows = len(next(iter(columns.values()))[1])
    data = {"uid": [uid(i).hex() for i in range(rows)]} | {
        name: values for name, (_, values) in columns.items()
    }
    return Pool(data, {"uid": TEXT} | {name: type_ for name, (type_, _) in columns.items()})


def kept(recipe: str, pool: Pool, **options: Any) -> list[int]:
    """Return the numbers of the samples a recipe keeps, each once for every copy."""
    if not RECIPE.match(recipe):
        recipe = f"SELECT uid FROM pool WHERE {recipe}"
    bag = select(recipe, pool, **options)
    return [int.from_bytes(one, "big") for one in sorted(bag) for _ in range(bag[one])]


def refused(recipe: str, pool: Pool, **options: Any) -> str:
    """Return the code a recipe is refused with."""
    with pytest.raises(OracleError) as caught:
        kept(recipe, pool, **options)
    return caught.value.code


def tie_order(numbers: list[int]) -> list[int]:
    return sorted(numbers, key=lambda number: hashlib.sha256(b"dcql.tie.v1\0" + uid(number)).digest())


@pytest.fixture(scope="module")
def five() -> Pool:
    """Five samples: x is 1 2 3 4 NULL; g is 1 1 2 2 NULL; t is a b NULL A ''."""
    return pool_of(
        x=(INT, [1, 2, 3, 4, None]),
        g=(INT, [1, 1, 2, 2, None]),
        f=(FLOAT, [0.25, 0.25, float("nan"), -0.0, 0.5]),
        d=(DOUBLE, [0.1, 1e308, -1e308, None, 5e-324]),
        t=(TEXT, ["a", "b", None, "A", ""]),
        b=(BOOL, [True, False, None, True, False]),
    )


# ---------------------------------------------------------------- §1 relations, three-valued logic, NaN


def test_nan_is_null_and_minus_zero_is_zero(five: Pool) -> None:
    assert kept("f IS NULL", five) == [2]
    assert kept("f = 0", five) == [3]
    assert kept("f >= -1", five) == [0, 1, 3, 4]
    assert kept("f <> 7", five) == [0, 1, 3, 4]


def test_three_valued_logic(five: Pool) -> None:
    assert kept("b OR x IS NULL", five) == [0, 3, 4]
    assert kept("NOT b", five) == [1, 4]
    assert kept("(b AND x > 100) IS NULL", five) == []
    assert kept("(b OR x > 0) IS NULL", five) == [4]
    assert kept("(b AND x > 0) IS NULL", five) == [2]
    assert kept("x > 2 AND x IS NOT NULL", five) == [2, 3]
    assert kept("NULL OR TRUE", five) == [0, 1, 2, 3, 4]
    assert kept("x = NULL", five) == []


def test_no_expression_raises_on_a_row(five: Pool) -> None:
    assert kept("(d * 10) IS NULL", five) == [1, 2, 3]
    assert kept("(1 / (x - 1)) IS NULL", five) == [0, 4]
    assert kept("(x % (x - 1)) IS NULL", five) == [0, 4]
    assert kept("(x + 9223372036854775806) IS NULL", five) == [1, 2, 3, 4]
    assert kept("(0 - x - 9223372036854775807) IS NULL", five) == [1, 2, 3, 4]


# ---------------------------------------------------------------- §2 order statistics


def test_rule_1_q_is_a_whole_operand(five: Pool) -> None:
    assert kept("x >= q(0.5)", five) == [1, 2, 3]
    assert kept("q(0.5) <= x", five) == [1, 2, 3]
    assert kept("x BETWEEN q(0.5) AND q(0.75)", five) == [1, 2]
    assert kept("x NOT BETWEEN q(0.5) AND 3", five) == [0, 3]
    assert kept("x = q(1)", five) == [3]
    assert kept("x <> q(1)", five) == [0, 1, 2]
    for wrong in ["x >= q(0.5) + 1", "q(0.5) >= q(0.4)", "x IN (q(0.5))", "q(0.5) BETWEEN 1 AND 2", "q(0.5)",
                  "CASE WHEN x >= q(0.5) THEN x END >= q(0.5)", "x >= q(0.5 BY x >= q(0.1))", "t >= q(0.5)",
                  "b = q(0.5)"]:  # fmt: skip
        assert refused(wrong, five) == "E03", wrong


def test_rule_2_the_k_th_smallest_of_the_known() -> None:
    pool = pool_of(x=(INT, [5, 3, None, 1, None, 4, 2]))
    for p, value in [
        ("0", 1),
        ("0.2", 1),
        ("0.200001", 2),
        ("0.5", 3),
        ("1", 5),
        ("1 - 0.8", 1),
        ("3 / 5", 3),
    ]:
        assert thresholds(f"SELECT uid FROM pool WHERE x >= q({p})", pool)[0].only.value == value
    # With NULLS FIRST: NULL NULL 1 2 3 4 5, n = 7.
    for p, lowest in [("0.2", None), ("2 / 7", None), ("0.3", 1), ("1", 5)]:
        found = thresholds(f"SELECT uid FROM pool WHERE x >= q({p} NULLS FIRST)", pool)[0].only
        assert (found.value, found.n, found.nulls) == (lowest, 7, 2)
    assert kept("x >= q(0.2 NULLS FIRST)", pool) == []
    assert kept("NOT x >= q(0.2 NULLS FIRST)", pool) == []
    for wrong in ["1.1", "-0.1", "x", "'a'", "1 / 0", "NULL"]:
        assert refused(f"x >= q({wrong})", pool) == "E03"


def test_rule_2_p_is_exact() -> None:
    """0.1 + 0.2 is 3/10, so k = 3 of 10; in floating point it would be 4."""
    pool = pool_of(x=(INT, list(range(10))))
    assert thresholds("SELECT uid FROM pool WHERE x > q(0.1 + 0.2)", pool)[0].only.k == 3
    assert math.ceil((0.1 + 0.2) * 10) == 4


def test_rule_3_a_threshold_does_not_depend_on_its_place(five: Pool) -> None:
    for recipe in ["x >= q(0.5) AND x < 3", "NOT (x < q(0.5) OR x >= 3)", "x < 3 AND x >= q(0.5)",
                   "CASE WHEN x < 3 THEN x >= q(0.5) ELSE FALSE END"]:  # fmt: skip
        assert kept(recipe, five) == [1], recipe
    define = "DEFINE cut AS q(0.5); DEFINE top(v, c) AS v >= c; SELECT uid FROM pool WHERE top(x, cut)"
    assert kept(define, five) == [1, 2, 3]


def test_rule_4_the_population_is_said(five: Pool) -> None:
    stages = "WITH s AS (SELECT uid FROM pool WHERE x >= 3) SELECT uid FROM s WHERE x > q(0.5{})"
    assert refused(stages.format(""), five) == "E03"
    assert kept(stages.format(" OF s"), five) == [3]
    assert kept(stages.format(" OF pool"), five) == [2, 3]
    assert kept(
        "WITH s AS (SELECT uid FROM pool WHERE x >= 3) SELECT uid FROM pool WHERE x >= q(0 OF s)", five
    ) == [2, 3]
    assert refused("x > q(0.5 OF nothing)", five) == "E02"


def test_rule_5_by(five: Pool) -> None:
    recipe = "SELECT uid FROM pool WHERE x >= q(1 BY g)"
    assert kept(recipe, five) == [1, 3]
    groups = thresholds(recipe, five)[0].groups
    assert {group: (one.value, one.n, one.nulls) for group, one in groups.items()} == {
        (1,): (2, 2, 0), (2,): (4, 2, 0), (None,): (None, 0, 1)
    }  # fmt: skip
    stage = "WITH s AS (SELECT uid FROM pool WHERE g = 1) "
    assert kept(stage + "SELECT uid FROM pool WHERE (x >= q(0 OF s BY g)) IS NULL", five) == [2, 3, 4]


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("fraction", ["0.3", "0.7", "0.29", "0.1", "0.05", "0", "0.999"])
def test_rule_6_datacomp_fraction(name: str, fraction: str) -> None:
    pool = ADVERSARIAL[name]()
    for arch in ("b32", "l14"):
        expected = datacomp.npy(datacomp.clip_score(pool, arch, fraction=float(fraction)))
        recipe = f"SELECT uid FROM pool WHERE clip_{arch} >= datacomp_q({fraction})"
        assert npy_bytes(select(recipe, pool)) == expected
        if int(pool.rows * float(fraction)) == math.floor(pool.rows * Fraction(fraction)):
            recipe = f"SELECT uid FROM pool WHERE clip_{arch} >= q(1 - {fraction} NULLS FIRST)"
            assert npy_bytes(select(recipe, pool)) == expected


def test_rule_6_where_the_two_differ() -> None:
    """int(100 * 0.29) is 28: DataComp keeps 29 samples, the exact rule 30."""
    pool = pool_of(x=(FLOAT, [i / 128 for i in range(100)]))
    assert len(kept("x >= datacomp_q(0.29)", pool)) == 29
    assert len(kept("x >= q(1 - 0.29 NULLS FIRST)", pool)) == 30


# ---------------------------------------------------------------- §3 the other clauses


def test_rule_7_limit(five: Pool) -> None:
    assert kept("SELECT uid FROM pool ORDER BY x DESC LIMIT 2", five) == [2, 3]
    assert kept("SELECT uid FROM pool ORDER BY x LIMIT 4", five) == [0, 1, 2, 3]
    assert kept("SELECT uid FROM pool ORDER BY x DESC NULLS FIRST LIMIT 2", five) == [3, 4]
    assert kept("SELECT uid FROM pool ORDER BY x LIMIT 50 PERCENT", five) == [0, 1]
    assert kept("SELECT uid FROM pool ORDER BY g, x DESC LIMIT 1", five) == [1]
    assert kept("SELECT uid FROM pool ORDER BY 1 LIMIT 2", five) == sorted(tie_order(list(range(5)))[:2])
    assert kept("SELECT uid FROM pool ORDER BY x LIMIT 99", five) == [0, 1, 2, 3, 4]
    assert kept("SELECT uid FROM pool ORDER BY x LIMIT 2.0", five) == [0, 1]
    assert kept("PARAM n DEFAULT 1; SELECT uid FROM pool ORDER BY x LIMIT n", five) == [0]
    assert kept("SELECT uid FROM pool WHERE x > 0 ORDER BY x LIMIT 1 BY g", five) == [0, 2]
    assert refused("SELECT uid FROM pool LIMIT 2", five) == "E04"
    assert refused("SELECT uid FROM pool ORDER BY x LIMIT 2.5", five) == "E03"
    assert refused("SELECT uid FROM pool ORDER BY x LIMIT 101 PERCENT", five) == "E03"
    assert refused("SELECT uid FROM pool ORDER BY b LIMIT 1", five) == "E03"


def test_rule_8_distinct_on(five: Pool) -> None:
    assert kept("SELECT DISTINCT ON (g) uid FROM pool ORDER BY x DESC", five) == [1, 3, 4]
    assert kept("SELECT DISTINCT ON (g) uid FROM pool ORDER BY x DESC LIMIT 1", five) == [3]
    ties = [tie_order([0, 1])[0], tie_order([2, 3])[0], 4]
    assert kept("SELECT DISTINCT ON (g) uid FROM pool ORDER BY 1", five) == sorted(ties)
    nulls = pool_of(k=(INT, [None, None, 1, 1]), j=(INT, [1, 1, None, None]))
    assert kept("SELECT DISTINCT ON (k) uid FROM pool ORDER BY uid", nulls) == [0, 1, 2]
    assert kept("SELECT DISTINCT ON (k, j) uid FROM pool ORDER BY uid", nulls) == [0, 1, 2, 3]
    assert kept("SELECT DISTINCT ON (g) uid, 2 AS copies FROM pool ORDER BY x", five) == [0, 0, 2, 2, 4, 4]
    assert refused("SELECT DISTINCT ON (g) uid FROM pool", five) == "E04"
    union = "SELECT DISTINCT ON (g) uid FROM pool UNION SELECT uid FROM pool ORDER BY x"
    assert refused(union, five) == "E04"


def test_rule_9_the_tail_follows_set_operations(five: Pool) -> None:
    both = "SELECT uid FROM pool WHERE x > 2 UNION SELECT uid FROM pool WHERE x < 2 ORDER BY x LIMIT 1"
    assert kept(both, five) == [0]
    one = "(SELECT uid FROM pool ORDER BY x DESC LIMIT 1) UNION (SELECT uid FROM pool ORDER BY x LIMIT 1)"
    assert kept(one, five) == [0, 3]
    assert refused("SELECT uid FROM pool ORDER BY x LIMIT 1 UNION SELECT uid FROM pool", five) == "E01"
    assert (
        refused("SELECT uid FROM pool UNION SELECT uid FROM pool ORDER BY x >= q(0.5) LIMIT 1", five) == "E03"
    )


def test_rule_10_set_operations(five: Pool) -> None:
    a, b, c = (f"SELECT uid FROM pool WHERE x IN ({members})" for members in ("1, 2", "2, 3", "3, 4"))
    assert kept(f"{a} UNION {b}", five) == [0, 1, 2]
    assert kept(f"{a} UNION ALL {b}", five) == [0, 1, 1, 2]
    assert kept(f"{a} INTERSECT {b}", five) == [1]
    assert kept(f"{a} EXCEPT {b}", five) == [0]
    assert kept(f"{a} UNION {b} INTERSECT {c}", five) == [0, 1, 2]
    assert kept(f"({a} UNION {b}) INTERSECT {c}", five) == [2]
    assert kept(f"{a} EXCEPT {b} UNION {c}", five) == [0, 2, 3]
    assert kept(f"{a} EXCEPT ({b} UNION {c})", five) == [0]
    assert kept(f"{a} UNION ALL {a} UNION ALL {a} EXCEPT {b}", five) == [0]
    assert kept(f"({a} UNION ALL {a}) INTERSECT {a}", five) == [0, 1]


def test_rule_11_copies(five: Pool) -> None:
    assert kept("SELECT uid, x AS copies FROM pool WHERE x < 4", five) == [0, 1, 1, 2, 2, 2]
    assert kept("SELECT uid, x - 1 AS copies FROM pool WHERE x < 3", five) == [1]
    assert (
        kept("SELECT uid, 2 AS copies FROM (SELECT uid, 3 AS copies FROM pool WHERE x = 1)", five) == [0] * 6
    )
    for wrong in ["x", "0 - x", "x / 2", "4294967296"]:
        assert refused(f"SELECT uid, {wrong} AS copies FROM pool", five) == "E07"
    assert select("SELECT uid, 4294967295 AS copies FROM pool WHERE x = 1", five) == {uid(0): 2**32 - 1}


def test_rule_12_sample(five: Pool) -> None:
    def h64(number: int, seed: str) -> int:
        return int.from_bytes(
            hashlib.sha256(b"dcql.sample.v1\0" + seed.encode() + b"\0" + uid(number)).digest()[:8], "big"
        )

    pool = pool_of(x=(INT, list(range(100))))
    tenth = kept("SELECT uid FROM pool SAMPLE 10 PERCENT SEED 7", pool)
    assert tenth == [i for i in range(100) if h64(i, "7") < 2**64 // 10]
    assert set(kept("SELECT uid FROM pool SAMPLE 5 PERCENT SEED '7'", pool)) <= set(tenth)
    rows = kept("SELECT uid FROM pool SAMPLE 3 ROWS SEED 'a'", pool)
    assert rows == sorted(sorted(range(100), key=lambda i: h64(i, "a"))[:3])
    again = "SELECT uid FROM (SELECT uid FROM pool SAMPLE 10 PERCENT SEED 7) SAMPLE 50 PERCENT SEED {}"
    assert refused(again.format(7), pool) == "E04"
    assert len(kept(again.format(8), pool)) <= len(tenth)


def test_rule_13_weight() -> None:
    pool = pool_of(w=(DOUBLE, [0.0, None, 1.0, 1e300, 2.0]))
    assert kept("SELECT uid FROM pool SAMPLE 9 ROWS SEED 1 WEIGHT BY w", pool) == [2, 3, 4]
    assert kept("SELECT uid FROM pool SAMPLE 1 ROWS SEED 1 WEIGHT BY w", pool) == [3]
    assert refused("SELECT uid FROM pool SAMPLE 1 ROWS SEED 1 WEIGHT BY 0 - w", pool) == "E07"


def test_rule_14_in(five: Pool) -> None:
    text = "1\n\n3\n7\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    set_ = f"SET s FROM 'in/s.txt' SHA256 '{digest}'; SELECT uid FROM pool WHERE "
    files = {"in/s.txt": text}
    assert kept(set_ + "x IN s", five, files=files) == [0, 2]
    assert kept(set_ + "x NOT IN s", five, files=files) == [1, 3]
    assert kept(set_ + "(x NOT IN s) IS NULL", five, files=files) == [4]
    assert kept("x IN (1, g)", five) == [0]
    assert kept("x NOT IN (1, NULL)", five) == []
    assert kept("t IN ('a', 'A')", five) == [0, 3]
    assert kept("uid IN (SELECT uid FROM pool WHERE x = 2)", five) == [1]
    assert kept(
        "WITH s AS (SELECT uid FROM pool WHERE x > 1) SELECT uid FROM pool WHERE uid NOT IN s", five
    ) == [0, 4]
    assert refused("t IN (SELECT uid FROM pool)", five) == "E03"
    assert refused(set_ + "x IN s", five, files={"in/s.txt": "1\n"}) == "E07"
    uids = npy_bytes({uid(2): 1, uid(9): 2})
    digest = hashlib.sha256(uids).hexdigest()
    npy = f"SET s FROM './u.npy' SHA256 '{digest}'; SELECT uid FROM pool WHERE uid IN s"
    assert kept(npy, five, files={"u.npy": uids}) == [2]
    digest = hashlib.sha256(b"").hexdigest()
    empty = f"SET s FROM 'e.txt' SHA256 '{digest}'; SELECT uid FROM pool WHERE (x IN s) IS NULL"
    assert kept(empty, five, files={"e.txt": b""}) == [4]


def test_rule_16_import(five: Pool) -> None:
    base = "PARAM keep DEFAULT 0.5; SELECT uid FROM pool WHERE x >= q(1 - keep)"
    files = {
        "base.dcql": base,
        "sub/c.dcql": "IMPORT '../base.dcql' AS c1 WITH keep = 0.25; SELECT uid FROM c1",
    }
    assert kept("IMPORT './base.dcql' AS base; SELECT uid FROM base", five, files=files) == [1, 2, 3]
    cut = "IMPORT './base.dcql' AS base WITH keep = 0; SELECT uid FROM pool WHERE x < q(0.5 OF base)"
    assert kept(cut, five, files=files) == [0, 1, 2]
    assert kept("IMPORT 'sub/c.dcql' AS c; SELECT uid FROM pool WHERE uid IN c", five, files=files) == [2, 3]
    assert refused("IMPORT '../base.dcql' AS base; SELECT uid FROM base", five, files=files) == "E02"
    assert refused("IMPORT './base.dcql' AS c1 WITH kep = 1; SELECT uid FROM c1", five, files=files) == "E02"
    circle = {
        "a.dcql": "IMPORT './b.dcql' AS c1; SELECT uid FROM c1",
        "b.dcql": "IMPORT './a.dcql' AS c1; SELECT uid FROM c1",
    }
    assert refused("IMPORT 'a.dcql' AS c1; SELECT uid FROM c1", five, files=circle) == "E02"
    assert kept(base, five, params={"keep": "0.25"}) == [2, 3]
    assert refused(base, five, params={"kept": "0.25"}) == "E02"
    assert refused(base, five, params={"keep": "'a'"}) == "E03"


def test_rule_17_one_query_and_expect(five: Pool) -> None:
    assert refused("SELECT uid FROM pool; SELECT uid FROM pool", five) == "E01"
    assert refused("PARAM p DEFAULT 1; -- no SELECT", five) == "E01"
    assert len(kept("SELECT uid FROM pool WHERE x > 2 EXPECT kept BETWEEN 2 AND 40 PERCENT;", five)) == 2
    assert refused("SELECT uid FROM pool WHERE x > 2 EXPECT kept BETWEEN 3 AND 4", five) == "E07"
    assert refused("SELECT uid FROM pool EXPECT kept BETWEEN 0 AND 99.9 PERCENT", five) == "E07"


# ---------------------------------------------------------------- §5 the hash

THOUSAND = [hashlib.md5(str(i).encode(), usedforsecurity=False).digest() for i in range(1000)]
VECTORS: list[tuple[dict[bytes, int], str]] = [
    ({}, "b0a70e9958c6a6e87a9333267e0fb3c9519d87b56e8fe23da08980902e83ab7d"),
    ({bytes(16): 1}, "96a2a946edf05e6ed96c076e9d9a1e23af3fa95115c232fa57cbdd42d4e834bd"),
    ({bytes(16): 2}, "9bcd65737e198c3760b05dcda0809a6eaff82ad9637824ed63a8844fb1595d57"),
    ({b"\xff" * 16: 1}, "b4101946132b89acf4828b0b0267cf0c084bcd96525c55211c55ec18546735c8"),
    ({bytes(16): 1, b"\xff" * 16: 1}, "5ade1e3e92230b720d4cb04e870446ec0e62def1d681c252790f9da8d46b502f"),
    (dict.fromkeys(THOUSAND, 1), "1bf67579aa085698ee0b0a30463c4eeece7fcb632e7da121ec8977d0be6defdd"),
    (
        {one: i % 3 + 1 for i, one in enumerate(THOUSAND)},
        "8f89d8298099a340d80d6db10cb21031f147c71cd56f588b7d1b0af2350fbba9",
    ),
]


@pytest.mark.parametrize(("bag", "digest"), VECTORS)
def test_hash_vectors(bag: dict[bytes, int], digest: str) -> None:
    assert dcql1(bag) == f"dcql1:{digest}"


def test_npy_is_sorted_unsigned_with_copies() -> None:
    data = npy_bytes({b"\xff" * 16: 1, b"\x7f" + bytes(15): 2})
    assert data.startswith(b"\x93NUMPY\x01\x00")
    assert data.endswith(struct.pack("<6Q", 0x7F << 56, 0, 0x7F << 56, 0, 2**64 - 1, 2**64 - 1))


# ---------------------------------------------------------------- §6 grammar facts


def test_words_and_numbers_have_boundaries(five: Pool) -> None:
    for wrong in [
        "SELECTuid FROM pool",
        "SELECT uid FROMpool",
        "SELECT uid FROM pool WHERE x>1AND b",
        "SELECT uid",
    ]:
        assert refused(wrong, five) == "E01"
    assert kept("select uid from pool where x>1 and b", five) == [3]
    assert kept("select uid FROM pool Where x > 3 -- SELECT; '\n;;", five) == [3]
    assert kept("SELECT uid FROM pool WHERE t = 'it''s; --'", five) == []
    quantile_column = pool_of(q=(INT, [1, 2]))
    assert kept("q > 1 AND q >= q (1)", quantile_column) == [1]


@pytest.mark.parametrize(
    "pair",
    [
        ("x IN s", "x NOT IN s"), ("a + b > 0", "a - b > 0"), ("a * b > 0", "a / b > 0"),
        ("a % b > 0", "a * b > 0"),
        ("a AND b OR c", "a AND (b OR c)"), ("NOT a = b", "a <> b"), ("x IS NULL", "x IS NOT NULL"),
        ("x LIKE 'a'", "x NOT LIKE 'a'"), ("x >= q(0.5)", "x >= q(0.5 NULLS FIRST)"), ("TRUE", "FALSE"),
        ("x >= q(0.5 OF s)", "x >= q(0.5 BY s)"), ("x BETWEEN 1 AND 2", "x NOT BETWEEN 1 AND 2"),
        ("-a > 0", "a > 0"),
        ("TRUE ORDER BY x ASC LIMIT 1", "TRUE ORDER BY x DESC LIMIT 1"),
        ("TRUE ORDER BY x LIMIT 3", "TRUE ORDER BY x LIMIT 3 PERCENT"),
        ("TRUE ORDER BY x NULLS FIRST", "TRUE ORDER BY x NULLS LAST"), ("a - (b - c) > 0", "a - b - c > 0"),
        ("TRUE UNION SELECT uid FROM s", "TRUE UNION ALL SELECT uid FROM s"),
        ("TRUE UNION SELECT uid FROM s", "TRUE EXCEPT SELECT uid FROM s"), ("x IN (s)", "x IN s"),
        ("TRUE EXPECT kept BETWEEN 1 AND 2", "TRUE EXPECT kept BETWEEN 1 AND 2 PERCENT"),
        ("CASE WHEN a THEN b END", "CASE WHEN a THEN b ELSE c END"), ("'a' = t", "a = t"),
    ],
)  # fmt: skip
def test_near_equal_texts_have_different_trees(pair: tuple[str, str]) -> None:
    first, second = (parse(f"SELECT uid FROM pool WHERE {text}") for text in pair)
    assert first != second


# ---------------------------------------------------------------- §7 small print


def test_constants_are_exact(five: Pool) -> None:
    assert kept("0.1 + 0.2 = 0.3 AND x = 1", five) == [0]
    assert kept("1 / 3 * 3 = 1 AND x = 1", five) == [0]
    assert kept("-7 % 3 = -1 AND 7 % -3 = 1 AND x = 1", five) == [0]
    assert kept("d = 0.1", five) == [0]
    assert kept("d = 0.1 + 0.2 - 0.2", five) == [0]
    assert refused("f > 1e39", five) == "E03"
    assert refused("d > 1e309", five) == "E03"
    assert refused("x > 9223372036854775808", five) == "E03"
    assert kept("x > -9223372036854775808", five) == [0, 1, 2, 3]


def test_float_literals_round_once() -> None:
    """1 + 2^-24 + 2^-60 is above the middle of two float32; by way of float64 it would tie and go down."""
    exact = 1 + Fraction(1, 2**24) + Fraction(1, 2**60)
    assert nearest_float32(exact) == 1 + 2**-23
    assert float(np.float32(float(exact))) == 1.0
    assert nearest_float32(Fraction(2**24 + 1)) == 2**24
    assert nearest_float32(Fraction(2) ** -150) == 0.0
    assert nearest_float32(Fraction(2) ** -149 * Fraction(3, 4)) == 2.0**-149
    assert nearest_float32(Fraction(float(np.finfo(np.float32).max))) == float(np.finfo(np.float32).max)
    assert nearest_float32(Fraction(2) ** 128 - Fraction(2) ** 103) is None
    random_ = random.Random(0)
    for _ in range(2000):
        number = float(np.frombuffer(random_.randbytes(8), dtype=np.float64)[0])
        if math.isfinite(number) and abs(number) < 3e38:
            assert nearest_float32(Fraction(number)) == float(np.float32(number)) + 0.0
    pool = pool_of(f=(FLOAT, [float(np.float32(0.28)), 0.28125]))
    assert kept("f >= 0.28", pool) == [0, 1]
    assert kept("f > 0.28", pool) == [1]


@pytest.mark.parametrize(
    ("type_", "numpy_type", "size"), [("FLOAT", np.float32, 4), ("DOUBLE", np.float64, 8)]
)
def test_float_arithmetic_is_that_of_the_machine(type_: str, numpy_type: type, size: int) -> None:
    random_ = random.Random(1)
    operations = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod}
    for _ in range(1000):
        x, y = np.frombuffer(random_.randbytes(2 * size), dtype=numpy_type)
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        for sign, operation in operations.items():
            with np.errstate(all="ignore"):
                expected = operation(x, y)
            found = float_arithmetic(sign, float(x), float(y), type_)
            assert found == (float(expected) if np.isfinite(expected) else None), (sign, x, y)


def test_types_widen() -> None:
    pool = pool_of(
        i=(INT, [200, 201, 2**53 + 1]), f=(FLOAT, [0.1, 2.0**24, 3.0]), d=(DOUBLE, [0.1, 2.0**24, 2.0**53])
    )
    assert kept("i = 200.5", pool) == []
    assert kept("i < 200.5", pool) == [0]
    assert kept("f = 0.1", pool) == [0]
    assert kept("f = d", pool) == [1]
    assert kept("f + 1 = f", pool) == [1]  # FLOAT + literal is FLOAT
    assert kept("f + i = f", pool) == []  # FLOAT + INT is DOUBLE
    assert kept("i = d", pool) == [2]  # both DOUBLE: 2^53 + 1 rounds
    assert kept("i / 2 = 100.5", pool) == [1]
    assert kept("i = 9007199254740992", pool) == []
    assert refused("i = 'a'", pool) == "E03"
    assert refused("uid = 'ab'", pool) == "E03"
    assert kept(f"uid = '{1:032x}'", pool) == [1]


def test_functions_on_null_and_types(five: Pool) -> None:
    assert kept("least(x, 2) = 2", five) == [1, 2, 3]
    assert kept("greatest(x, g) IS NULL", five) == [4]
    assert kept("coalesce(x, 0) = 0", five) == [4]
    assert kept("coalesce(x, 0.5) < 1", five) == [4]
    assert kept("coalesce(t, 'b') = 'b'", five) == [1, 2]
    assert kept("abs(0 - x) = 2", five) == [1]
    assert kept("CASE WHEN x > 2 THEN x WHEN b THEN 0 END IS NULL", five) == [1, 4]
    assert kept("CASE WHEN b THEN 0.25 ELSE 0.5 END = f", five) == [0, 4]
    edge = pool_of(i=(INT, [-(2**63), -5]), f=(FLOAT, [float("-inf"), -5.0]))
    assert kept("abs(i) = 5 AND abs(f) = 5", edge) == [1]
    assert kept("abs(i) IS NULL AND abs(f) IS NULL AND f < 0", edge) == [0]
    for wrong in [
        "least(t, 1) = 1",
        "abs(t) = 1",
        "code_points(x) = 1",
        "coalesce(b, 1)",
        "b < TRUE",
        "x",
        "least(b)",
    ]:
        assert refused(wrong, five) == "E03", wrong
    assert refused("lower(t) = 'a'", five) == "E02"


def test_text_functions(five: Pool) -> None:
    assert kept("code_points(t) = 1 AND t < 'a'", five) == [3]
    assert [fasttext_words(text) for text in ["a b\n", "\n", "a\u3000b c", "a\0b", ""]] == [3, 1, 2, 2, 0]
    pool = pool_of(t=(TEXT, ["a\u00a0b\u3000c d", "a\nb", "a%b_", "\U0001f600x", "A b"]))
    assert kept("python_words(t) = 4", pool) == [0]
    assert kept("t LIKE 'a_b'", pool) == [1]
    assert kept("t LIKE 'a%b%' AND t NOT LIKE '%x'", pool) == [0, 1, 2]
    assert kept("t LIKE '_x'", pool) == [3]
    assert kept("contains(t, 'b') AND starts_with(t, 'a') AND ends_with(t, '_')", pool) == [2]
    assert kept("regexp_matches(t, '^a\\s+b$')", pool) == [1]
    assert not like("a", "A")
    assert refused("regexp_matches(t, '(?=a)')", pool) == "E03"
    assert refused("regexp_matches(t, t)", pool) == "E03"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^a$", "a\n", False), ("a.b", "a\nb", False), ("(?s)a.b", "a\nb", True), (r"\d", "٣", False),
        (r"\w+$", "café", False), (r"[[:alpha:]]{3}", "ab1", False), (r"[^\s]", "\u00a0", True),
        ("b{,2}", "b{,2}", True),
        (r"\bcat\b", "a cat.", True), ("[]a]", "]", True), ("a|b", "xb", True), (r"\.jpg$", "x.jpg", True),
        ("^*a", "ba", True),
        ("(?i)DOG", "a dog", True), (r"\s", "\v", False),
    ],
)  # fmt: skip
def test_re2(pattern: str, text: str, expected: bool) -> None:
    assert re2(pattern)(text) is expected


def test_names(five: Pool) -> None:
    for wrong in ["y > 1", "f(x)", "x IN nothing", "SELECT uid FROM nothing",
                  "DEFINE x AS 1; SELECT uid FROM pool",
                  "DEFINE a AS b1; DEFINE b1 AS a; SELECT uid FROM pool",
                  "DEFINE a AS nothing; SELECT uid FROM pool",
                  "WITH s AS (SELECT uid FROM r), r AS (SELECT uid FROM pool) SELECT uid FROM s",
                  "PARAM a DEFAULT 1; DEFINE a AS 2; SELECT uid FROM pool",
                  "SELECT uid FROM pool WHERE X > 1",
                  "WITH pool AS (SELECT uid FROM pool) SELECT uid FROM pool"]:  # fmt: skip
        assert refused(wrong, five) == "E02", wrong
    # Hygiene: the argument named g hides the column in the body; what is passed keeps the caller's meaning.
    assert kept("DEFINE more(g) AS g > x; SELECT uid FROM pool WHERE more(g + 2)", five) == [0, 1, 2]
    assert kept("DEFINE a AS c1 + 1; DEFINE c1 AS x; SELECT uid FROM pool WHERE a = 2", five) == [0]
    assert refused("DEFINE more(v) AS v > x; SELECT uid FROM pool WHERE more(1, 2)", five) == "E03"
    for later in ["DCQL 1; SELECT uid FROM pool", "TABLE t FROM 'a' SHA256 'b'; SELECT uid FROM pool",
                  "SELECT uid FROM pool JOIN t USING (uid)",
                  "SELECT uid FROM pool WHERE q(0.5, x) > 1"]:  # fmt: skip
        assert refused(later, five) == "E01"


def test_pool_errors_and_models() -> None:
    pool = ADVERSARIAL["tiny_files"]()
    assert refused("lang = 'en'", pool) == "E06"
    assert refused("lang = 1", pool) == "E03"
    assert refused("image_cluster IN imagenet_centroids", pool) == "E06"
    assert refused("face_bboxes IS NULL", pool) == "E03"
    assert kept("safe OR NOT safe OR safe IS NULL", pool) == sorted(
        int(one, 16) for one in pool.columns["uid"]
    )
    assert refused("TRUE", pool.with_columns(uid=["a", "0a", *pool.columns["uid"][2:]])) == "E07"
    assert refused("TRUE", pool.with_columns(uid=["G", *pool.columns["uid"][1:]])) == "E07"


def test_short_uids_are_padded() -> None:
    pool = ADVERSARIAL["odd_uids"]()
    bag = select("SELECT uid FROM pool", pool)
    assert npy_bytes(bag) == datacomp.npy(datacomp.no_filter(pool))
    assert uid(0) in bag
    assert b"\xff" * 16 in bag
    assert len(select(f"SELECT uid FROM pool WHERE uid >= '{'8' + '0' * 31}'", pool)) == sum(
        one >= b"\x80" for one in bag
    )


# ---------------------------------------------------------------- funnel, thresholds, DataComp, pools


def test_clause_counts(five: Pool) -> None:
    recipe = """
        DEFINE small AS x < 4 AND x > 0;
        WITH s AS (SELECT uid FROM pool WHERE x > 1 AND (b OR t = 'b'))
        SELECT uid FROM s WHERE x > 1 AND small UNION SELECT uid FROM pool WHERE uid IN (SELECT uid FROM s)
    """
    assert clause_counts(recipe, five) == {
        "s": [5, 3, 1 + 1], "query.1": [2, 2, 1], "query.2": [5, 2], "query.3": [2]
    }  # fmt: skip


def test_thresholds_in_text_order(five: Pool) -> None:
    recipe = """
        DEFINE c AS q(1);
        WITH s AS (SELECT uid FROM pool WHERE x <= q(0.75))
        SELECT DISTINCT ON (CASE WHEN x >= q(0 OF s) THEN 1 END) uid FROM pool WHERE x <= c
        ORDER BY CASE WHEN x > q(0.5 OF pool) THEN 0 ELSE x END
    """
    assert [cut.only.value for cut in thresholds(recipe, five)] == [3, 1, 4, 2]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_datacomp_baselines(name: str) -> None:
    pool = ADVERSARIAL[name]()
    rules: dict[str, Any] = {
        "TRUE": datacomp.no_filter(pool),
        "python_words(caption) > 2 AND code_points(caption) > 5 AND least(width, height) >= 200 "
        "AND greatest(width, height) / least(width, height) <= 3.0": datacomp.basic_filter_without_language(
            pool
        ),
    }
    for threshold in (0.25, 0.28, 0.3):
        rules[f"clip_l14 >= {threshold}"] = datacomp.clip_score(pool, "l14", threshold=threshold)
        rules[f"clip_b32 >= {threshold}"] = datacomp.clip_score(pool, "b32", threshold=threshold)
    for recipe, expected in rules.items():
        assert npy_bytes(select(f"SELECT uid FROM pool WHERE {recipe}", pool)) == datacomp.npy(expected), (
            recipe
        )


def same(left: Any, right: Any) -> bool:
    return bool(left == right or (left != left and right != right))


@pytest.mark.parametrize("name", ["not_a_number", "odd_captions", "huge_sizes", "tiny_files"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parquet_holds_what_the_pool_says(name: str, layout: str, tmp_path: Path) -> None:
    pool = ADVERSARIAL[name]()
    files = write(pool, tmp_path, layout=LAYOUTS[layout])
    columns = read(files, pool.types)
    back = Pool(columns, pool.types)
    place = {one: row for row, one in enumerate(columns["uid"])}
    order = [place[one] for one in pool.columns["uid"]]
    for column, type_ in pool.types.items():
        rounded: Callable[[Any], Any] = (
            (lambda x: x) if type_ != FLOAT else (lambda x: None if x is None else float(np.float32(x)))
        )
        values = [rounded(value) for value in pool.columns[column]]
        assert all(same(columns[column][i], value) for i, value in zip(order, values, strict=True)), column
    recipe = "SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND width >= 1 ORDER BY score LIMIT 60 PERCENT"
    assert dcql1(select(recipe, back)) == dcql1(select(recipe, pool))


def test_the_oracle_is_independent() -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "pools"}
    for file in (Path(__file__).parent / "oracle").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            assert {name.partition(".")[0] for name in names} <= allowed, file
