"""New recipes: a commented one to begin with, in terms of a pool's columns, or a copy of another."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from dcql.catalog.library import library
from dcql.catalog.pool import Pool
from dcql.catalog.recipes import find_recipe
from dcql.catalog.types import DATACOMP, Column, Schema, Type
from dcql.compiler import check
from dcql.engine.describe import ColumnSummary, describe
from dcql.engine.folder import replaced
from dcql.errors import Diagnostic, RecipeError, RunError, printable
from dcql.plan.written import short_names
from dcql.source import Source
from dcql.syntax import ast
from dcql.syntax.formatter import formatted
from dcql.syntax.parser import parse

SUFFIX = ".dcql"
_MAX_COLUMNS = 20
# What a new recipe cuts, where the pool has it.
_SCORES = ("clip_l14_similarity_score", "clip_b32_similarity_score")
_CAPTION = "text"


def refuse_target(path: Path) -> None:
    """Raise RunError for a path that no new recipe is written to: one that exists, or is not named as a recipe."""
    if path.suffix != SUFFIX:
        help_ = f"write `{path.with_suffix(SUFFIX)}`" if path.stem else "give it a name before the suffix"
        _refuse("E1522", f"`{path}` is not the name of a recipe", f"recipes end with {SUFFIX}", help_)
    if os.path.lexists(path):
        what = "a folder" if path.is_dir() else "it would be written over"
        _refuse("E1521", f"`{path}` exists already", what, "give another name, or remove it first")


def write(path: Path, text: str) -> None:
    """Write a new recipe, whole or not at all. Raises RunError."""
    refuse_target(path)
    with replaced(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def copied(named: str, path: Path) -> str:
    """Return the text of a recipe, by its path or the name of one that ships, to be written to `path`.

    Raises RecipeError where there is none or it is wrong in form, RunError where it names files that would not be found
    from there.
    """
    source, file = find_recipe(named)
    recipe = parse(source)
    files = [one.path.value for one in recipe.definitions if isinstance(one, ast.SetFile | ast.AssetFile | ast.Import)]
    files += [
        one.code.path.value
        for one in recipe.definitions
        if isinstance(one, ast.Model) and isinstance(one.code, ast.Code)
    ]
    if files and file.resolve().parent != path.absolute().parent.resolve():
        some = ", ".join(f"`{name}`" for name in files[:3])
        help_ = f"write the new recipe beside it: `{file.parent / path.name}`"
        _refuse("E1523", f"`{named}` needs files beside it", f"it names {some}", help_)
    return source.text


def template(name: str, pool: Pool | None) -> str:
    """Return the text of a first recipe called `name`, over a pool, or over DataComp's columns without one.

    It is in the form of `dcql fmt`, and checks against that pool's columns.
    """
    schema = pool.schema if pool is not None else DATACOMP
    names = short_names(parse(Source("every", "SELECT uid FROM pool")), library(), schema)
    head = "\n".join(_comment(name, pool, schema, names))
    for query in _queries(schema, names):
        try:
            text = formatted(Source(name, f"{head}\n{query}"))
            check(Source(name, text), schema)
        except RecipeError:
            continue  # a column whose name is none in a recipe
        return text
    raise AssertionError("a recipe over any pool may keep all of it")


def _queries(schema: Schema, names: dict[str, str]) -> Iterator[str]:
    """Yield queries, the best one first; the last is right for every pool."""
    known = {column.name: column.type for column in schema.columns}
    scores = [name for name in _SCORES if name in known and known[name].numeric]
    scores += [column.name for column in schema.columns if column.type in (Type.FLOAT, Type.DOUBLE)]
    caption = "  AND code_points(text) > 5   -- captions of more than 5 characters\n"
    for score in dict.fromkeys(scores):
        for condition in (caption, "") if known.get(_CAPTION) is Type.TEXT else ("",):
            yield (
                "PARAM keep DEFAULT 0.3;   -- try others: `--set keep=0.2`, or `dcql sweep`\n"
                "SELECT uid FROM pool\n"
                f"WHERE {names.get(score, score)} >= q(1 - keep)"
                f"   -- the best of the whole pool, ties at the cut kept\n{condition};"
            )
    if known.get(_CAPTION) is Type.TEXT:
        yield f"SELECT uid FROM pool WHERE TRUE\n{caption};"
    yield "SELECT uid FROM pool;"


def _comment(name: str, pool: Pool | None, schema: Schema, names: dict[str, str]) -> Iterator[str]:
    file = shlex.quote(f"{name}{SUFFIX}")
    on = f" --pool {shlex.quote(pool.name)}" if pool is not None else ""
    yield f"-- {printable(name)}: what it keeps, in one sentence. Then where the rule is from, and what share it keeps."
    yield "--"
    told = {
        f"dcql watch {file}{on}": "check and count it at every save",
        f"dcql show {file}{on}": "see some of the samples that it keeps; --dropped, of the others",
        f"dcql run {file}{on}": "run it; --out FOLDER writes the subset",
    }
    width = max(map(len, told))
    yield from (f"--   {printable(command.ljust(width))}   {what}" for command, what in told.items())
    yield "--"
    yield f"-- Columns of {printable(pool.name) if pool is not None else 'DataComp pools'}:"
    yield "--"
    yield from _columns(pool, schema, names)
    yield "--"
    yield "-- `lang = 'en'` and `english_caption` ask a model for a caption's language; docs/language.md has the rest."
    yield ""


def _columns(pool: Pool | None, schema: Schema, names: dict[str, str]) -> Iterator[str]:
    told = {one.name: one for one in describe(pool)} if pool is not None and pool.added else {}
    shown = [column for column in schema.columns if column.type is not Type.NESTED]
    width = max((len(printable(names.get(one.name, one.name))) for one in shown[:_MAX_COLUMNS]), default=0)
    for column in shown[:_MAX_COLUMNS]:
        written = printable(names.get(column.name, column.name)).ljust(width)
        yield f"--   {written}  {column.type.value.ljust(6)}  {_range(column, told.get(column.name))}".rstrip()
    if len(shown) > _MAX_COLUMNS:
        yield f"--   and {len(shown) - _MAX_COLUMNS} more"


def _range(column: Column, told: ColumnSummary | None) -> str:
    if told is None:
        return ""
    words = []
    if told.minimum is not None and told.maximum is not None:
        median = next((value for p, value in told.quantiles if p == 0.5), None)
        words.append(f"from {told.minimum:.6g} to {told.maximum:.6g}, median {median:.6g}")
    if told.nulls:
        words.append(f"NULL in {100 * told.share:.2g} %")
    return ", ".join(words)


def _refuse(code: str, message: str, label: str, help_: str) -> NoReturn:
    raise RunError(Diagnostic(code, message, None, label, (help_,)))
