"""What `diff` compares: recipes, those of git too, locks, run folders and subset files."""
