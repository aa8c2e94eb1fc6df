"""What pages are made of, those of the leaderboard and of reports: templates, styles, and numbers as they are shown.

The templates are the only source of markup: whatever text a page shows is escaped. jinja2 is imported here alone.
"""

from typing import Any

from dcql.pages.text import count, decimal, percent, short, visible


def environment(package: str, **filters: Any) -> Any:
    """Return a jinja2.Environment of the templates of `package`, with `shared.html` of this one.

    Text that is not markup is made visible, and escaped: a page shows what a recipe or a caption holds, and is not
    steered by it.
    """
    import jinja2  # a tenth of a short command, and few commands make pages

    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("dcql.pages")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Markup is a kind of str, and stays what it is.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    made.filters |= {"count": count, "decimal": decimal, "percent": percent, "short": short, **filters}
    return made


def style(package: str, name: str) -> str:
    """Return a style sheet: the shared one, with `static/NAME` of a package after it.

    Where a page has radio buttons with the ids `theme-light` and `theme-dark`, they go before the reader's own setting.
    """
    from importlib.resources import files  # slow to import, and few pages are drawn

    shared, own = (files(place).joinpath("static") for place in ("dcql.pages", package))
    light, dark, base = (
        shared.joinpath(f"{part}.css").read_text(encoding="utf-8") for part in ("light", "dark", "base")
    )
    # Of the lowest weight, so that what paper and high contrast need goes before.
    themes = (
        f"html {{\n{light}}}\n\n"
        "@media screen and (prefers-color-scheme: dark) {\n"
        f"html:where(:not(:has(#theme-light:checked))) {{\n{dark}}}\n}}\n\n"
        f"@media screen {{\nhtml:where(:has(#theme-dark:checked)) {{\n{dark}}}\n}}\n\n"
    )
    return f"{themes}{base}\n{own.joinpath(name).read_text(encoding='utf-8')}"
