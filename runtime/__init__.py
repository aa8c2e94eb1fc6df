"""The fixed runtime: from a subset to an accuracy, the same for every participant.

reshard -> train -> evaluate. It sees a subset and its hash, never a recipe.
"""
