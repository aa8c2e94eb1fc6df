"""dcql in notebooks: the `%%dcql` magic, and what Jupyter shows of recipes, plans, runs, subsets and diagnostics."""
