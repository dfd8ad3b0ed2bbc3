"""The port of the feature store: what services may ask of any store, local or Hopsworks.

A store has two sides. The online side holds the latest rows, readable at once; the offline side
holds the history. Both are upserts on (product_id, timestamp_ms), so that writing anything twice
changes nothing, and on each side the last write wins.
"""

from types import TracebackType
from typing import Protocol, Self

from candlecast.store.feature_group import FeatureGroup
from candlecast.store.feature_rows import FeatureRows


class FeatureStore(Protocol):
    """Rows of feature groups, online and offline.

    A method that returns has its effect kept through the death of the process. Every method may
    be called from several threads, and several processes may have the same store open.

    Every method may raise:
        TransientError: the store is busy, full or away; nothing is lost, call again.
        ConfigurationError: the store is not what the settings say, or damaged.
        InvalidMessageError: the rows given are not rows of the feature group.
    """

    def write_online(self, group: FeatureGroup, rows: FeatureRows) -> None:
        """Upsert rows online, at once; `materialize` brings them into the history later."""
        ...

    def write_offline(self, group: FeatureGroup, rows: FeatureRows) -> None:
        """Upsert rows into the history only; meant for large batches of 10,000 rows and more."""
        ...

    def materialize(self, group: FeatureGroup) -> int:
        """Bring the rows written online into the history; return how many were pending.

        Idempotent, and safe to kill at any moment: what was not finished is done by the next call.
        """
        ...

    def read_online(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return online rows with start_ms <= timestamp_ms < end_ms, ordered by timestamp_ms."""
        ...

    def read_online_latest(self, group: FeatureGroup, product_id: str, count: int) -> FeatureRows:
        """Return the newest `count` online rows, ordered by timestamp_ms."""
        ...

    def read_offline(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return history with start_ms <= timestamp_ms < end_ms, ordered by timestamp_ms."""
        ...

    def read_all(
        self, group: FeatureGroup, product_id: str, start_ms: int, end_ms: int
    ) -> FeatureRows:
        """Return the history as `materialize` would leave it: pending online rows included."""
        ...

    def product_ids(self, group: FeatureGroup) -> tuple[str, ...]:
        """Return the products that have rows on either side, sorted."""
        ...

    def newest_timestamp_ms(self, group: FeatureGroup, product_id: str) -> int | None:
        """Return the newest timestamp_ms of a product on either side; None without rows."""
        ...

    def close(self) -> None:
        """Give back files and connections; calling it twice does no harm."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
