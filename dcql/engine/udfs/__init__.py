"""Models at work: each module answers for samples, a batch at a time; heavy libraries are imported inside functions."""
