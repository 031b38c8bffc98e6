"""The steps of `scripts/prepare_data.py`."""
