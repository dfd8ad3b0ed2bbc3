from collections.abc import Callable

import pytest

from candlecast.store.feature_store import FeatureStore
from candlecast.testing.feature_store_contract import FeatureStoreContract
from candlecast.testing.in_memory_feature_store import InMemoryFeatureData, InMemoryFeatureStore


class TestInMemoryFeatureStore(FeatureStoreContract):
    @pytest.fixture
    def open_store(self) -> Callable[[], FeatureStore]:
        data = InMemoryFeatureData()
        return lambda: InMemoryFeatureStore(data)
