"""The oracle's grammar, names, types and functions against hand-worked cases (SEMANTICS §§6, 7)."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from pools import ADVERSARIAL, Pool

from oracle import datacomp, npy_bytes, select
from oracle.functions import fasttext_words, like, re2
from oracle.numeric import float_arithmetic, nearest_float32
from oracle.parser import parse
from oracle.worked import DOUBLE, FLOAT, INT, TEXT, five_samples, kept, pool_of, refused, uid


@pytest.fixture(scope="module")
def five() -> Pool:
    return five_samples()


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


@pytest.mark.parametrize(("type_", "numpy_type", "size"), [("FLOAT", np.float32, 4), ("DOUBLE", np.float64, 8)])
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
    pool = pool_of(i=(INT, [200, 201, 2**53 + 1]), f=(FLOAT, [0.1, 2.0**24, 3.0]), d=(DOUBLE, [0.1, 2.0**24, 2.0**53]))
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
    for later in ["DCQL 2; SELECT uid FROM pool", "FEATURE f INT USING m(text); SELECT uid FROM pool"]:
        assert refused(later, five) == "E01"
    assert refused("SELECT uid FROM pool JOIN t USING (uid)", five) == "E02"


def test_pool_errors_and_models() -> None:
    pool = ADVERSARIAL["tiny_files"]()
    assert refused("lang = 'en'", pool) == "E06"
    assert refused("lang = 1", pool) == "E03"
    assert refused("image_cluster IN imagenet_centroids", pool) == "E06"
    assert refused("face_bboxes IS NULL", pool) == "E03"
    assert kept("safe OR NOT safe OR safe IS NULL", pool) == sorted(int(one, 16) for one in pool.columns["uid"])
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
