"""MODEL: from the statement to its spec; the types that models take and give."""

from fractions import Fraction
from typing import TYPE_CHECKING

from dcql.catalog import models
from dcql.catalog.types import Type
from dcql.files import is_below
from dcql.plan import nodes
from dcql.plan.constants import Exact
from dcql.plan.faults import all_faults
from dcql.plan.lookup import Bound
from dcql.plan.scope import ModelEntry, Scope, listed, suggestion
from dcql.syntax import ast

if TYPE_CHECKING:
    from dcql.plan.expressions import Expressions

MAX_BITS = 30
# What a parameter of a model can be, and what is written for it.
SCALARS = {"TEXT": Type.TEXT, "INT": Type.INT, "FLOAT": Type.FLOAT, "DOUBLE": Type.DOUBLE, "BOOL": Type.BOOL}
KINDS = (*SCALARS, "EMBEDDING", "IMAGE", "COVERAGE", "ASSET", "WEIGHTS")
OUTPUTS = ("TEXT", "INT", "BOOL", "EMBEDDING", "FIXED")


def model_of(expressions: "Expressions", call: ast.ModelCall, scope: Scope) -> models.ModelSpec:
    """Return the model that a call names. Raises WrongError."""
    name = call.model.text
    entry = scope.entries.get(name) or scope.library.get(name)
    if isinstance(entry, ModelEntry):
        return declared_model(expressions, entry)
    known = [each for each, one in (*scope.library.items(), *scope.entries.items()) if isinstance(one, ModelEntry)]
    expressions.wrong_at(
        "E0201",
        f"unknown model `{name}`",
        call.model.span,
        "not a MODEL of the recipe or the library",
        *suggestion(name, known, f"the models are {listed(sorted(known))}"),
    )


def declared_model(expressions: "Expressions", entry: ModelEntry) -> models.ModelSpec:
    """Return what a MODEL says. Raises WrongError for each of its faults."""
    statement = entry.model
    expressions.used.add(id(statement))
    if statement.code is None and not entry.scope.is_library:
        expressions.wrong_at(
            "E0601",
            f"`{statement.name}` has no code",
            statement.name_span,
            "only the library's models come with dcql",
            "say where it is: `.. VERSION 1 FROM 'model.py' SHA256 '..'`",
        )
    for one in statement.weights:
        if not is_below(one.file.value):
            expressions.wrong_at(
                "E0209",
                f"`{one.file.value}` lies outside the folder of weights",
                one.file.span,
                "weights are files in the folder `weights` of the store",
                "name the file alone",
            )
    with all_faults() as attempt:
        parameters = [attempt(_parameter, expressions, one, entry.scope) for one in statement.parameters]
        returns = attempt(_returns, expressions, statement.returns)
        tolerance = attempt(_tolerance, expressions, statement, entry.scope)
    code = path = None
    if statement.code is not None:
        path = expressions.files.get(statement.code.span)
        code = models.WeightsFile(statement.code.path.value, statement.code.sha256.value.lower())
    return models.ModelSpec(
        name=statement.name,
        parameters=tuple(parameter() for parameter in parameters),
        output=returns(),
        version=int(statement.version.value),
        code=code,
        code_path=str(path or ""),
        weights=tuple(models.WeightsFile(one.file.value, one.sha256.value.lower()) for one in statement.weights),
        tolerance=tolerance(),
        licence=statement.licence.value if statement.licence is not None else "",
        cite=statement.cite.value if statement.cite is not None else "",
    )


def _parameter(expressions: "Expressions", written: ast.Parameter, scope: Scope) -> models.ParameterSpec:
    kind = written.type.name.upper()
    if kind not in KINDS or written.type.argument is not None:
        expressions.wrong_at(
            "E0601",
            f"a model cannot take `{' '.join(written.type.span.text.split())}`",
            written.type.span,
            "not a kind of input",
            *suggestion(kind, list(KINDS), f"the kinds are {listed(KINDS)}"),
        )
    if written.default is None:
        return models.ParameterSpec(written.name, kind)
    if kind not in SCALARS:
        expressions.wrong_at("E0601", f"{kind} has no default", written.default.span, "only a constant can have one")
    value = constant_of(expressions, Bound(written.default, scope, {}), SCALARS[kind], written.name)
    return models.ParameterSpec(written.name, kind, value)


def _returns(expressions: "Expressions", written: ast.TypeName) -> models.Output:
    """Return what a model gives: a number may come as it is, and takes its grid from the FEATURE."""
    name = written.name.upper()
    if name in ("FLOAT", "DOUBLE") and written.argument is None:
        return models.Output(Type[name])
    if name == "ASSET" and written.argument is None:
        return models.Output(Type.NESTED)
    return output_of(expressions, written)


def output_of(expressions: "Expressions", written: ast.TypeName) -> models.Output:
    """Return the type that a FEATURE says of itself. Raises WrongError for what none can have."""
    name, bits = written.name.upper(), written.argument
    if name in ("FLOAT", "DOUBLE"):
        expressions.wrong_at(
            "E0601",
            f"a feature cannot be {name}",
            written.span,
            "the last digits of a model's numbers differ between devices and batches",
            "say its grid: `FIXED(14)` is steps of 2^-14, for scores between -1 and 1",
        )
    if name not in OUTPUTS or (bits is not None) != (name == "FIXED"):
        others = [one for one in OUTPUTS if one != name]
        expressions.wrong_at(
            "E0601",
            f"a model cannot give `{' '.join(written.span.text.split())}`",
            written.span,
            "not a type of feature",
            *suggestion(name, others, "the types are TEXT, INT, BOOL, EMBEDDING and FIXED(bits), as in FIXED(14)"),
        )
    if bits is None:
        return models.Output(Type[name])
    if bits != bits.to_integral_value() or not 0 <= bits <= MAX_BITS:
        label = f"the bits after the point, a whole number up to {MAX_BITS}"
        expressions.wrong_at("E0601", f"no grid of {bits} bits", written.span, label, "for scores, write `FIXED(14)`")
    fine = int(bits) == models.INT16_BITS
    return models.Output(Type.FLOAT if fine else Type.DOUBLE, int(bits))


def _tolerance(expressions: "Expressions", statement: ast.Model, scope: Scope) -> float:
    if statement.tolerance is None:
        return 0.0
    value = expressions.constant(Bound(statement.tolerance, scope, {}), "TOLERANCE").value
    assert value is not None
    return float(value)


def constant_of(expressions: "Expressions", bound: Bound, type_: Type, name: str) -> bool | int | float | str:
    """Return a constant of TEXT, INT, FLOAT, DOUBLE or BOOL for the parameter `name`. Raises WrongError."""
    value = expressions.resolve(bound)
    if isinstance(value, nodes.Literal) and value.type is type_ and value.value is not None:
        return value.value
    if isinstance(value, Exact) and value.value is not None and type_.numeric:
        exact: Fraction = value.value
        if type_ is not Type.INT:
            return float(exact)
        if exact.denominator == 1:
            return exact.numerator
    expressions.wrong("E0602", f"`{name}` takes a constant of type {type_.value}", bound, "it is something else")
