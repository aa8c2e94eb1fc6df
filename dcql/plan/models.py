"""What a plan needs of models."""

from dcql.errors import Diagnostic, RunError
from dcql.plan import nodes
from dcql.source import Span


def refuse_models(plan: nodes.Plan) -> None:
    """Raise RunError for the names in a plan that need a model."""
    diagnostics: dict[str, Diagnostic] = {}
    for clause, name in _model_names(plan):
        diagnostics.setdefault(
            name,
            Diagnostic(
                "E0601",
                f"`{name}` needs a model",
                _where(name, clause.span) if clause is not None else None,
                "known and typed, but this version cannot compute it",
                ("`dcql check` checks the recipe; to run it, leave the clause out",),
            ),
        )
    if diagnostics:
        raise RunError(*sorted(diagnostics.values(), key=lambda found: found.span.start if found.span else -1))


def _model_names(plan: nodes.Plan) -> list[tuple[nodes.Clause | None, str]]:
    found: list[tuple[nodes.Clause | None, str]] = []
    for relation in (*(stage.relation for stage in plan.stages), plan.query):
        for node in nodes.walk(relation):
            inside = nodes.walk(node.expr) if isinstance(node, nodes.Clause) else iter((node,))
            clause = node if isinstance(node, nodes.Clause) else None
            for part in inside:
                if isinstance(part, nodes.Feature):
                    found.append((clause, part.name))
                elif isinstance(part, nodes.InSet) and isinstance(part.set, nodes.ModelSet):
                    found.append((clause, part.set.name))
    return found


def _where(name: str, span: Span | None) -> Span | None:
    """Return the place of a name inside a clause, or the clause where a DEFINE hides it."""
    if span is None or name not in span.text:
        return span
    start = span.start + span.text.index(name)
    return Span(span.source, start, start + len(name))
