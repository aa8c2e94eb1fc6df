"""CI of recipe repositories: what a branch changes is checked, locked, run under other conditions, and summarised."""
