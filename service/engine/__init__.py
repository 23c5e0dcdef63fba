"""Inference: image bytes to labels. The only place that knows models; it knows no HTTP."""
