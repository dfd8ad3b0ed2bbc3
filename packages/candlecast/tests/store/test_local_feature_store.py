from collections.abc import Callable
from pathlib import Path

import pytest

from candlecast.store.feature_store import FeatureStore
from candlecast.store.local import LocalFeatureStore
from candlecast.testing.feature_store_contract import FeatureStoreContract


class TestLocalFeatureStore(FeatureStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], FeatureStore]:
        return lambda: LocalFeatureStore(tmp_path / "store", "simulator")
