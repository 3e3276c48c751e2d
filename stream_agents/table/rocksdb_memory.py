"""The memory of RocksDB: one limit for all databases of a worker."""

import rocksdict

# The share of the table's memory for writes that are not in a file yet.
_WRITE_BUFFERS = 1 / 2
_BLOOM_BITS = 10
# Per partition; each open file takes some kilobytes outside the cache.
_OPEN_FILES = 64


class RocksdbMemory:
    """The memory that all databases share, with one limit however many partitions or rows there are.

    Faust's defaults reserve 2 GiB of cache and 192 MiB of write buffers for every partition, and hold the index and the
    filter of every file in addition.
    """

    def __init__(self, size: int) -> None:
        self._cache = rocksdict.Cache(size)
        # The write buffers are charged to the cache.
        self._write_buffers = rocksdict.WriteBufferManager.new_write_buffer_manager_with_cache(
            int(_WRITE_BUFFERS * size), allow_stall=False, cache=self._cache
        )

    def options(self) -> rocksdict.Options:
        """Return the options of a database."""
        blocks = rocksdict.BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_cache_index_and_filter_blocks(True)
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
        blocks.set_bloom_filter(_BLOOM_BITS, block_based=False)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_manager(self._write_buffers)
        options.set_max_open_files(_OPEN_FILES)
        options.set_block_based_table_factory(blocks)
        return options
