"""What admins do with partners."""

from dataclasses import dataclass, replace
from typing import Any

from partners_service.clients import Venues
from partners_service.domain.partners import Partner, PartnerInUse, PartnerNotFound, Secret
from partners_service.hosts import Hosts
from partners_service.store.partners import Partners
from partners_service.vault import fresh_secret
from service_kit.clock import Clock
from service_kit.errors import Conflict
from service_kit.logs import get_logger
from service_kit.sealing import Seal, Unsealable

log = get_logger(__name__)
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
        """The new partner and its first secret, those made before where this is a retry.

        Raises HostNotAllowed; PartnerNotFound, PartnerChanged where it was deleted or the secret retired meanwhile.
        """
        self.hosts.require(url)
        now = self.clock.now()
        secret = fresh_secret()
        partner = Partner(
            partner_id,
            1,
            name,
            url,
            timeout_seconds,
            # Its first secret has the partner's id: that is what the retry of a request finds it by.
            (self._sealed(partner_id, secret, partner_id),),
            created_at=now,
            updated_at=now,
        )
        if await self.partners.add(partner):
            return partner, secret
        partner = await self.get(partner_id)
        made = self.secret_of(partner, partner_id)
        if made is None:
            raise PartnerChanged("It was made by this request before, and its secret has been retired")
        return partner, made

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

    async def new_secret(self, partner: Partner, secret_id: str) -> tuple[Partner, str]:
        """A second secret, by which we sign as well from now on. Raises PartnerChanged.

        One that can't be opened any more is not kept beside it: it would push out one that can.
        """
        secret = fresh_secret()
        living = tuple(each for each in partner.secrets if self.vault.opens(each.sealed, partner.id))
        sealed = self._sealed(secret_id, secret, partner.id)
        changed = replace(partner, secrets=living).with_secret(sealed, self.clock.now())
        return await self._save(partner, changed), secret

    async def retire_secret(self, partner: Partner, secret_id: str) -> Partner:
        """Raises PartnerChanged, PartnerNotFound, LastSecret."""
        return await self._save(partner, partner.without_secret(secret_id, self.clock.now()))

    async def delete(self, partner: Partner, venues: Venues) -> None:
        """It is asked for nothing more; what it has confirmed it is told of to the end.

        Raises PartnerInUse, PartnerChanged, Unavailable. A venue that names it at this very moment is found by the
        audit.
        """
        if venue_ids := await venues.naming(partner.id):
            raise PartnerInUse(venue_ids=venue_ids)
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
                (self._sealed(SANDBOX, secret, SANDBOX),),
                created_at=now,
                updated_at=now,
            )
            await self.partners.add(made)
        elif known.url != url or not self._signs_by(known, secret):
            sealed = self._sealed(SANDBOX, secret, SANDBOX)
            changed = replace(known, url=url, secrets=(sealed,), version=known.version + 1)
            await self.partners.save(changed, known.version)

    async def seal_anew(self) -> None:
        """Have every secret lie under the present key, so that the one of before can go. Repeats are harmless."""
        renewed = 0
        for partner in await self.partners.all():
            current: Partner | None = partner
            while current:
                secrets = tuple(replace(s, sealed=self.vault.renewed(s.sealed, current.id)) for s in current.secrets)
                if secrets == current.secrets:
                    break
                changed = replace(current, secrets=secrets, version=current.version + 1)
                renewed += await self.partners.save(changed, current.version)
                current = await self.partners.get(current.id)
        if renewed:
            log.info("secrets_sealed_anew", partners=renewed)

    def secrets_of(self, partner: Partner) -> list[str]:
        """Raises Unsealable."""
        return self.vault.open_some([secret.sealed for secret in partner.secrets], partner.id)

    def secret_of(self, partner: Partner, secret_id: str) -> str | None:
        """Raises Unsealable."""
        secret = partner.secret(secret_id)
        return self.vault.open(secret.sealed, partner.id) if secret else None

    def _signs_by(self, partner: Partner, secret: str) -> bool:
        try:
            return secret in self.secrets_of(partner)
        except Unsealable:
            return False

    def _sealed(self, secret_id: str, secret: str, partner_id: str) -> Secret:
        return Secret(secret_id, self.vault.close(secret, partner_id), self.clock.now())

    async def _save(self, before: Partner, after: Partner) -> Partner:
        if not await self.partners.save(after, before.version):
            raise PartnerChanged
        return after
