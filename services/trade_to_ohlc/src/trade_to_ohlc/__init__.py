"""The service that folds trades into closed candles."""

import warnings

with warnings.catch_warnings(record=True):
    # A dependency of a dependency (authlib) warns about itself when it is imported; said on
    # standard error before logging is set up, it would be the one line that is not JSON.
    import quixstreams  # noqa: F401 - imported for the silence, used in `service`
