"""One small fair app a rival. They run in the rivals' environments, never in ours."""
