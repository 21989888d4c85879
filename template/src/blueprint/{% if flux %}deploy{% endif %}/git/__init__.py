"""The version that is served, as Git says it: proposed, committed, followed and taken back."""
