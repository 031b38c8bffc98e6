"""`python -m inventory_service api --port N` or `worker`."""

from inventory_service.app import create_app, worker
from inventory_service.config import Settings
from service_kit.runtime import main

if __name__ == "__main__":
    settings = Settings()
    main("inventory", settings, api=lambda: create_app(settings), worker=lambda: worker(settings))
