"""The plumbing: the same in every project. Updates of the template own it."""
