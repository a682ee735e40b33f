"""Recipes: how a detector is fitted, and what a detector is. Knows arrays only: no lake, no registry, no stream."""
