"""Tables made anew from their topics: read into a lake beside, compared row by row, swapped in one commit.

Owns `headrace lake rebuild`. Must not know features or models.
"""
