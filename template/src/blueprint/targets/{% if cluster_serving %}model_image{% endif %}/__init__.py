"""A version of the model as an image, for clusters that mount images as volumes."""
