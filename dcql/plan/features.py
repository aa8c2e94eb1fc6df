"""FEATURE and ASSET: from the statement to what the plan keeps of it, and what each gives its model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from dcql.catalog import models
from dcql.catalog.types import Type
from dcql.plan import nodes
from dcql.plan.constants import Exact
from dcql.plan.faults import WrongError, all_faults
from dcql.plan.lookup import Bound
from dcql.plan.model_specs import SCALARS, constant_of, declared_model, model_of, output_of
from dcql.plan.scope import AssetEntry, FeatureEntry, ModelEntry, RelationEntry, Scope, SetEntry, listed, suggestion
from dcql.syntax import ast

if TYPE_CHECKING:
    from dcql.plan.expressions import Expressions

IMAGE = "image"
COVERAGE = "coverage"


# The relations that an asset is fitted on.
Needs: TypeAlias = "tuple[nodes.PoolScan | nodes.Ref, ...]"


@dataclass(frozen=True, slots=True)
class _Given:
    """An argument of a model and, for an asset, the relations that it is fitted on."""

    argument: models.ModelArgument
    needs: Needs = ()


def feature_node(expressions: "Expressions", entry: FeatureEntry, name: str) -> nodes.Feature:
    """Return the column that a FEATURE stands for, under its name in the plan. Raises WrongError."""
    statement = entry.feature
    if id(statement) in expressions.open:
        label, help_ = "it would read its own values", "leave its own name out of it"
        expressions.wrong_at("E0205", f"`{statement.name}` is made of itself", statement.name_span, label, help_)
    expressions.used.add(id(statement))
    expressions.open.add(id(statement))
    try:
        return _feature_node(expressions, entry, name)
    finally:
        expressions.open.discard(id(statement))


def usable_feature(expressions: "Expressions", feature: nodes.Feature, bound: Bound) -> nodes.Feature:
    """Return a feature that stands in an expression. Raises WrongError for a vector."""
    if feature.spec.is_embedding and not expressions.embeddings:
        expressions.wrong(
            "E0301",
            f"`{bound.expr.span.text}` cannot be used in an expression",
            bound,
            "an EMBEDDING is a vector, which only a model reads",
            f"score it: `FEATURE score FIXED(14) USING similarity({bound.expr.span.text}, ..)`",
            f"or cluster it: `FEATURE cluster INT USING nearest({bound.expr.span.text}, ..)`",
        )
    return feature


def _feature_node(expressions: "Expressions", entry: FeatureEntry, name: str) -> nodes.Feature:
    statement = entry.feature
    with all_faults() as attempt:
        model = attempt(model_of, expressions, statement.using, entry.scope)
        output = attempt(output_of, expressions, statement.type)
    _check_output(expressions, statement, model(), output())
    given = _bind(expressions, statement.using, model(), entry.scope)
    arguments = tuple(one.argument for one in given)
    if not any(not isinstance(one, models.AssetArgument | models.OptionArgument) for one in arguments):
        expressions.wrong_at(
            "E0602",
            f"`{statement.name}` reads nothing of a sample",
            statement.using.span,
            "it would be the same for every sample",
            "give the model a column, an embedding or `image`",
        )
    needs = tuple(dict.fromkeys(need for one in given for need in one.needs))
    spec = models.FeatureSpec(name, output(), model(), arguments)
    return nodes.Feature(name, spec.output.type, spec, needs=needs)


def asset_set(expressions: "Expressions", entry: AssetEntry, type_: Type) -> tuple[nodes.AssetSet, Needs]:
    """Return an asset as a set of values of a type, and what it is fitted on. Raises WrongError."""
    asset, needs = _asset(expressions, entry)
    return nodes.AssetSet(asset.name, type_, asset), needs


def check_declared(expressions: "Expressions", recipe: ast.Recipe, scope: Scope) -> None:
    """Check the FEATUREs and ASSETs of a recipe that nothing uses, and its MODELs; record what is wrong."""
    for statement in recipe.definitions:
        entry = scope.entries.get(getattr(statement, "name", ""))
        if id(statement) in expressions.used:
            continue
        try:
            if isinstance(entry, FeatureEntry) and entry.feature is statement:
                expressions.feature(*(expressions.feature_called(statement.name, scope) or (entry, statement.name)))
            elif isinstance(entry, AssetEntry) and entry.asset is statement and not isinstance(statement, ast.FitAsset):
                _asset(expressions, entry)
            elif isinstance(entry, ModelEntry) and entry.model is statement:
                declared_model(expressions, entry)
        except WrongError:
            continue


def _check_output(
    expressions: "Expressions", statement: ast.Feature, model: models.ModelSpec, output: models.Output
) -> None:
    """Raise WrongError where a FEATURE says another type than its model gives."""
    if model.output.type is Type.NESTED:
        label = "a feature is made by a model of samples"
        help_ = "write `ASSET .. AS FIT kmeans(l14_img, k = 1000) ON pool SEED 0`"
        expressions.wrong_at("E0603", f"`{model.name}` makes an asset", statement.using.model.span, label, help_)
    number = model.output.type in (Type.FLOAT, Type.DOUBLE)
    if output == model.output or (number and output.bits is not None):
        return
    expressions.wrong_at(
        "E0603",
        f"`{model.name}` gives {model.output.text}, not {output.text}",
        statement.type.span,
        "a feature has the type of its model",
        f"write `FEATURE {statement.name} {'FIXED(14)' if number else model.output.text} USING ..`",
    )


# --- arguments --------------------------------------------------------------------------------------------------------


def _bind(expressions: "Expressions", call: ast.ModelCall, model: models.ModelSpec, scope: Scope) -> tuple[_Given, ...]:
    by_name: dict[str, ast.Argument] = {}
    usage = f"{model.name}({', '.join(one.name for one in model.parameters)})"
    for position, argument in enumerate(call.arguments):
        name = argument.name or (model.parameters[position].name if position < len(model.parameters) else "")
        if name not in {one.name for one in model.parameters} or name in by_name:
            takes = f"{len(model.parameters)} argument{'s' if len(model.parameters) != 1 else ''}"
            what = f"takes no `{argument.name}`" if argument.name else f"takes {takes}"
            if name in by_name:
                what = f"is given `{name}` twice"
            expressions.wrong_at("E0302", f"`{model.name}` {what}", argument.span, f"it is `{usage}`")
        by_name[name] = argument
    missing = [one.name for one in model.parameters if one.name not in by_name and one.default is None]
    if missing:
        expressions.wrong_at(
            "E0302", f"`{model.name}` needs {listed(missing)}", call.span, "not given", f"write `{usage}`"
        )
    with all_faults() as attempt:
        given = [
            attempt(_argument, expressions, parameter, by_name.get(parameter.name), scope)
            for parameter in model.parameters
        ]
    return tuple(one() for one in given)


def _argument(
    expressions: "Expressions", parameter: models.ParameterSpec, written: ast.Argument | None, scope: Scope
) -> _Given:
    if written is None:
        assert parameter.default is not None
        return _Given(models.OptionArgument(parameter.name, parameter.default))
    bound = Bound(written.value, scope, {})
    match parameter.kind:
        case "EMBEDDING":
            key = _bare(expressions, written, "an embedding", "l14_img")
            if (inner := _embedding_feature(expressions, key, scope)) is not None:
                return _Given(models.FeatureArgument(parameter.name, inner.spec), inner.needs)
            return _Given(models.EmbeddingArgument(parameter.name, key))
        case "IMAGE":
            if _bare(expressions, written, "the image", IMAGE) != IMAGE:
                expressions.wrong_at(
                    "E0602", f"`{parameter.name}` takes the image", written.span, "each sample has one", "write `image`"
                )
            return _Given(models.ImageArgument(parameter.name))
        case "COVERAGE":
            if _bare(expressions, written, "the coverage", COVERAGE) != COVERAGE:
                label, help_ = "what the shards hold of each sample", "write `coverage`"
                expressions.wrong_at("E0602", f"`{parameter.name}` takes the coverage", written.span, label, help_)
            return _Given(models.CoverageArgument(parameter.name))
        case "ASSET" | "WEIGHTS":
            return _asset_argument(expressions, parameter, written, scope)
        case kind:
            value = expressions.resolve(bound)
            if isinstance(value, nodes.TableColumn):
                expressions.wrong_at(
                    "E0602",
                    f"`{parameter.name}` takes a column of the pool",
                    written.span,
                    f"`{value.table.name}` is a table: what a model reads belongs to the pool",
                    "test the column of the table itself, or add it to the pool's files",
                )
            if isinstance(value, nodes.Column) and value.type is SCALARS[kind]:
                return _Given(models.ColumnArgument(parameter.name, value.name, value.type))
            if isinstance(value, Exact | nodes.Literal):
                constant = constant_of(expressions, bound, SCALARS[kind], parameter.name)
                return _Given(models.OptionArgument(parameter.name, constant))
            expressions.wrong_at(
                "E0602",
                f"`{parameter.name}` takes a column of type {kind}",
                written.span,
                "a model reads columns of the pool as they are",
                "name a column, or write a constant",
            )


def _embedding_feature(expressions: "Expressions", name: str, scope: Scope) -> nodes.Feature | None:
    """Return the EMBEDDING feature of a name; any other name is that of an array beside the pool's files."""
    found = expressions.feature_called(name, scope)
    if found is None or found[0].feature.type.name.upper() != Type.EMBEDDING.value:
        return None
    if id(found[0].feature) in expressions.open:
        return feature_node(expressions, *found)  # which refuses it
    return expressions.feature(*found)


