"""Queries: bodies, ORDER BY, LIMIT and SAMPLE to relations, with what a bare q ranges over in each clause."""

from dataclasses import dataclass, field

from dcql.catalog.inputs import Inputs
from dcql.catalog.types import Type
from dcql.errors import Diagnostics
from dcql.plan import nodes
from dcql.plan.amounts import limit_amount
from dcql.plan.copies import counted
from dcql.plan.expressions import Expressions
from dcql.plan.faults import WrongError, all_faults
from dcql.plan.lookup import Bound
from dcql.plan.sampling import Drawing, Sampled, drawing
from dcql.plan.scope import RelationEntry, Scope, SetEntry, TableEntry
from dcql.plan.tables import join_clauses
from dcql.syntax import ast
from dcql.syntax.phrases import phrase

NO_POPULATION = "without OF, q is allowed over `FROM pool` only"


@dataclass
class Queries:
    """Resolves the queries of one recipe, and through `expressions` what stands in them.

    `embeddings` lets conditions name an EMBEDDING feature, as those of commands do.
    """

    diagnostics: Diagnostics
    inputs: Inputs
    embeddings: bool
    expressions: Expressions = field(init=False)
    sampled: Sampled = field(init=False)

    def __post_init__(self) -> None:
        self.sampled = Sampled(self.diagnostics)
        self.expressions = Expressions(
            diagnostics=self.diagnostics, queries=self, files=self.inputs.files, embeddings=self.embeddings
        )

    def inner(self, query: ast.Query, scope: Scope) -> nodes.Rel:
        """Resolve the query of an `IN (SELECT ..)`. Raises WrongError."""
        with self._population(None, NO_POPULATION):
            return self.query(query, scope)

    def reference(self, ref: nodes.Ref) -> nodes.Rel:
        """Return the relation that stands for a stage or an imported recipe."""
        return ref

    def query(self, query: ast.Query, scope: Scope) -> nodes.Rel:
        """Resolve a query. Raises WrongError after recording every fault inside."""
        single = query.body if isinstance(query.body, ast.Select) else None
        with all_faults() as attempt:
            body = attempt(self._body, query.body, scope, under_tail=single)
            order = attempt(self._order, query, single, scope)
            limit = attempt(limit_amount, self.expressions, query, scope)
            by = attempt(self._limit_keys, query, single, scope)
            draw = attempt(self._drawing, query, single, scope)
        relation = body()
        if single is not None and single.distinct_on:
            keys = self._distinct_keys(single, scope)
            if not query.order:
                self.diagnostics.add(
                    "E0404",
                    "DISTINCT ON without ORDER BY",
                    single.span,
                    "which sample of a group is first is left open",
                    ("say which one stays: `ORDER BY clip_l14 DESC`",),
                )
                raise WrongError
            relation = nodes.DistinctOn(relation, keys, order())
        amount = limit()
        if amount is not None:
            count, percent = amount
            relation = nodes.Limit(relation, order(), count, percent, by())
        if query.sample is not None and (drawn := draw()) is not None:
            relation = self.sampled.drawn(relation, drawn, query.sample)
        return self.expressions.noted(query, relation)

    def _body(self, body: ast.QueryBody, scope: Scope, under_tail: ast.Select | None) -> nodes.Rel:
        match body:
            case ast.Select():
                if body.distinct_on and body is not under_tail:
                    self.diagnostics.add(
                        "E0404",
                        "DISTINCT ON without an ORDER BY of its own",
                        body.span,
                        "the ORDER BY after a set operation orders its result",
                        ("put the SELECT and its ORDER BY in parentheses",),
                    )
                    raise WrongError
                return self.expressions.noted(body, self._select(body, scope))
            case ast.SetOperation():
                return self._set_operation(body, scope)
            case ast.Query():
                return self.query(body, scope)

    def _set_operation(self, body: ast.SetOperation, scope: Scope) -> nodes.Rel:
        # Left-deep chains are as long as the recipe; they are taken from the left without recursion.
        operands: list[tuple[str, ast.QueryBody]] = []
        first: ast.QueryBody = body
        while isinstance(first, ast.SetOperation):
            operands.append((first.op, first.right))
            first = first.left
        with all_faults() as attempt:
            left = attempt(self._body, first, scope, None)
            rights = [(op, attempt(self._body, right, scope, None)) for op, right in reversed(operands)]
        relation = left()
        for op, right in rights:
            relation = nodes.SetOperation(op, relation, right())
        return relation

    def _select(self, select: ast.Select, scope: Scope) -> nodes.Rel:
        with all_faults() as attempt:
            source = attempt(self._from, select.relation, scope)
            joins = attempt(join_clauses, select, scope, self.diagnostics)
            clauses = attempt(self._where, select, scope)
            copies = attempt(self._copies, select, scope)
        every = (*joins(), *clauses())
        relation = nodes.Filter(source(), every) if every else source()
        expr = copies()
        if expr is None or select.copies is None:
            return relation
        span = select.copies.span
        return nodes.Copies(relation, expr, f"{phrase(span)} AS copies", span)

    def _from(self, relation: ast.Name | ast.Query, scope: Scope) -> nodes.Rel:
        if isinstance(relation, ast.Query):
            with self._population(None, NO_POPULATION):
                return self.query(relation, scope)
        name = relation.text
        if name == "pool":
            return nodes.PoolScan()
        entry = scope.entries.get(name)
        if isinstance(entry, RelationEntry):
            return entry.ref
        if entry is not None or name in scope.values():
            form = f"FROM pool WHERE {f'uid IN {name}' if isinstance(entry, SetEntry) else '..'}"
            if isinstance(entry, TableEntry):
                form = f"FROM pool JOIN {name} USING (uid)"
            self.diagnostics.add(
                "E0203",
                f"`{name}` is no relation",
                relation.span,
                "FROM needs `pool`, a stage or a recipe",
                (f"write `{form}`",),
            )
        else:
            self.diagnostics.add(
                "E0201",
                f"unknown relation `{name}`",
                relation.span,
                "not `pool`, a stage above, or an imported recipe",
                scope.relation_help(name, "FROM pool"),
            )
        raise WrongError

    def _where(self, select: ast.Select, scope: Scope) -> tuple[nodes.Clause, ...]:
        if select.where is None:
            return ()
        with self._select_population(select), all_faults() as attempt:
            written = self.expressions.conjuncts(Bound(select.where, scope, {}))
            clauses = [attempt(self._clause, part) for part in written]
        return tuple(clause() for clause in clauses)

    def _clause(self, bound: Bound) -> nodes.Clause:
        expr = self.expressions.predicate(bound, "WHERE")
        return nodes.Clause(expr, phrase(bound.expr.span), bound.expr.span)

    def _copies(self, select: ast.Select, scope: Scope) -> nodes.Expr | None:
        if select.copies is None:
            return None
        with self._select_population(select):
            return counted(self.expressions, select, scope)

    def _distinct_keys(self, select: ast.Select, scope: Scope) -> tuple[nodes.Expr, ...]:
        with self._select_population(select), all_faults() as attempt:
            keys = [
                attempt(self.expressions.key, Bound(key, scope, {}), "a DISTINCT ON key") for key in select.distinct_on
            ]
        return tuple(key() for key in keys)

    def _limit_keys(self, query: ast.Query, single: ast.Select | None, scope: Scope) -> tuple[nodes.Expr, ...]:
        written = query.limit.by if query.limit is not None else ()
        with self._tail_population(single), all_faults() as attempt:
            keys = [attempt(self.expressions.key, Bound(key, scope, {}), "a LIMIT BY key") for key in written]
        return tuple(key() for key in keys)

    def _order(self, query: ast.Query, single: ast.Select | None, scope: Scope) -> tuple[nodes.SortKey, ...]:
        with self._tail_population(single), all_faults() as attempt:
            keys = [attempt(self._order_key, Bound(key.expr, scope, {})) for key in query.order]
        return tuple(
            nodes.SortKey(expr(), key.descending, key.nulls_first) for expr, key in zip(keys, query.order, strict=True)
        )

    def _order_key(self, bound: Bound) -> nodes.Expr:
        key = self.expressions.key(bound, "an ORDER BY key")
        if key.type is Type.BOOL:
            words = bound.expr.span.text
            help_ = f"say which come first: `CASE WHEN {words} THEN 0 ELSE 1 END`"
            self.expressions.wrong(
                "E0301", "BOOL has no order for ORDER BY", bound, "TRUE and FALSE are not ranked", help_
            )
        return key

    def _drawing(self, query: ast.Query, single: ast.Select | None, scope: Scope) -> Drawing | None:
        with self._tail_population(single):
            return drawing(self.expressions, query, scope)

    # --- context ------------------------------------------------------------------------------------------------------

    def _tail_population(self, single: ast.Select | None) -> "_Population":
        """Return what a bare q ranges over in the tail of a query: of one SELECT, or of set operations."""
        return self._select_population(single) if single is not None else self._population(None, NO_POPULATION)

    def _select_population(self, select: ast.Select) -> "_Population":
        if isinstance(select.relation, ast.Name) and select.relation.text == "pool":
            return self._population(nodes.PoolScan(), "")
        return self._population(None, NO_POPULATION)

    def _population(self, relation: nodes.Rel | None, reason: str) -> "_Population":
        return _Population(self.expressions, relation, reason)


@dataclass
class _Population:
    """Sets what a bare q ranges over, for as long as a clause is resolved."""

    expressions: Expressions
    relation: nodes.Rel | None
    reason: str

    def __enter__(self) -> None:
        self.outer = self.expressions.population, self.expressions.population_reason
        self.expressions.population, self.expressions.population_reason = self.relation, self.reason

    def __exit__(self, *_: object) -> None:
        self.expressions.population, self.expressions.population_reason = self.outer
