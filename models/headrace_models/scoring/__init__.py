"""Scoring: feature rows from their topic to scores and alerts, by the models that the registry names at the moment."""