def _bare(expressions: "Expressions", written: ast.Argument, what: str, example: str) -> str:
    if not (isinstance(written.value, ast.Name) and len(written.value.parts) == 1):
        expressions.wrong_at(
            "E0602", f"{what} goes by its name", written.span, "an expression stands here", f"write `{example}`"
        )
    return written.value.text


# --- assets -----------------------------------------------------------------------------------------------------------


def _asset_argument(
    expressions: "Expressions", parameter: models.ParameterSpec, written: ast.Argument, scope: Scope
) -> _Given:
    name = _bare(expressions, written, "an asset", "centroids_l14")
    entry = scope.entries.get(name) or scope.library.get(name)
    if isinstance(entry, SetEntry):
        found = entry.set
        file = models.FileAsset(name, str(found.path), found.sha256)
        return _Given(models.AssetArgument(parameter.name, file, parameter.kind))
    if not isinstance(entry, AssetEntry):
        known = [each for each, one in (*scope.library.items(), *scope.entries.items()) if isinstance(one, AssetEntry)]
        expressions.wrong_at(
            "E0201",
            f"unknown asset `{name}`",
            written.span,
            f"`{parameter.name}` takes an ASSET",
            *suggestion(name, known, f"declare it: `ASSET {name} FROM pool;`"),
        )
    asset, needs = _asset(expressions, entry)
    if parameter.kind == "WEIGHTS" and not isinstance(asset, models.FileAsset | models.PoolAsset):
        label = f"`{parameter.name}` takes weights"
        expressions.wrong_at(
            "E0602", f"`{name}` is no file", written.span, label, "name an ASSET .. FROM 'file' SHA256"
        )
    return _Given(models.AssetArgument(parameter.name, asset, parameter.kind), needs)


