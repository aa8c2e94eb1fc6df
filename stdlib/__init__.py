"""The library, written in the language."""
