"""Settings of the accounts service."""

from pathlib import Path

from service_kit.settings import KitSettings


class Settings(KitSettings):
    """`signing_key_file` is a PEM with an Ed25519 private key; it is made where there is none."""

    signing_key_file: Path
