"""The views of a project: what can be asked about them, and what is done with them beside the job.

Knows the project, its lake, its online store and its stack; what a view computes, `headrace_features` knows.
"""
