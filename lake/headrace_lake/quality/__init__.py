"""What rows of a table are expected to be: rules, their check by SQL, and the record of what was found.

Knows the lake as SQL; where rules are declared is none of its business.
"""
