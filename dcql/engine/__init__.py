"""Program -> subset: the only part that reads pools and runs SQL."""
