"""Open Inference Protocol v2 over REST, under /v2, with the extensions that its clients use.

Binary tensors both ways, classification strings, the model configuration, the repository index and
statistics. What is asked here runs in the same worker pool, under the same limits, as /classify.
"""
