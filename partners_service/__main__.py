"""`python -m partners_service api [--port N] | worker`."""

from partners_service.app import create_app, worker
from partners_service.config import Settings
from service_kit.runtime import main

if __name__ == "__main__":
    settings = Settings()
    main("partners", settings, api=lambda: create_app(settings), worker=lambda: worker(settings))