def _asset(expressions: "Expressions", entry: AssetEntry) -> tuple[models.Asset, Needs]:
    statement, scope = entry.asset, entry.scope
    if id(statement) in expressions.open:
        expressions.wrong_at(
            "E0205", f"`{statement.name}` is made of itself", statement.name_span, "", "leave its own name out of it"
        )
    expressions.used.add(id(statement))
    expressions.open.add(id(statement))
    try:
        match statement:
            case ast.PoolAsset():
                return _pool_asset(expressions, statement), ()
            case ast.AssetFile():
                path = expressions.files.get(statement.span)
                where = str(path) if path is not None else f"stdlib:{statement.path.value}"
                return models.FileAsset(statement.name, where, statement.sha256.value.lower()), ()
            case ast.MadeAsset():
                return _made_asset(expressions, statement, scope)
            case ast.FitAsset():
                return _fit_asset(expressions, statement, scope)
    finally:
        expressions.open.discard(id(statement))


def _pool_asset(expressions: "Expressions", statement: ast.PoolAsset) -> models.PoolAsset:
    if statement.source.text != "pool":
        expressions.wrong_at(
            "E0602",
            f"`{statement.source.text}` binds no asset",
            statement.source.span,
            "the pool does, or a file",
            f"write `ASSET {statement.name} FROM pool`, or `FROM 'file.npy' SHA256 '..'`",
        )
    return models.PoolAsset(statement.name)


