"""What a notebook starts with: the test rows and the model in service.

```python
data = test_data()
model = champion()
features, labels = data.arrays()
predictions = model.predict(features)
```
"""

from . import runs, settings
from .data import Dataset
from .errors import UserError
from .model import Model
from .registry.client import connect


def test_data() -> Dataset:
    """The test set of the newest run on this machine. Raises `UserError` before the first one."""
    return Dataset(runs.newest("load-data/test_data"))


def champion() -> Model:
    """The champion of the registry that config/<ENV>.yaml names.

    It predicts probabilities (n, classes), or numbers (n,). Raises `UserError` when the registry
    does not answer or has no champion yet.
    """
    registry = connect(settings.load().registry)
    version = registry.champion()
    if version is None:
        raise UserError(f"no version of {registry.name} is registered yet: run `make run` first")
    with registry.model(version) as directory:
        return Model(directory)  # all of it is in memory: the copy can go
