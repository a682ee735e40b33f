"""Forgetting a subject: which rows name it, how they go, and what still holds them.

Owns `headrace lake forget`. Knows the lake, the online store and saved files; must not know the broker.
"""
