"""Models at work: each module answers for samples, a batch at a time. Heavy libraries are imported inside of functions."""
