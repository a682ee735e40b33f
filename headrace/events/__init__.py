"""Events before they are features: checked, sent, replayed from files, and looked at.

It owns how rows of foreign files become events of a contract; it must know nothing of features or models.
"""

from headrace.events.events import Events

__all__ = ["Events"]
