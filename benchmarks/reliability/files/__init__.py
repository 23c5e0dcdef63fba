"""What is sent and served to break something, made on the spot: images, forms, graphs, artifacts.

The tests use the same.
"""
