"""The random recipes parse and reach the whole grammar; random faults give diagnostics and nothing else."""

from collections.abc import Iterator
from typing import Any

from generate import faulty_texts, recipes
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from dcql.errors import Diagnostic, RecipeError, render
from dcql.source import Source
from dcql.syntax import _standalone, ast
from dcql.syntax.parser import parse
from dcql.syntax.scan import scan
from dcql.syntax.tree import TreeBuilder


def nodes(item: Any) -> Iterator[ast.Node]:
    """Yield every node of a tree."""
    if isinstance(item, tuple):
        for part in item:
            yield from nodes(part)
    elif isinstance(item, (ast.Node, ast.Recipe)):
        if isinstance(item, ast.Node):
            yield item
        for name in item.__match_args__:
            yield from nodes(getattr(item, name))


def faults(source: Source) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a recipe."""
    try:
        parse(source)
    except RecipeError as error:
        return error.diagnostics
    return ()


def test_recipes_reach_the_whole_grammar() -> None:
    parser: Any = _standalone.Lark_StandAlone()  # type: ignore[no-untyped-call]
    seen: set[str] = set()

    @seed(0)
    @settings(max_examples=300, database=None)
    @given(recipes(files=True, models=True))
    def visit(text: str) -> None:
        source = Source("generated.dcql", text)
        for statement in scan(source)[0]:
            tree = parser.parse(text[statement.start : statement.end])
            seen.update(subtree.data for subtree in tree.iter_subtrees())

    visit()
    # Each rule and each named alternative has a method of its name: test_grammar.py.
    shared = {"begin", "span", "widened", "operands"}
    assert seen == {name for name in vars(TreeBuilder) if not name.startswith("_")} - shared


@given(recipes(files=True, models=True))
def test_recipes_parse_and_an_expression_alone_as_in_its_place(text: str) -> None:
    for node in nodes(parse(Source("generated.dcql", text))):
        if isinstance(node, ast.Expr):
            alone = parse(Source("part.dcql", f"DEFINE part AS {node.span.text}; SELECT uid FROM pool"))
            definition = alone.definitions[0]
            assert isinstance(definition, ast.Define)
            assert definition.body == node
        elif isinstance(node, ast.Select):
            alone = parse(Source("part.dcql", node.span.text))
            assert alone.query is not None
            assert alone.query.body == node


@given(st.one_of(faulty_texts(models=True), st.text(alphabet="q(),;'-\"%* \n01.aSELECT", max_size=40)))
def test_the_parser_raises_nothing_but_recipe_errors(text: str) -> None:
    for diagnostic in faults(Source("generated.dcql", text)):
        assert diagnostic.span is not None
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert render([diagnostic])