def _made_asset(expressions: "Expressions", statement: ast.MadeAsset, scope: Scope) -> tuple[models.Asset, Needs]:
    model = model_of(expressions, statement.using, scope)
    if model.name != "nearest" or model.code is not None:
        _no_asset(expressions, statement.using, "ASSET .. AS nearest(rows, centroids)")
    if len(statement.using.arguments) != 2:
        expressions.wrong_at(
            "E0302", "`nearest` takes 2 assets here", statement.using.span, "rows, then centroids", "name two assets"
        )
    parameter = models.ParameterSpec("rows", "ASSET")
    with all_faults() as attempt:
        parts = [attempt(_asset_argument, expressions, parameter, one, scope) for one in statement.using.arguments]
    of: list[models.Asset] = []
    needs: list[nodes.PoolScan | nodes.Ref] = []
    for part in parts:
        given = part()
        assert isinstance(given.argument, models.AssetArgument)
        of.append(given.argument.asset)
        needs += given.needs
    return models.MadeAsset(statement.name, model.name, model.version, tuple(of)), tuple(dict.fromkeys(needs))


def _fit_asset(expressions: "Expressions", statement: ast.FitAsset, scope: Scope) -> tuple[models.Asset, Needs]:
    model = model_of(expressions, statement.using, scope)
    if model.output.type is not Type.NESTED or model.code is not None:
        _no_asset(expressions, statement.using, "ASSET .. AS FIT kmeans(l14_img, k = 1000) ON pool SEED 0")
    given = [one.argument for one in _bind(expressions, statement.using, model, scope)]
    embedding = next((one.key for one in given if isinstance(one, models.EmbeddingArgument)), None)
    if embedding is None:
        expressions.wrong_at(
            "E0602",
            f"`{statement.name}` cannot be fitted to a feature",
            statement.using.span,
            "an asset is fitted to an embedding that comes with the pool",
            "name an array of the pool's npz files, such as `l14_img`",
            f"or name a file of centroids: `ASSET {statement.name} FROM 'centroids.npy' SHA256 '..'`",
        )
    options = tuple((one.parameter, one.value) for one in given if isinstance(one, models.OptionArgument))
    on = _fitted_on(expressions, statement.on, scope)
    name = on.name if isinstance(on, nodes.Ref) else "pool"
    seed = statement.seed.value if isinstance(statement.seed, ast.Text) else _seed(expressions, statement.seed)
    asset = models.FitAsset(statement.name, model.name, model.version, embedding, name, seed, options)
    return asset, (on,)


def _fitted_on(expressions: "Expressions", on: ast.Name, scope: Scope) -> nodes.PoolScan | nodes.Ref:
    if on.text == "pool":
        return nodes.PoolScan()
    entry = scope.entries.get(on.text)
    if isinstance(entry, RelationEntry):
        return entry.ref
    helps = scope.relation_help(on.text, "ON pool")
    expressions.wrong_at("E0201", f"unknown relation `{on.text}`", on.span, "ON names samples to fit on", *helps)


def _seed(expressions: "Expressions", seed: ast.Number) -> str:
    if seed.value != seed.value.to_integral_value():
        expressions.wrong_at("E0602", "a seed is a whole number or text", seed.span, "", "write `SEED 0`")
    return str(int(seed.value))


def _no_asset(expressions: "Expressions", call: ast.ModelCall, form: str) -> NoReturn:
    message = f"`{call.model.text}` makes no asset"
    expressions.wrong_at("E0602", message, call.model.span, "its values are of samples", f"write `{form}`")
