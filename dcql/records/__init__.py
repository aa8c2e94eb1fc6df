"""What a lock or a run folder records, held against a run: made, checked, and run again as it was."""
