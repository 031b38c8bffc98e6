"""Password hashes."""

import asyncio

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from accounts_service.passwords import HASHER, open_passwords


async def test_the_event_loop_goes_on_while_a_password_is_hashed() -> None:
    with open_passwords() as passwords:
        hashing = asyncio.create_task(passwords.hash("correct horse"))
        turns = 0
        while not hashing.done():
            turns += 1
            await asyncio.sleep(0)
    assert turns > 20


async def test_a_password_fits_its_own_hash_only() -> None:
    with open_passwords() as passwords:
        hashed = await passwords.hash("correct horse")
        assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await passwords.check("correct horse", hashed) == (True, None)
        assert await passwords.check("wrong horse", hashed) == (False, None)
        assert await passwords.check("correct horse", None) == (False, None)


async def test_a_hash_of_another_strength_is_renewed_at_login() -> None:
    weak = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1),)).hash("correct horse")
    with open_passwords() as passwords:
        fits, renewed = await passwords.check("correct horse", weak)
    assert fits
    assert renewed is not None
    assert HASHER.verify("correct horse", renewed)
