"""Tars of samples, read by their headers: members of any tar, those of plain tars faster, and which make a sample."""
