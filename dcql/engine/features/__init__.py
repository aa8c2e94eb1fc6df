"""The features of a run: asked for, found in the store or computed, and told of."""
