"""E155x: editors."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E1551",
        "language server without its packages",
        "`dcql lsp` speaks with editors by pygls, which comes with the extra `lsp` and is not part of dcql alone.",
        "pip install dcql\ndcql lsp",
        "pip install 'dcql[lsp]'\ndcql lsp",
    ),
)
