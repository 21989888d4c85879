"""What the tests of the template share: its questions, its renderings, commands in a project."""
