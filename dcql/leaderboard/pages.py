"""Templates -> pages. Whatever a submission says is escaped: the templates are the only source of markup."""

from typing import Any

from dcql.extras import missing
from dcql.leaderboard import view


class Pages:
    """Renders the templates of a site with one title. Raises RunError (E0640) where jinja2 is not installed."""

    def __init__(self, title: str) -> None:
        try:
            import jinja2
        except ImportError as error:
            raise missing("dcql leaderboard build", "leaderboard", error) from error
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("dcql.leaderboard"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["title"] = title
        self._templates.filters |= {
            "figure": view.figure,
            "count": view.count,
            "percent": view.percent,
            "short": view.short,
            "authors": view.authors,
        }

    def render(self, template: str, **values: Any) -> str:
        """Return a page."""
        return self._templates.get_template(template).render(**values) + "\n"
