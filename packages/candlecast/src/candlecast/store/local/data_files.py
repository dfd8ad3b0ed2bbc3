"""The data files of a Delta table, as its log describes them."""

from dataclasses import dataclass

from deltalake import DeltaTable

from candlecast.store.feature_group import PRODUCT_ID, TIMESTAMP_MS
from candlecast.store.local.arrow_rows import MONTH


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file: its partition and the newest row in it."""

    product_id: str
    month: str
    newest_timestamp_ms: int


def data_files(table: DeltaTable) -> list[DataFile]:
    """List the files of the table's current version; no file is opened."""
    actions = table.get_add_actions(flatten=True)
    if actions.num_rows == 0:
        return []  # a table without files has no columns for their statistics
    columns = (f"partition.{PRODUCT_ID}", f"partition.{MONTH}", f"max.{TIMESTAMP_MS}")
    values = (actions.column(name).to_pylist() for name in columns)
    return [DataFile(*file) for file in zip(*values, strict=True)]
