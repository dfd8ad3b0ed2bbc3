"""The local store: Delta Lake tables for history, SQLite for online rows, in one directory."""

from candlecast.store.local.native_memory import limit_native_memory

limit_native_memory()  # the allocator reads its options when deltalake is loaded, just below

from candlecast.store.local.store import LocalFeatureStore  # noqa: E402

__all__ = ["LocalFeatureStore"]
