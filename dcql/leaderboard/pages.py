"""Templates -> pages. Whatever a submission says is escaped: the templates are the only source of markup."""

from typing import Any

from dcql.leaderboard import view
from dcql.pages import environment


class Pages:
    """Renders the templates of a site with one title."""

    def __init__(self, title: str) -> None:
        self._templates = environment("dcql.leaderboard", figure=view.figure, authors=view.authors)
        self._templates.globals["title"] = title

    def render(self, template: str, **values: Any) -> str:
        """Return a page."""
        rendered: str = self._templates.get_template(template).render(**values)
        return rendered + "\n"
