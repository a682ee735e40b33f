"""Models: from feature rows and labels in the lake to a registered model, and from a feature row to a score.

Knows the contract, the views and the lake's SQL; must not know Flink, the command line or the stack.
Importing this package imports none of scikit-learn, MLflow and Kafka: import the module that you use.
"""
