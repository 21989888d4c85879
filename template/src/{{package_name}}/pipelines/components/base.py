"""How every component is made."""

from functools import partial

from kfp import dsl

# One image runs every step and holds all they need, so nothing is installed when they start.
# `targets.compile` puts the image in; the name here never reaches a cluster.
component = partial(dsl.component, base_image="set-by-compile", install_kfp_package=False)
