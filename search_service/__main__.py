"""`python -m search_service api [--host H] [--port N]`."""

from search_service.app import create_app
from search_service.config import Settings
from service_kit.runtime import main

if __name__ == "__main__":
    settings = Settings()
    main("search", settings, api=lambda: create_app(settings))
