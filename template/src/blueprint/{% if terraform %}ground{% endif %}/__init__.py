"""The ground that the project stands on: Terraform makes it, and its outputs are written down."""
