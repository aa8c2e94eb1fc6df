"""L006: names that nothing uses."""

from collections.abc import Iterator

from dcql.errors import Diagnostic
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted
from dcql.syntax import ast

_KINDS: dict[type[ast.Node], str] = {
    ast.Define: "DEFINE",
    ast.Param: "PARAM",
    ast.SetFile: "SET",
    ast.Import: "IMPORT",
    ast.Model: "MODEL",
    ast.Feature: "FEATURE",
    ast.Stage: "stage",
}


def unused_names(linted: Linted, measured: Measured | None) -> Iterator[Diagnostic]:
    """Find what the query and its promises do not need, directly or through other names."""
    recipe = linted.recipe
    roots = (recipe.query, *recipe.expects) if recipe.query is not None else recipe.expects
    used = linted.reach(*roots)
    users = {named: name for name, one in linted.declared.items() for named in linted.mentioned(one) if named != name}
    for name, statement in linted.declared.items():
        if name in used:
            continue
        kind = _KINDS.get(type(statement), type(statement).__name__.removesuffix("File").upper())
        kind = "ASSET" if "ASSET" in kind else kind
        label = f"only `{users[name]}` names it, which is not used itself" if name in users else "nothing names it"
        helps = ("use it, or leave it out",)
        if isinstance(statement, ast.Param):
            helps = (f"use it, or leave it out: `--set {name}=..` changes nothing",)
        span = getattr(statement, "name_span", statement.span)
        yield Diagnostic("L006", f"the {kind} `{name}` is not used", span, label, helps, severity="warning")
