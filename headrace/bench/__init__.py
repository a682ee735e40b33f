"""Measures this machine: the feature job beside other ways to compute the same, and the latency of a running stack.

Owns workloads, contestants, figures and reports. All that it starts has its own broker and a folder that goes away.
"""
