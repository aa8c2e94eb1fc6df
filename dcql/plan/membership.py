"""Membership: what can stand after IN (SEMANTICS §3.14)."""

from typing import TYPE_CHECKING

from dcql.catalog.types import Type
from dcql.plan import nodes
from dcql.plan.comparisons import refuse_bare
from dcql.plan.features import asset_set
from dcql.plan.lookup import Bound
from dcql.plan.scope import AssetEntry, RelationEntry, SetEntry, suggestion
from dcql.plan.sets import named_set
from dcql.syntax import ast

if TYPE_CHECKING:
    from dcql.plan.expressions import Expressions


def in_name(expressions: "Expressions", expr: ast.InName, bound: Bound) -> nodes.Expr:
    """Resolve `x IN name`: a set, a stage or a recipe. Raises WrongError."""
    subject = expressions.inside(bound, expr.subject)
    name = expr.name.text
    entry = bound.scope.entries.get(name)
    if name == "pool":
        require_uid(expressions, subject, "`pool`")
        return nodes.InRelation(nodes.PoolScan())
    if isinstance(entry, RelationEntry):
        require_uid(expressions, subject, f"the {entry.kind} `{name}`")
        return nodes.InRelation(expressions.queries.reference(entry.ref))
    if isinstance(entry, SetEntry):
        refuse_bare(expressions, subject)
        value = expressions.key(subject, "the left side of IN")
        is_uid = value == nodes.Column("uid", Type.TEXT)
        return nodes.InSet(
            value, named_set(name, entry.set, value.type, is_uid, expr.name.span, expressions.diagnostics)
        )
    asset = entry if entry is not None else bound.scope.library.get(name)
    if isinstance(asset, AssetEntry):
        return _in_asset(expressions, subject, asset, name)
    if entry is not None or name in bound.scope.values():
        expressions.wrong_at(
            "E0203",
            f"`{name}` is no set",
            expr.name.span,
            "IN needs a set, a stage or a recipe",
            f"to compare with one value, write `= {name}`",
        )
    expressions.wrong_at(
        "E0201",
        f"unknown set `{name}`",
        expr.name.span,
        "not a SET, a stage or an imported recipe",
        *suggestion(name, bound.scope.sets(), f"declare it: `SET {name} FROM '{name}.txt' SHA256 '..';`"),
    )


def _in_asset(expressions: "Expressions", subject: Bound, entry: AssetEntry, name: str) -> nodes.Expr:
    """Resolve `x IN asset`: ids, or words where the subject is text. Raises WrongError."""
    refuse_bare(expressions, subject)
    value = expressions.key(subject, "the left side of IN")
    is_made = not isinstance(entry.asset, ast.PoolAsset | ast.AssetFile)
    if value.type is not Type.INT and (is_made or value.type is not Type.TEXT):
        value = expressions.of_type(subject, Type.INT, f"`IN {name}`")
    found, needs = asset_set(expressions, entry, value.type)
    return nodes.InSet(value, found, needs)


def require_uid(expressions: "Expressions", subject: Bound, what: str) -> None:
    """Refuse anything but `uid` where uids are looked up. Raises WrongError."""
    if expressions.resolve(subject) != nodes.Column("uid", Type.TEXT):
        expressions.wrong(
            "E0308",
            f"only `uid` can be tested against {what}",
            subject,
            "a relation holds uids, nothing else",
            "write `uid IN ..`; for values, name a SET",
        )
