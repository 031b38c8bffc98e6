"""The first admin: made from the command line, never over HTTP."""

from pydantic import TypeAdapter

from accounts_service.domain import LONGEST_PASSWORD, SHORTEST_PASSWORD, User, normal_email, normal_password
from accounts_service.handlers import add_user
from accounts_service.passwords import open_passwords
from accounts_service.store import AccountStore
from service_kit.clock import SystemClock
from service_kit.ids import new_id
from service_kit.models import Name
from service_kit.mongo import open_database
from service_kit.settings import KitSettings


async def create_admin(settings: KitSettings, email: str, password: str, name: str) -> str:
    """Make an account of role `admin` and give its user id. Raises EmailTaken, or ValueError for bad input."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise ValueError(f"The password must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    clock = SystemClock()
    admin = User(
        new_id(), "admin", clock.now(), email=normal_email(email), name=TypeAdapter(Name).validate_python(name)
    )
    async with open_database(settings, "accounts") as database:
        store = AccountStore(database)
        await store.prepare()
        with open_passwords() as passwords:
            await add_user(store, passwords, clock, admin, normal_password(password))
    return admin.user_id
