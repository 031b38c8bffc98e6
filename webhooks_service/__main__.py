"""`python -m webhooks_service api [--port N] | worker`."""

from service_kit.runtime import main
from webhooks_service.app import create_app, worker
from webhooks_service.config import Settings

if __name__ == "__main__":
    settings = Settings()
    main("webhooks", settings, api=lambda: create_app(settings), worker=lambda: worker(settings))
