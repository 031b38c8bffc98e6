"""`python -m venues_service api [--port N] | worker`."""

from service_kit.runtime import main
from venues_service.app import create_app, worker
from venues_service.config import Settings

if __name__ == "__main__":
    settings = Settings()
    main("venues", settings, api=lambda: create_app(settings), worker=lambda: worker(settings))
