"""The demo pool: emoji drawings and their names, with injected faults; see expand.py and README.md."""
