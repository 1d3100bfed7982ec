"""The record of every network ever trained: Parquet parts, their writer, and queries over them."""
