"""The language server, `dcql lsp`: what `dcql.editing` knows of a recipe, in the words of the protocol. Needs pygls."""
