"""Recipes that ship with dcql."""
