"""What admins do with partners."""

from dataclasses import dataclass, replace
from typing import Any

from partners_service.domain.partners import Partner, PartnerNotFound, Secret
from partners_service.hosts import Hosts
from partners_service.store.partners import Partners
from partners_service.vault import fresh_secret
from service_kit.clock import Clock
from service_kit.errors import Conflict
from service_kit.ids import new_id
from service_kit.sealing import Seal

SANDBOX = "sandbox"


class PartnerChanged(Conflict):
    slug, title = "partner-changed", "Somebody else changed the partner at the same time"


@dataclass(frozen=True)
class Directory:
    """The partners with their secrets; a secret in the clear is only ever given by who makes it."""

    partners: Partners
    vault: Seal
    hosts: Hosts
    clock: Clock

    async def add(self, partner_id: str, name: str, url: str, timeout_seconds: float) -> tuple[Partner, str]:
        """The new partner and its first secret. Raises HostNotAllowed; PartnerChanged where a retry made it before."""
        self.hosts.require(url)
        now = self.clock.now()
        secret = fresh_secret()
        partner = Partner(
            partner_id,
            1,
            name,
            url,
            timeout_seconds,
            (self._sealed(secret, partner_id),),
            created_at=now,
            updated_at=now,
        )
        if not await self.partners.add(partner):
            raise PartnerChanged("It was made by this request before; its secret is lost: delete it, and begin anew")
        return partner, secret

    async def get(self, partner_id: str) -> Partner:
        """Raises PartnerNotFound."""
        partner = await self.partners.get(partner_id)
        if partner is None or partner.deleted:
            raise PartnerNotFound
        return partner

    async def change(self, partner: Partner, values: dict[str, Any]) -> Partner:
        """Raises HostNotAllowed, PartnerChanged."""
        if "url" in values:
            self.hosts.require(values["url"])
        return await self._save(
            partner, replace(partner, **values, version=partner.version + 1, updated_at=self.clock.now())
        )

    async def new_secret(self, partner: Partner) -> tuple[Partner, str]:
        """A second secret, by which we sign as well from now on. Raises PartnerChanged.

        One that can't be opened any more is not kept beside it: it would push out one that can.
        """
        secret = fresh_secret()
        living = tuple(each for each in partner.secrets if self.vault.opens(each.sealed, partner.id))
        changed = replace(partner, secrets=living).with_secret(self._sealed(secret, partner.id), self.clock.now())
        return await self._save(partner, changed), secret

    async def retire_secret(self, partner: Partner, secret_id: str) -> Partner:
        """Raises PartnerChanged, PartnerNotFound, LastSecret."""
        return await self._save(partner, partner.without_secret(secret_id, self.clock.now()))

    async def delete(self, partner: Partner) -> None:
        """It is asked for nothing more; what it has confirmed it is told of to the end. Raises PartnerChanged."""
        await self._save(
            partner, replace(partner, version=partner.version + 1, deleted=True, updated_at=self.clock.now())
        )

    async def keep_sandbox(self, url: str, secret: str) -> None:
        """The sandbox theatre of this stack, as it is reached now."""
        now = self.clock.now()
        known = await self.partners.get(SANDBOX)
        if known is None:
            made = Partner(
                SANDBOX,
                1,
                "Sandbox theatre",
                url,
                5.0,
                (self._sealed(secret, SANDBOX),),
                created_at=now,
                updated_at=now,
            )
            await self.partners.add(made)
        elif known.url != url:
            moved = replace(known, url=url, secrets=(self._sealed(secret, SANDBOX),), version=known.version + 1)
            await self.partners.save(moved, known.version)

    def secrets_of(self, partner: Partner) -> list[str]:
        """Raises Unsealable."""
        return self.vault.open_some([secret.sealed for secret in partner.secrets], partner.id)

    def _sealed(self, secret: str, partner_id: str) -> Secret:
        return Secret(new_id(), self.vault.close(secret, partner_id), self.clock.now())

    async def _save(self, before: Partner, after: Partner) -> Partner:
        if not await self.partners.save(after, before.version):
            raise PartnerChanged
        return after
