"""The HTTP border: the deployed model behind the V1 inference protocol."""
