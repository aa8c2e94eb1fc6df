"""Recipe text -> syntax tree, with every error of the file at once."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from threading import Lock
from typing import Any

from dcql.errors import Diagnostic, Diagnostics
from dcql.source import Source
from dcql.syntax import ast, habits
from dcql.syntax._standalone import Lark_StandAlone, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from dcql.syntax.scan import MAX_DEPTH, MAX_ERRORS, Statement, scan, too_deep, words
from dcql.syntax.texts import check_size, read
from dcql.syntax.tree import FinalQuery, TreeBuilder

__all__ = ["parse", "parse_either", "parse_library", "parse_statement", "read"]

Tree = ast.Definition | ast.Language | FinalQuery

# The builder knows the statement that is being parsed, so one is parsed at a time.
_builder = TreeBuilder()
_lock = Lock()


@cache
def _parser() -> Any:
    """Return the parser of one statement; its tables are read once."""
    return Lark_StandAlone(transformer=_builder)  # type: ignore[no-untyped-call]


def parse(source: Source) -> ast.Recipe:
    """Parse a recipe: definitions, then one query. Raises RecipeError with everything that is wrong."""
    trees, errors = _statements(source)
    recipe = _ordered(source, trees, errors)
    if recipe.query is None and not errors.found:
        end = len(source.text.rstrip())
        what = "the recipe has no query" if trees else "the recipe is empty"
        help_ = "end it with a query: SELECT uid FROM pool WHERE ..;"
        errors.add("E0140", what, source.span(end, end), "expected `SELECT`", (help_,))
    errors.raise_any()
    return recipe


def parse_either(source: Source) -> ast.Recipe:
    """Parse a recipe, or a file with definitions alone. Raises RecipeError with everything that is wrong."""
    trees, errors = _statements(source)
    recipe = _ordered(source, trees, errors)
    errors.raise_any()
    return recipe


def parse_library(source: Source) -> ast.Recipe:
    """Parse a library: definitions and no query. Raises RecipeError with everything that is wrong."""
    trees, errors = _statements(source)
    language = _language(trees, errors)
    definitions: list[ast.Definition] = []
    for tree in trees:
        if isinstance(tree, FinalQuery):
            help_ = "a library has definitions only; a file with a query is a recipe"
            errors.add("E0143", "a library has no query", tree.span, "a query", (help_,))
        elif not isinstance(tree, ast.Language):
            definitions.append(tree)
    errors.raise_any()
    return ast.Recipe(source, tuple(definitions), (), None, (), language)


def parse_statement(source: Source, start: int, end: int) -> Tree | None:
    """Return the tree of the one statement between two offsets, without its `;`; None for one that is wrong."""
    result = _parse(source, Statement(start, end, faulty=False))
    return None if isinstance(result, list) else result


def _ordered(source: Source, trees: list[Tree], errors: Diagnostics) -> ast.Recipe:
    """Put statements together: a query ends the file, and there is one at most."""
    language = _language(trees, errors)
    query: FinalQuery | None = None
    definitions: list[ast.Definition] = []
    for tree in trees:
        if isinstance(tree, ast.Language):
            continue
        if query is None:
            if isinstance(tree, FinalQuery):
                query = tree
            else:
                definitions.append(tree)
        elif isinstance(tree, FinalQuery):
            help_ = "one query is the recipe: join two with UNION, or name the first one: WITH a AS (..)"
            errors.add("E0141", "a second query", tree.span, "the recipe already has its query", (help_,))
        else:
            help_ = "write it before the query"
            errors.add("E0142", "statement after the query", tree.span, "the query ends the recipe", (help_,))
    if query is None:
        return ast.Recipe(source, tuple(definitions), (), None, (), language)
    return ast.Recipe(source, tuple(definitions), query.stages, query.query, query.expects, language)


def _language(trees: list[Tree], errors: Diagnostics) -> ast.Language | None:
    """Return the version of the language that a file begins with; record those that stand elsewhere."""
    found = [tree for tree in trees if isinstance(tree, ast.Language)]
    first = found[0] if found and trees[0] is found[0] else None
    for one in found:
        if one is first:
            continue
        if first is not None:
            errors.add("E0145", "a second version", one.span, "the file already says its version", ("leave it out",))
        else:
            label = "the version of the language comes before everything else"
            errors.add("E0145", "the version is not first", one.span, label, ("make it the first line of the file",))
    return first


def _statements(source: Source) -> tuple[list[Tree], Diagnostics]:
    """Parse each statement by itself; one with an error gives no tree."""
    check_size(source)
    statements, faults = scan(source)
    errors = Diagnostics(faults)
    trees: list[Tree] = []
    for statement in statements:
        if statement.faulty:
            continue
        if len(errors.found) >= MAX_ERRORS:
            break
        result = _parse(source, statement)
        if isinstance(result, list):
            errors.found.extend(result)
        else:
            trees.append(result)
    if len(errors.found) >= MAX_ERRORS:
        *first, last = sorted(errors.found, key=lambda found: found.span.start if found.span else 0)[:MAX_ERRORS]
        errors.found = [*first, replace(last, helps=(*last.helps, f"only the first {MAX_ERRORS} errors are shown"))]
    return trees, errors


def _parse(source: Source, statement: Statement) -> Tree | list[Diagnostic]:
    """Return the tree of one statement, or what is wrong with it."""
    with _lock:
        _builder.begin(source, statement.start)
        try:
            tree: Tree = _parser().parse(source.text[statement.start : statement.end])
        except UnexpectedInput as error:
            return [_unexpected(source, statement, error)]
        found = _builder.found
    # Each level takes a character, so a short statement cannot be deep.
    if not found and statement.end - statement.start > MAX_DEPTH and (deep := _deeper_than(tree, MAX_DEPTH)):
        found = [too_deep(deep.span)]
    return found or tree


def _unexpected(source: Source, statement: Statement, error: UnexpectedInput) -> Diagnostic:
    """Return the diagnostic of a statement that the grammar does not allow."""
    match error:
        case UnexpectedToken(token=token) if token.type != "$END":
            offset = statement.start + token.start_pos
        case UnexpectedCharacters(pos_in_stream=int(position)):
            offset = statement.start + position
        case _:
            offset = statement.end
    accepted: set[str] = error.interactive_parser.accepts()  # type: ignore[no-untyped-call]
    return habits.explain(source, words(source, statement.start, statement.end), offset, accepted)


def _deeper_than(tree: Tree, limit: int) -> ast.Node | None:
    """Return the first node that lies more than `limit` deep, without recursion."""
    stack: list[tuple[Any, int]] = [(tree, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > limit:
            return item  # type: ignore[no-any-return]
        stack += [(child, depth + 1) for child in _children(item)]
    return None


def _children(item: Any) -> Iterator[ast.Node]:
    """Yield the nodes directly under a node."""
    fields = item if isinstance(item, tuple) else [getattr(item, name) for name in item.__match_args__]
    for field in fields:
        if isinstance(field, ast.Node):
            yield field
        elif isinstance(field, tuple):
            yield from _children(field)
