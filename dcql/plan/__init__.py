"""Recipe -> plan: names and types resolved, meaning fixed, rewrites that keep it."""
