"""Text -> recipe: the grammar, the tree of what was written, and the parser between them."""
