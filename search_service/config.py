"""Settings of the search service."""

import secrets

from pydantic import SecretStr

from service_kit.settings import KitSettings


class Settings(KitSettings):
    elasticsearch_url: SecretStr = SecretStr("http://127.0.0.1:9200")
    # Signs cursors. Processes behind one address must share it. Without one the service token, which they share
    # too, takes its place; without that each process makes up its own, which is enough for one.
    cursor_secret: SecretStr = SecretStr("")

    def cursor_key(self) -> bytes:
        shared = self.cursor_secret.get_secret_value() or self.service_token.get_secret_value()
        return shared.encode() if shared else secrets.token_bytes(32)
