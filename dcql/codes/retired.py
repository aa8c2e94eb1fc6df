"""Codes that are not given any more, and the code that says the same now. None of them gets another meaning."""

RETIRED = {"E0792": "E0787"}
