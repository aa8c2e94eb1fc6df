"""A report of a run or of a difference: one HTML file that needs nothing beside it."""
