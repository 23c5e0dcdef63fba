"""Other servers doing the same job, each in its own environment under build/rivals/."""
