"""What a notebook shows as HTML: recipes, plans, runs, subsets and diagnostics."""

from importlib import import_module


class Displayed:
    """A value that Jupyter shows by its `_repr_html_`.

    `dcql.notebook.views` makes the markup. It is found by name: it knows all that is shown, and so layers after this.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = import_module("dcql.notebook.views").html(self)
        return html
