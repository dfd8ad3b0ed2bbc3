"""Keeping a Delta table fast and small: many small files become one, dead files go.

Chosen so that nothing outside the table has to be remembered:
- A live writer adds one small file per product and materialisation (one a minute). Reading costs
  some 0.2 ms a file, so a partition is compacted when it has more than 32 of them; a partition is
  one month of one product, at most 45,000 minutes or 4 MB, so this costs tens of milliseconds
  twice an hour.
- Files that a newer version no longer needs stay for two hours, far longer than any reader looks
  at one version, and are then deleted; with them go files of writers that were killed before
  their commit. That is done at a process's first compaction and at every sixteenth.
- The log is folded into a checkpoint every 50 commits; its entries are kept for half a day.
"""

from collections import Counter
from collections.abc import Mapping

from deltalake import DeltaTable

from candlecast.store.feature_group import PRODUCT_ID
from candlecast.store.local.arrow_rows import MONTH
from candlecast.store.local.data_files import data_files

MAXIMUM_FILES_OF_PARTITION = 32
COMPACTIONS_BETWEEN_VACUUMS = 16

TABLE_PROPERTIES: Mapping[str, str] = {
    "delta.checkpointInterval": "50",
    "delta.deletedFileRetentionDuration": "interval 2 hours",
    "delta.logRetentionDuration": "interval 12 hours",
    "delta.enableExpiredLogCleanup": "true",
}


class HistoryUpkeep:
    """Decides after each commit whether the table needs care, and gives it."""

    def __init__(self) -> None:
        self._compaction_count = 0

    def after_commit(self, table: DeltaTable) -> None:
        """Compact partitions of many files; the caller holds the table's lock."""
        counts = Counter((file.product_id, file.month) for file in data_files(table))
        crowded = [key for key, count in counts.items() if count > MAXIMUM_FILES_OF_PARTITION]
        if not crowded:
            return
        # one task at a time: the memory of compaction is that of one partition
        table.optimize.compact(
            partition_filters=[
                (PRODUCT_ID, "in", sorted({product_id for product_id, _ in crowded})),
                (MONTH, "in", sorted({month for _, month in crowded})),
            ],
            max_concurrent_tasks=1,
        )
        if self._compaction_count % COMPACTIONS_BETWEEN_VACUUMS == 0:
            table.vacuum(dry_run=False, full=True)
        self._compaction_count += 1
