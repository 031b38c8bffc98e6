"""Settings of the indexer."""

from pydantic import SecretStr

from service_kit.settings import KitSettings


class Settings(KitSettings):
    elasticsearch_url: SecretStr = SecretStr("http://127.0.0.1:9200")
