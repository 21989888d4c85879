"""A version of the model as an image, for clusters that mount images as volumes."""

KIND = "model"  # what manifests call the image of the version that is deployed
IMAGE_TAG = "model.image"  # of a version: the image's reference by digest
