"""A data set in place of loose files: finished sounds -> shards that other programs load, and a card.

row         one sound, and what is to be known of it
parquet     shards as `datasets.load_dataset` reads them: a column of Audio
tar         shards as `webdataset` reads them: KEY.flac, KEY.json, KEY.txt
packing     rows -> shards of about one size, each whole and in the ledger, or absent
card        README.md in Hugging Face's form
"""
