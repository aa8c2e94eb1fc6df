"""Phrases: what a recipe and its form have in common, word for word; and what is left of how they were written."""

import random

import pytest
from hypothesis import given
from syntax.test_formatter import few, seeds, texts, with_comments

from dcql.source import Source
from dcql.syntax import ast
from dcql.syntax.formatter import formatted
from dcql.syntax.parser import parse, parse_either
from dcql.syntax.phrases import phrase

# As written, and as it is quoted.
WRITTEN = (
    ("lang='en'", "lang = 'en'"),
    ("Lang   =\n\t'e  n'", "Lang = 'e  n'"),
    ("x >= -- a note\n .50", "x >= 0.50"),
    ("x!=1.", "x <> 1"),
    ("(a or b)", "a OR b"),
    ("((a or b)) and c", "(a OR b) AND c"),
    ("x in (1,2 , 3)", "x IN (1, 2, 3)"),
    ("Q( 0.7 of pool\n by lang nulls first ) < x", "q(0.7 OF pool BY lang NULLS FIRST) < x"),
    ("uid not in (select uid from pool where (a) and b)", "uid NOT IN (SELECT uid FROM pool WHERE a AND b)"),
    ("case when (a) then 1 else - -2 end > +3", "CASE WHEN a THEN 1 ELSE - -2 END > 3"),
    ("text like '--%'", "text LIKE '--%'"),
)


@pytest.mark.parametrize(("written", "quoted"), WRITTEN)
def test_a_phrase(written: str, quoted: str) -> None:
    define = parse(Source("a.dcql", f"define d as x > 1;\nDEFINE c AS {written};\nSELECT uid FROM pool")).definitions[1]
    assert isinstance(define, ast.Define)
    assert phrase(define.body.span) == quoted


@few
@given(texts, seeds)
def test_a_recipe_and_its_form_have_the_same_phrases(text: str, seed: int) -> None:
    commented = with_comments(text, random.Random(seed))
    assert conditions(formatted(Source("a.dcql", commented))) == conditions(commented) == conditions(text)


def conditions(text: str) -> list[str]:
    """Return the phrases of all conditions and order statistics of a recipe, in order."""
    found: list[str] = []
    waiting: list[object] = [parse_either(Source("a.dcql", text))]
    while waiting:
        match waiting.pop():
            case ast.Recipe() as recipe:
                waiting += [recipe.query, *recipe.stages, *recipe.definitions]
            case ast.Select(where=ast.And(operands=operands)) as select:
                found += [phrase(operand.span) for operand in operands]
                waiting += [select.relation, *operands]
            case ast.Select(where=ast.Node() as where) as select:
                found.append(phrase(where.span))
                waiting += [select.relation, where]
            case ast.Quantile() as quantile:
                found.append(phrase(quantile.span))
            case ast.Node() as node:
                waiting += [getattr(node, name) for name in node.__dataclass_fields__ if "span" not in name]
            case tuple() as items:
                waiting += items
    return found
