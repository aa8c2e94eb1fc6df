"""Values as HTML for notebooks, each with its own style: light or dark as the notebook is."""

from dataclasses import dataclass
from functools import singledispatch
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from dcql.compiler import Compiled, Run
from dcql.errors import DcqlError, Diagnostic
from dcql.inspect.manifest import manifest
from dcql.inspect.report.drawing import number
from dcql.inspect.report.told import told
from dcql.pages import environment
from dcql.plan.explain import explain
from dcql.plan.nodes import Plan
from dcql.source import Span
from dcql.subset import Subset
from dcql.syntax.highlight import pieces

_SHOWN_UIDS = 5


@dataclass(frozen=True, slots=True)
class Marked:
    """A line of a recipe, its number, and the words in it that a diagnostic is about, with what stands around them."""

    line: int
    column: int
    before: str
    words: str
    after: str


@singledispatch
def html(value: object) -> str:
    """Return what a notebook shows of a value. Raises TypeError for what is not shown."""
    raise TypeError(f"a {type(value).__name__} is not shown in notebooks")


@html.register
def _(value: Compiled) -> str:
    name = PurePath(value.source.name).stem
    return _render("recipe.html", title=name, pieces=pieces(value.source.text), parameters=value.program.parameters)


@html.register
def _(value: Plan) -> str:
    return _render("plan.html", title="plan", text=explain(value))


@html.register
def _(value: Run) -> str:
    compiled = value.compiled
    described = manifest(compiled.source, compiled.program, value.pool, value.result, locked=False)
    shown = told(described)
    return _render("run.html", title=f"{PurePath(shown.recipe).stem} on {shown.pool}", told=shown)


@html.register
def _(value: Subset) -> str:
    first = Subset(value.uids[:_SHOWN_UIDS], None if value.copies is None else value.copies[:_SHOWN_UIDS])
    copies = [1] * first.distinct if first.copies is None else first.copies.tolist()
    rows = list(zip(first.hex(), copies, strict=True))
    return _render("subset.html", title="subset", subset=value, rows=rows, more=value.distinct - len(rows))


@html.register
def _(value: Diagnostic) -> str:
    return diagnostics((value,))


@html.register
def _(value: DcqlError) -> str:
    return diagnostics(value.diagnostics)


def diagnostics(found: tuple[Diagnostic, ...]) -> str:
    """Return what a notebook shows of errors, each with the line and the words that it is about."""
    rows = [(one, _marked(one.span) if one.span is not None else None) for one in found]
    return _render("diagnostics.html", title="errors", rows=rows)


def _marked(span: Span) -> Marked:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    text = span.source.line(line)
    end = end_column - 1 if end_line == line else len(text)
    return Marked(line, column, text[: column - 1], text[column - 1 : max(end, column)], text[max(end, column) :])


def _render(template: str, **values: Any) -> str:
    templates = environment("dcql.notebook", number=number)
    # A notebook keeps what it showed, and shows it in any order: every output brings its style.
    sheet = files("dcql.notebook").joinpath("static/notebook.css").read_text(encoding="utf-8")
    found: str = templates.get_template(template).render(style=sheet, **values)
    return found
